//! Values that stand twice in one list.

use hashbrown::HashMap;

use super::{Finding, reading::Subject};

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for list in &subject.lists {
        let mut seen = HashMap::new();
        for item in &list.items {
            let count: &mut usize = seen.entry(item.as_str()).or_default();
            *count += 1;
            if *count == 2 {
                findings.push(Finding {
                    place: item.place(&subject.files, 0..item.as_str().len()),
                    item: None,
                    message: format!(
                        "`{}` stands twice in the list `{}`",
                        item.as_str(),
                        list.name.as_str()
                    ),
                    hint: "remove one of them".to_owned(),
                });
            }
        }
    }
    findings
}
