//! Prometheus and Alertmanager, from the distribution's packages.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::{Folder, Port, Process};

/// A Prometheus that scrapes once a second.
#[derive(Debug)]
pub struct Prometheus {
    pub port: Port,
    _process: Process,
    _folder: Folder,
}

impl Prometheus {
    /// Starts with one job for each name and `host:port`.
    pub fn start(targets: &[(&str, String)]) -> Self {
        Self::launch(targets, None, None)
    }

    /// As [`Prometheus::start`], and evaluates the rules of a file once a second.
    pub fn start_with_rules(targets: &[(&str, String)], rules: &Path) -> Self {
        Self::launch(targets, Some(rules), None)
    }

    /// As [`Prometheus::start_with_rules`], and pages through the Alertmanager at this address: again
    /// after some seconds, and with an end four times as far away.
    pub fn start_paging(targets: &[(&str, String)], rules: &Path, alertmanager: &str) -> Self {
        Self::launch(targets, Some(rules), Some(alertmanager))
    }

    fn launch(targets: &[(&str, String)], rules: Option<&Path>, paged: Option<&str>) -> Self {
        let (folder, port) = (Folder::new("prometheus"), Port::reserve());
        let mut config = "global: { scrape_interval: 1s, evaluation_interval: 1s }\n".to_owned();
        if let Some(rules) = rules {
            config += &format!("rule_files: [{}]\n", rules.display());
        }
        if let Some(paged) = paged {
            config += &format!(
                "alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: [{paged}] }}] }}] }}\n"
            );
        }
        config += "scrape_configs:\n";
        for (job, target) in targets {
            config +=
                &format!("- job_name: {job}\n  static_configs: [{{ targets: [{target}] }}]\n");
        }
        let config = folder.write("prometheus.yml", config);
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={}", port.address()))
            .arg("--rules.alert.resend-delay=10s");
        let mut process = Process::start("Prometheus", &command, &folder.join("log"));
        process.ready(|| ask_ready(&port.address()));
        Self { port, _process: process, _folder: folder }
    }

    /// Returns the series an expression gives now, or what is wrong with it.
    pub fn ask(&self, expression: &str) -> Result<Vec<Value>, String> {
        let url = self.query(expression);
        let path = url.strip_prefix(&url_of(&self.port, "")).expect("an address of ours");
        let mut answer = self.get(path)?;
        match answer["data"]["result"].take() {
            Value::Array(series) => Ok(series),
            _ => Err(format!("no series in {answer}")),
        }
    }

    /// Returns what the API answers to a path.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let (_, body) = fetch(&self.port.address(), path).map_err(|error| error.to_string())?;
        serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
    }

    /// Returns the address of a query.
    pub fn query(&self, expression: &str) -> String {
        let mut url = url_of(&self.port, "/api/v1/query?query=");
        for byte in expression.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => url.push(char::from(byte)),
                _ => url += &format!("%{byte:02X}"),
            }
        }
        url
    }
}

/// An Alertmanager.
#[derive(Debug)]
pub struct Alertmanager {
    pub port: Port,
    _process: Process,
    _folder: Folder,
}

impl Alertmanager {
    /// Starts one that notifies nobody.
    pub fn start() -> Self {
        Self::start_with("{ name: all }")
    }

    /// Starts one that notifies a webhook.
    pub fn start_telling(url: &str) -> Self {
        Self::start_with(&format!("{{ name: all, webhook_configs: [{{ url: \"{url}\" }}] }}"))
    }

    fn start_with(receiver: &str) -> Self {
        let (folder, port) = (Folder::new("alertmanager"), Port::reserve());
        let config = folder.write(
            "alertmanager.yml",
            format!(
                "route: {{ receiver: all, group_wait: 1s, group_interval: 1s }}\n\
                 receivers: [{receiver}]\n"
            ),
        );
        let mut command = Command::new("prometheus-alertmanager");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={}", port.address()))
            .arg("--cluster.listen-address=");
        let mut process = Process::start("Alertmanager", &command, &folder.join("log"));
        process.ready(|| ask_ready(&port.address()));
        Self { port, _process: process, _folder: folder }
    }

    /// Returns its base address.
    pub fn url(&self) -> String {
        url_of(&self.port, "")
    }

    /// Returns the address that lists the active alerts.
    pub fn alerts(&self) -> String {
        url_of(&self.port, "/api/v2/alerts")
    }
}

fn url_of(port: &Port, path: &str) -> String {
    format!("http://{}{path}", port.address())
}

pub(crate) fn ask_ready(address: &str) -> std::io::Result<()> {
    get_ok(address, "/-/ready")
}

/// Asks for a path and wants a 200.
pub(crate) fn get_ok(address: &str, path: &str) -> std::io::Result<()> {
    match fetch(address, path)? {
        (200, _) => Ok(()),
        (status, _) => Err(std::io::Error::other(format!("{path} answers {status}"))),
    }
}

/// Asks for a path, and returns the status and the body.
pub(crate) fn fetch(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // HTTP/1.0, so that the body comes in one piece and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("odd answer: {head:?}")))?;
    Ok((status, body.to_owned()))
}
