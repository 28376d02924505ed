//! Lists in parts. A cursor says where the next part begins: things that are there throughout are in
//! exactly one part, whatever comes, goes or changes meanwhile.

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Api, ApiError, types::List};
use crate::{
    core::State,
    pipeline::{Page, Part, Place},
};

/// Longest part of a list.
const LIMIT_MAX: usize = 1000;

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `next` of the part before.
    pub(super) cursor: Option<String>,
    /// Items at most.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<usize>,
}

impl Wanted {
    fn limit(&self, default: usize) -> Result<usize, ApiError> {
        let limit = self.limit.unwrap_or(default);
        if limit == 0 || limit > LIMIT_MAX {
            return Err(ApiError::Invalid(format!("`limit` must be 1 to {LIMIT_MAX}")));
        }
        Ok(limit)
    }

    fn page(&self) -> Result<Page, ApiError> {
        let after = self.cursor.as_deref().map(|cursor| {
            read(cursor).ok_or_else(|| ApiError::Invalid("`cursor` is none of this list".into()))
        });
        Ok(Page { after: after.transpose()?, limit: self.limit(Page::default().limit)? })
    }
}

/// Returns a part of a list that the pipeline keeps. The core's thread is asked again and again for
/// little, so that a search through many things holds nothing up.
pub(super) async fn part<T: Send + 'static>(
    api: &Api,
    wanted: &Wanted,
    ask: impl Fn(&State, Page) -> Part<T> + Clone + Send + 'static,
) -> Result<Json<List<T>>, ApiError> {
    let mut page = wanted.page()?;
    let mut items = Vec::new();
    loop {
        let (ask, asked) = (ask.clone(), page);
        let part = api.core.ask(move |state| ask(state, asked)).await?;
        page.limit = page.limit.saturating_sub(part.items.len());
        page.after = part.next;
        items.extend(part.items);
        if page.limit == 0 || part.next.is_none() {
            return Ok(Json(List { items, next: part.next.map(write) }));
        }
    }
}

/// Returns a part of a short list of things with names, in the order of these; all of it unless a
/// limit was given.
pub(super) fn named<T>(
    mut all: Vec<T>,
    wanted: &Wanted,
    name: impl Fn(&T) -> &str,
) -> Result<Json<List<T>>, ApiError> {
    let limit = wanted.limit(LIMIT_MAX)?;
    if let Some(after) = &wanted.cursor {
        all.retain(|item| name(item) > after.as_str());
    }
    all.sort_by(|a, b| name(a).cmp(name(b)));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().filter(|_| more).map(|last| name(last).to_owned());
    Ok(Json(List { items: all, next }))
}

fn write(Place(sequence, number): Place) -> String {
    format!("{sequence:x}.{number:x}")
}

fn read(cursor: &str) -> Option<Place> {
    let (sequence, number) = cursor.split_once('.')?;
    let place =
        Place(u64::from_str_radix(sequence, 16).ok()?, u32::from_str_radix(number, 16).ok()?);
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        for place in [Place(0, 0), Place(1, 2), Place(u64::MAX, u32::MAX)] {
            assert_eq!(read(&write(place)), Some(place));
        }
        for other in ["", ".", "1", "g.1", "1.", "1.1.1", "10000000000000000.0", "web"] {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn a_list_by_name_comes_whole_or_in_parts() {
        let of = |cursor: Option<&str>, limit| {
            let wanted = Wanted { cursor: cursor.map(str::to_owned), limit };
            let list = named(vec!["c", "a", "d", "b"], &wanted, |name| name);
            list.map(|Json(list)| (list.items.concat(), list.next)).ok()
        };
        let next = |name: &str| Some(name.to_owned());
        assert_eq!(of(None, None), Some(("abcd".to_owned(), None)));
        assert_eq!(of(None, Some(3)), Some(("abc".to_owned(), next("c"))));
        assert_eq!(of(Some("c"), Some(3)), Some(("d".to_owned(), None)));
        assert_eq!(of(Some("bb"), Some(1)), Some(("c".to_owned(), next("c"))));
        assert_eq!(of(None, Some(4)), Some(("abcd".to_owned(), None)));
        assert_eq!(of(None, Some(0)), None);
        assert_eq!(of(None, Some(1001)), None);
    }
}
