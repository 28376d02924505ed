//! Reads the part of the Containerfile language that our images use. The same file is built by
//! docker, podman and buildah, so it is the only place that tells user, entry point, ports, volumes
//! and labels. An instruction not known here is an error: what we cannot do alike, we do not do.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};

use super::layer::Owner;

/// What is built, and how it is started.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Containerfile {
    pub(crate) copies: Vec<Copy>,
    pub(crate) user: String,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) command: Vec<String>,
    /// As the image's configuration has them: `2801/tcp`.
    pub(crate) ports: BTreeSet<String>,
    pub(crate) volumes: BTreeSet<String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) environment: Vec<String>,
    pub(crate) stop_signal: String,
}

/// One layer: a folder of the context, and where it goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) owner: Owner,
    /// The line, for the image's history.
    pub(crate) line: String,
}

/// Reads a Containerfile; `arguments` are the values of its `ARG`s.
pub(crate) fn read(
    text: &str,
    arguments: &BTreeMap<String, String>,
) -> anyhow::Result<Containerfile> {
    let mut file = Containerfile::default();
    let mut known = BTreeMap::new();
    for line in joined(text) {
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let rest = rest.trim();
        file.take(word, rest, arguments, &mut known).with_context(|| format!("in `{line}`"))?;
    }
    if file.copies.is_empty() || file.entrypoint.is_empty() || file.user.is_empty() {
        bail!("a Containerfile needs COPY, ENTRYPOINT and USER");
    }
    Ok(file)
}

impl Containerfile {
    fn take(
        &mut self,
        word: &str,
        rest: &str,
        arguments: &BTreeMap<String, String>,
        known: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        match word {
            "FROM" if rest == "scratch" => {}
            "ARG" => {
                let (name, default) = rest.split_once('=').unwrap_or((rest, ""));
                let value = arguments.get(name).map_or(default, String::as_str);
                known.insert(name.to_owned(), value.to_owned());
            }
            "COPY" => self.copies.push(copy(rest)?),
            "USER" => rest.clone_into(&mut self.user),
            "ENTRYPOINT" => self.entrypoint = serde_json::from_str(rest)?,
            "CMD" => self.command = serde_json::from_str(rest)?,
            "EXPOSE" => self.ports.extend(rest.split_whitespace().map(port)),
            "VOLUME" => self.volumes.extend(serde_json::from_str::<Vec<String>>(rest)?),
            "STOPSIGNAL" => rest.clone_into(&mut self.stop_signal),
            "ENV" => self.environment.extend(words(rest, known)?),
            "LABEL" => {
                for label in words(rest, known)? {
                    let (name, value) = label.split_once('=').context("a label has no value")?;
                    self.labels.insert(name.to_owned(), value.to_owned());
                }
            }
            _ => bail!("not among the instructions our images use"),
        }
        Ok(())
    }
}

/// Returns the instructions: without comments and empty lines, continued lines joined.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.strip_suffix('\\') {
            Some(part) => {
                open.push_str(part.trim_end());
                open.push(' ');
            }
            None => lines.push(std::mem::take(&mut open) + line),
        }
    }
    lines
}

fn copy(rest: &str) -> anyhow::Result<Copy> {
    let mut owner = Owner::default();
    let mut places = Vec::new();
    for word in rest.split_whitespace() {
        if let Some(ids) = word.strip_prefix("--chown=") {
            let (user, group) = ids.split_once(':').context("--chown needs USER:GROUP")?;
            owner = Owner { user: user.parse()?, group: group.parse()? };
        } else {
            places.push(word);
        }
    }
    let [from, to] = places[..] else { bail!("COPY takes one folder and one place") };
    if !from.ends_with('/') || !to.starts_with('/') || !to.ends_with('/') {
        bail!("COPY takes a folder (`name/`) and a place (`/` or `/name/`)");
    }
    let (from, to) = (from.trim_end_matches('/').to_owned(), to.to_owned());
    Ok(Copy { from, to, owner, line: format!("COPY {rest}") })
}

fn port(word: &str) -> String {
    if word.contains('/') { word.to_owned() } else { format!("{word}/tcp") }
}

/// Splits at spaces outside double quotes, and puts the values of `$NAME` and `${NAME}` in.
fn words(rest: &str, known: &BTreeMap<String, String>) -> anyhow::Result<Vec<String>> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        let last = words.len() - 1;
        match character {
            '"' => quoted = !quoted,
            ' ' if quoted => words[last].push(' '),
            ' ' if words[last].is_empty() => {}
            ' ' => words.push(String::new()),
            '$' => {
                let braced = characters.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(letter) =
                    characters.next_if(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                {
                    name.push(letter);
                }
                if braced && characters.next() != Some('}') {
                    bail!("`${{` is not closed");
                }
                let value = known.get(&name).with_context(|| format!("no ARG {name}"))?;
                words[last].push_str(value);
            }
            _ => words[last].push(character),
        }
    }
    if quoted {
        bail!("a quote is not closed");
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
# A comment.
FROM scratch
ARG VERSION=0
COPY root/ /
COPY --chown=1:2 data/ /var/lib/x/
ENV PATH=/usr/bin
LABEL title="A title" \
      version="v${VERSION}"
EXPOSE 2801 53/udp
VOLUME ["/var/lib/x"]
STOPSIGNAL SIGTERM
USER 1:2
ENTRYPOINT ["/usr/bin/x"]
CMD ["--config", "c"]
"#;

    fn arguments() -> BTreeMap<String, String> {
        BTreeMap::from([("VERSION".to_owned(), "1.2".to_owned())])
    }

    #[test]
    fn every_instruction_our_images_use_is_read() {
        let file = read(FILE, &arguments()).unwrap();
        assert_eq!(file.copies.len(), 2);
        assert_eq!(file.copies[1].owner, Owner { user: 1, group: 2 });
        assert_eq!(file.copies[1].to, "/var/lib/x/");
        assert_eq!(file.labels["title"], "A title");
        assert_eq!(file.labels["version"], "v1.2");
        assert_eq!(file.environment, ["PATH=/usr/bin"]);
        assert_eq!(file.ports, BTreeSet::from(["2801/tcp".to_owned(), "53/udp".to_owned()]));
        assert_eq!(file.volumes, BTreeSet::from(["/var/lib/x".to_owned()]));
        assert_eq!((file.user.as_str(), file.stop_signal.as_str()), ("1:2", "SIGTERM"));
        assert_eq!(file.entrypoint, ["/usr/bin/x"]);
        assert_eq!(file.command, ["--config", "c"]);
    }

    #[test]
    fn what_we_cannot_do_as_docker_does_is_refused() {
        for bad in ["RUN true", "FROM debian", "ADD x /", "COPY a b /c/", "LABEL a=\"$NONE\""] {
            assert!(read(&format!("{FILE}{bad}\n"), &arguments()).is_err(), "{bad}");
        }
    }
}
