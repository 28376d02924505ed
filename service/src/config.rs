//! Reads configuration: one YAML file, strict, every mistake with its place.
//!
//! After parsing, `${env:NAME}` and `${file:PATH}` are replaced in text leaves (`$${` is a literal
//! `${`). Then environment variables such as `SAKER_ROUTER__LISTEN` override single keys: two
//! underscores go one level down. What is read is deserialised last, so that a mistake in an
//! override or a replacement has a place too.

mod interpolate;
mod overlay;
mod problem;
mod read;
mod tree;
mod values;

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

pub use problem::ConfigError;
pub use values::{HumanBytes, HumanDuration, SafeUrl, Secret};

/// Largest configuration file.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Top-level keys of the file that Saker's programs share. Those that read only their own part of it
/// do so by `load_part` or `read_part`: they pass over the others' and refuse what is nobody's.
pub const SECTIONS: [&str; 15] = [
    "router",
    "outputs",
    "routes",
    "intervals",
    "silences",
    "silence_notices",
    "inhibitions",
    "windows",
    "fingerprints",
    "score",
    "storm",
    "limits",
    "logs",
    "agent",
    "response",
];

/// A configuration as it was read, to say later where something in it is.
#[derive(Debug)]
pub struct Document {
    source: problem::Source,
    root: tree::Node,
    /// Folder of the file: relative paths in it start here.
    pub directory: PathBuf,
}

/// Reads a configuration. Without a file every key has its default, or is overridden by the
/// environment.
pub fn load<T: DeserializeOwned>(
    path: Option<&Path>,
    prefix: &str,
) -> Result<(T, Document), ConfigError> {
    load_keys(path, prefix, None)
}

/// Reads a program's part of the shared file; `T` must not deny unknown fields.
pub fn load_part<T: DeserializeOwned>(
    path: Option<&Path>,
    prefix: &str,
) -> Result<(T, Document), ConfigError> {
    load_keys(path, prefix, Some(&SECTIONS))
}

fn load_keys<T: DeserializeOwned>(
    path: Option<&Path>,
    prefix: &str,
    keys: Option<&'static [&'static str]>,
) -> Result<(T, Document), ConfigError> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
    });
    let (name, text, directory) = match path {
        Some(path) => (path.display().to_string(), read_file(path)?, folder_of(path)),
        None => ("defaults".to_owned(), String::new(), PathBuf::from(".")),
    };
    read_keys(&name, text, &directory, prefix, variables, keys)
}

