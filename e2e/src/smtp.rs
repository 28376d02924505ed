//! An SMTP server with STARTTLS, implicit TLS and logins (see `servers/smtp.py`).

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::Path,
    process::Command,
};

use serde::Deserialize;

use crate::{Certificates, Folder, Port, Process, folder::installed};

/// The server; `localhost` is in its certificate.
#[derive(Debug)]
pub struct Smtp {
    pub starttls: Port,
    pub implicit: Port,
    /// Offers neither STARTTLS nor a login.
    pub plain: Port,
    pub certificates: Certificates,
    folder: Folder,
    process: Process,
}

/// A mail as the server took it; headers and bodies as Python's parser decodes them.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    pub listener: String,
    pub encrypted: bool,
    pub user: Option<String>,
    pub sender: String,
    pub recipients: Vec<String>,
    pub headers: Vec<(String, String)>,
    pub text: Option<String>,
    pub html: Option<String>,
    pub defects: Vec<String>,
    pub longest_line: usize,
    pub raw: String,
}

impl Mail {
    /// Returns a header's value; panics when there is more than one of that name.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "more than one `{name}`: {:?}", self.headers);
        value
    }
}

impl Smtp {
    pub const USER: &str = "saker";
    pub const PASSWORD: &str = "open sesame";

    pub fn start() -> Self {
        let (folder, certificates) = (Folder::new("smtp"), Certificates::new());
        let (starttls, implicit, plain) = (Port::reserve(), Port::reserve(), Port::reserve());
        let mails = folder.join("mails");
        fs::create_dir(&mails).expect("a folder for the mails");
        let ports = [&starttls, &implicit, &plain];
        let process = launch(&folder, &certificates, ports);
        Self { starttls, implicit, plain, certificates, folder, process }
    }

    /// Returns the mails taken so far, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        let entries = fs::read_dir(self.folder.join("mails")).expect("the folder of the mails");
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let json = fs::read(path).expect("a mail");
                serde_json::from_slice(&json).expect("a mail's JSON")
            })
            .collect()
    }

    /// Starts the server again, on the same ports and with the same mails.
    pub fn restart(&mut self) {
        let ports = [&self.starttls, &self.implicit, &self.plain];
        self.process = launch(&self.folder, &self.certificates, ports);
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn launch(folder: &Folder, certificates: &Certificates, ports: [&Port; 3]) -> Process {
    let [starttls, implicit, plain] = ports;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/smtp.py");
    let mut command = Command::new(installed("aiosmtpd-1.4.6").join("bin/python"));
    command
        .arg(script)
        .arg("--folder")
        .arg(folder.join("mails"))
        .arg("--certificate")
        .arg(&certificates.server.certificate)
        .arg("--key")
        .arg(&certificates.server.key)
        .args(["--password", Smtp::PASSWORD])
        .args(["--starttls", &starttls.number().to_string()])
        .args(["--implicit", &implicit.number().to_string()])
        .args(["--plain", &plain.number().to_string()]);
    let mut process = Process::start("the SMTP server", &command, &folder.join("log"));
    // The listener opened last: when it greets, the others do.
    process.ready(|| {
        let stream = TcpStream::connect(plain.address())?;
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting)?;
        if greeting.starts_with("220 ") {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("unexpected greeting {greeting:?}")))
        }
    });
    process
}
