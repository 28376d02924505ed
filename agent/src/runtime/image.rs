//! Names of images, taken apart.

use super::metadata::{Image, cut};

const IMAGE_BYTES_MAX: usize = 512;

/// What a runtime tells of an image. Texts may be empty.
#[derive(Clone, Debug, Default)]
pub(super) struct ImageWords<'a> {
    /// What it is called, the best first.
    pub(super) names: Vec<&'a str>,
    /// Where the hash of its configuration may stand.
    pub(super) ids: Vec<&'a str>,
    /// `REPOSITORY@DIGEST`
    pub(super) digests: &'a [String],
    /// The digest of its manifest, where the runtime tells that alone.
    pub(super) digest: Option<&'a str>,
}

impl ImageWords<'_> {
    /// Puts them together.
    pub(super) fn image(&self) -> Image {
        let written = || self.names.iter().copied().filter(|name| !name.is_empty());
        let name = written().find(|name| !is_hash(name));
        let parts = name.map(ImageName::parse).unwrap_or_default();
        let digests = || self.digests.iter().filter_map(|name| name.rsplit_once('@'));
        // An image may have come from several registries: the one it is named after counts.
        let digest = parts
            .digest
            .or_else(|| digests().find(|(of, _)| Some(*of) == parts.repository).map(|(_, d)| d))
            .or_else(|| digests().next().map(|(_, digest)| digest))
            .or(self.digest);
        let id = self.ids.iter().copied().find(|id| is_hash(id)).map(|id| {
            let digits = id.strip_prefix("sha256:").unwrap_or(id);
            format!("sha256:{digits}").into()
        });
        Image {
            name: bounded(name.or_else(|| written().next())),
            repository: bounded(parts.repository),
            tag: bounded(parts.tag),
            digest: bounded(digest),
            id,
        }
    }
}

/// `REPOSITORY[:TAG][@DIGEST]` taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ImageName<'a> {
    repository: Option<&'a str>,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    fn parse(name: &'a str) -> Self {
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (name, None),
        };
        // A colon before a slash belongs to the registry's port.
        match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => {
                Self { repository: Some(repository), tag: Some(tag), digest }
            }
            _ => Self { repository: Some(name), tag: None, digest },
        }
    }
}

/// Returns whether it is 64 hex digits, with or without `sha256:`.
pub(super) fn is_hash(name: &str) -> bool {
    let digits = name.strip_prefix("sha256:").unwrap_or(name);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bounded(text: Option<&str>) -> Option<Box<str>> {
    text.filter(|text| !text.is_empty()).map(|text| cut(text, IMAGE_BYTES_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn an_image_s_name_is_taken_apart() {
        let check = |name, repository, tag, digest| {
            let parsed = ImageName::parse(name);
            assert_eq!(
                (parsed.repository, parsed.tag, parsed.digest),
                (Some(repository), tag, digest)
            );
        };
        check("busybox", "busybox", None, None);
        check("localhost:5000/a/b", "localhost:5000/a/b", None, None);
        check("localhost:5000/a/b:1", "localhost:5000/a/b", Some("1"), None);
        check("a/b:1@sha256:ab", "a/b", Some("1"), Some("sha256:ab"));
        check("a/b@sha256:ab", "a/b", None, Some("sha256:ab"));
    }

    #[test]
    fn a_hash_is_no_name_while_there_is_a_better_one() {
        let words = ImageWords {
            names: vec![HASH, "", "web:1"],
            ids: vec!["x", HASH],
            ..Default::default()
        };
        let image = words.image();
        assert_eq!(image.name.as_deref(), Some("web:1"));
        assert_eq!(image.id.as_deref(), Some(HASH));
        let alone = ImageWords { names: vec![HASH], ..Default::default() }.image();
        assert_eq!((alone.name.as_deref(), alone.repository), (Some(HASH), None));
        // Podman writes the id without its algorithm.
        let podman = ImageWords { ids: vec![&HASH[7..]], ..Default::default() }.image();
        assert_eq!(podman.id.as_deref(), Some(HASH));
    }

    #[test]
    fn the_digest_is_that_of_the_registry_the_image_is_named_after() {
        let digests = ["other@sha256:1".to_owned(), "web@sha256:2".to_owned()];
        let words =
            |name| ImageWords { names: vec![name], digests: &digests, ..Default::default() };
        assert_eq!(words("web:1").image().digest.as_deref(), Some("sha256:2"));
        assert_eq!(words("third:1").image().digest.as_deref(), Some("sha256:1"));
        assert_eq!(words("web@sha256:3").image().digest.as_deref(), Some("sha256:3"));
        let told = ImageWords { digest: Some("sha256:4"), ..Default::default() }.image();
        assert_eq!(told.digest.as_deref(), Some("sha256:4"));
    }
}