/// Reads a configuration from text; `variables` are the environment.
pub fn read<T: DeserializeOwned>(
    name: &str,
    text: String,
    directory: &Path,
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(T, Document), ConfigError> {
    read_keys(name, text, directory, prefix, variables, None)
}

/// Reads a program's part of the shared file from its text, as `load_part` does.
pub fn read_part<T: DeserializeOwned>(
    name: &str,
    text: String,
    directory: &Path,
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(T, Document), ConfigError> {
    read_keys(name, text, directory, prefix, variables, Some(&SECTIONS))
}

fn read_keys<T: DeserializeOwned>(
    name: &str,
    text: String,
    directory: &Path,
    prefix: &str,
    variables: impl Iterator<Item = (String, String)>,
    keys: Option<&'static [&'static str]>,
) -> Result<(T, Document), ConfigError> {
    let source = problem::Source { name: name.to_owned(), text };
    let variables: Vec<(String, String)> = variables.collect();
    let located = |problem: problem::Problem| source.error(problem);
    let mut root = tree::parse(&source.text).map_err(located)?;
    let lookup = |wanted: &str| {
        variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
    };
    interpolate::interpolate(&mut root, directory, &lookup).map_err(located)?;
    overlay::overlay(&mut root, prefix, &variables).map_err(located)?;
    if let Some(keys) = keys {
        read::check_keys(&root, keys).map_err(located)?;
    }
    let value = read::deserialize(&root).map_err(located)?;
    Ok((value, Document { source, root, directory: directory.to_owned() }))
}

impl Document {
    /// Returns an error at a key, for example `routes[0].outputs[1]`; at its nearest parent if the
    /// key is not in the file.
    pub fn error(&self, path: &str, message: impl Into<String>, hint: Option<&str>) -> ConfigError {
        let place = self.root.find(path).place.clone();
        self.source.error(problem::Problem {
            path: path.to_owned(),
            message: message.into(),
            place: Some(place),
            hint: hint.map(str::to_owned),
        })
    }
}

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let name = path.display();
    let fail = |reason: String| {
        ConfigError::unplaced(format!("failed to read the configuration {name}: {reason}"))
    };
    let length = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
    if length > FILE_BYTES_MAX {
        return Err(fail(format!("it has {length} bytes, more than {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use expect_test::{Expect, expect};
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Example {
        listen: String,
        limit: u32,
        wait: HumanDuration,
        size: HumanBytes,
        secret: Option<Secret>,
        mode: Mode,
        outputs: BTreeMap<String, Output>,
        list: Vec<String>,
    }

    impl Default for Example {
        fn default() -> Self {
            Self {
                listen: "127.0.0.1:1".into(),
                limit: 1,
                wait: HumanDuration(std::time::Duration::from_secs(5)),
                size: HumanBytes(1),
                secret: None,
                mode: Mode::Fast,
                outputs: BTreeMap::new(),
                list: Vec::new(),
            }
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        Fast,
        Slow { factor: u8 },
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Output {
        channel: String,
    }

    fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Example, ConfigError> {
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        read("saker.yaml", text.to_owned(), Path::new("."), "SAKER_", variables)
            .map(|(value, _)| value)
    }

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&parse(text, &[]).unwrap_err().to_string());
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let example = parse("# nothing\n", &[]).unwrap();
        assert_eq!((example.listen.as_str(), example.limit), ("127.0.0.1:1", 1));
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let text = "listen: 0.0.0.0:2801\nlimit: 7\nwait: 1m30s\nsize: 64MiB\nmode: { slow: { factor: 3 } }\noutputs:\n  soc: { channel: '#soc' }\nlist: [a, \"b\"]\n";
        let example = parse(text, &[]).unwrap();
        assert_eq!(example.wait.0.as_secs(), 90);
        assert_eq!(example.size.0, 64 << 20);
        assert_eq!(example.mode, Mode::Slow { factor: 3 });
        assert_eq!(example.outputs["soc"].channel, "#soc");
        assert_eq!(example.list, ["a", "b"]);
    }

    #[test]
    fn an_unknown_key_is_shown_with_its_place_and_what_was_meant() {
        check(
            "outputs:\n  soc: { chanel: x }\n",
            expect![[r#"
                saker.yaml:2:10: outputs.soc: unknown key `chanel`, expected `channel`
                  |
                2 |   soc: { chanel: x }
                  |          ^^^^^^
                  = did you mean `channel`?"#]],
        );
    }

    #[test]
    fn a_part_passes_over_what_is_anothers_and_refuses_what_is_nobodys() {
        #[derive(Debug, Deserialize)]
        struct Part {
            logs: String,
        }
        let part = |text: &str| {
            let none = std::iter::empty();
            read_part::<Part>("saker.yaml", text.to_owned(), Path::new("."), "SAKER_", none)
        };
        assert_eq!(part("routes: [1]\nlogs: mine\nstorm: { x: y }\n").unwrap().0.logs, "mine");
        let error = part("logs: mine\nrouts: []\n").unwrap_err().to_string();
        assert!(error.starts_with("saker.yaml:2:1: unknown key `routs`"), "{error}");
        assert!(error.ends_with("= did you mean `routes`?"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_shown_with_its_place() {
        check(
            "limit: many\n",
            expect![[r#"
                saker.yaml:1:8: limit: invalid type: string "many", expected u32
                  |
                1 | limit: many
                  |        ^^^^"#]],
        );
        check(
            "wait: 5 parsecs\n",
            expect![[r#"
                saker.yaml:1:7: wait: `5 parsecs` is no duration: write for example `30s`, `5m`, `1h30m` or `2d`
                  |
                1 | wait: 5 parsecs
                  |       ^^^^^^^^^"#]],
        );
    }

    #[test]
    fn a_duplicate_key_and_broken_yaml_are_errors() {
        check(
            "limit: 1\nlimit: 2\n",
            expect![[r#"
                saker.yaml:2:1: limit: key given twice
                  |
                2 | limit: 2
                  | ^^^^^"#]],
        );
        assert!(parse("a: [1\nb: }", &[]).is_err());
    }

    #[test]
    fn variables_and_files_are_put_into_texts_only() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s3cret\n").unwrap();
        let text = "secret: ${file:token}\nlisten: \"${env:HOST}:1 $${kept}\"\n".to_owned();
        let variables = [("HOST".to_owned(), "h: {x}".to_owned())].into_iter();
        let (example, _) = read::<Example>("f", text, folder.path(), "SAKER_", variables).unwrap();
        assert_eq!(example.secret.unwrap().expose(), "s3cret");
        assert_eq!(example.listen, "h: {x}:1 ${kept}");
    }

    #[test]
    fn a_missing_variable_names_itself() {
        check(
            "listen: ${env:NOT_SET}\n",
            expect![[r#"
                saker.yaml:1:9: listen: the environment variable NOT_SET is not set
                  |
                1 | listen: ${env:NOT_SET}
                  |         ^^^^^^^^^^^^^^"#]],
        );
    }

    #[test]
    fn the_environment_overrides_single_keys() {
        let text = "mode: { slow: { factor: 1 } }\noutputs: { soc: { channel: a } }\n";
        let variables = [
            ("SAKER_MODE__SLOW__FACTOR", "9"),
            ("SAKER_OUTPUTS__SOC__CHANNEL", "#x"),
            ("SAKER_TOKEN", "not a key"),
            ("OTHER__KEY", "1"),
        ];
        let example = parse(text, &variables).unwrap();
        assert_eq!(example.mode, Mode::Slow { factor: 9 });
        assert_eq!(example.outputs["soc"].channel, "#x");
        let error = parse("", &[("SAKER_OUTPUTS__SOC__CHANEL", "9")]).unwrap_err().to_string();
        assert!(
            error.contains("SAKER_OUTPUTS__SOC__CHANEL") && error.contains("`channel`"),
            "{error}"
        );
    }

    #[test]
    fn a_secret_is_never_in_an_error() {
        let error = parse("limit: ${env:X}\n", &[("X", "hunter2")]).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_document_finds_the_place_of_a_path() {
        let (_, document) =
            read::<Example>("f", "list: [a, b]\n".into(), Path::new("."), "SAKER_", [].into_iter())
                .unwrap();
        let error =
            document.error("list[1]", "no such output `b`", Some("known are: c")).to_string();
        assert!(error.starts_with("f:1:11: list[1]: no such output `b`"), "{error}");
    }
}
