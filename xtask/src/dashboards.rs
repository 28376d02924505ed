//! Grafana's dashboards, written down as data and turned into the JSON under `dashboards/`.
//!
//! One file here for each dashboard; `panel` knows Grafana's format, nobody else does.

mod delivery;
mod fleet;
mod panel;
mod responses;
mod soc;

use std::{fs, path::Path};

use anyhow::{Context, bail};

use self::panel::Dashboard;

const FOLDER: &str = "dashboards";

fn all() -> [Dashboard; 4] {
    [soc::dashboard(), delivery::dashboard(), fleet::dashboard(), responses::dashboard()]
}

/// Writes all dashboards.
pub(crate) fn write() -> anyhow::Result<()> {
    for dashboard in all() {
        let path = Path::new(FOLDER).join(dashboard.file);
        fs::write(&path, text(&dashboard)?)
            .with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// Fails when a file is not what [`write()`] would make it.
pub(crate) fn check() -> anyhow::Result<()> {
    for dashboard in all() {
        let path = Path::new(FOLDER).join(dashboard.file);
        if fs::read_to_string(&path).unwrap_or_default() != text(&dashboard)? {
            bail!("{} is out of date: run `cargo xtask dashboards`", path.display());
        }
    }
    Ok(())
}

fn text(dashboard: &Dashboard) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&dashboard.json())? + "\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// Pixels of one of Grafana's 24 columns at 1440 px, menu and gaps taken off.
    const COLUMN_PX: usize = 56;
    /// Pixels of a character of a title, on average.
    const CHARACTER_PX: usize = 8;

    fn panels() -> Vec<(&'static str, Value)> {
        let mut panels = Vec::new();
        for dashboard in all() {
            let json = dashboard.json();
            for panel in json["panels"].as_array().unwrap() {
                panels.push((dashboard.file, panel.clone()));
            }
        }
        panels
    }

    fn place(panel: &Value) -> [u64; 4] {
        ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap())
    }

    #[test]
    fn the_files_are_up_to_date() {
        std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        check().unwrap();
    }

    #[test]
    fn no_panel_covers_another_or_leaves_the_grid() {
        let panels = panels();
        for (index, (file, one)) in panels.iter().enumerate() {
            let [x, y, w, h] = place(one);
            assert!(w > 0 && h > 0 && x + w <= 24, "{file}: {}", one["title"]);
            for (_, other) in panels[index + 1..].iter().filter(|(of, _)| of == file) {
                let [x2, y2, w2, h2] = place(other);
                let apart = x + w <= x2 || x2 + w2 <= x || y + h <= y2 || y2 + h2 <= y;
                assert!(apart, "{file}: {} covers {}", one["title"], other["title"]);
            }
        }
    }

    #[test]
    fn a_title_fits_at_1440_pixels() {
        for (file, panel) in panels() {
            let title = panel["title"].as_str().unwrap();
            let room = place(&panel)[2] as usize * COLUMN_PX / CHARACTER_PX;
            assert!(!title.is_empty() && title.chars().count() <= room, "{file}: {title}");
        }
    }

    #[test]
    fn every_panel_says_what_it_shows_in_a_unit_from_the_chosen_data_source() {
        for (file, panel) in panels().iter().filter(|(_, panel)| panel["type"] != "row") {
            let title = &panel["title"];
            assert!(panel["description"].as_str().unwrap().len() > 20, "{file}: {title}");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{file}: {title}");
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{file}: {title}");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{file}: {title}");
                assert!(!target["expr"].as_str().unwrap().is_empty(), "{file}: {title}");
            }
        }
    }

    #[test]
    fn identifiers_are_unique_and_kinds_are_grafanas_own() {
        let built_in =
            ["row", "stat", "timeseries", "table", "bargauge", "state-timeline"].map(Value::from);
        let mut seen = BTreeSet::new();
        for (file, panel) in panels() {
            assert!(seen.insert((file, panel["id"].as_u64().unwrap())), "{file}");
            assert!(built_in.contains(&panel["type"]), "{file}: {}", panel["type"]);
        }
        assert_eq!(all().map(|dashboard| dashboard.uid).iter().collect::<BTreeSet<_>>().len(), 4);
    }

    #[test]
    fn a_linked_runbook_is_there() {
        let runbooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks");
        let mut linked = 0;
        for (file, panel) in panels() {
            for link in panel["links"].as_array().into_iter().flatten() {
                let url = link["url"].as_str().unwrap();
                let name = url.strip_prefix("${runbooks}/").expect("a runbook");
                assert!(runbooks.join(name).exists(), "{file}: {url}");
                linked += 1;
            }
        }
        assert!(linked > 10, "{linked}");
    }
}
