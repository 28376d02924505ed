//! Sends notifications by e-mail, through an SMTP server.
//!
//! A group is a thread: its later mails answer its first one. Whatever an attacker wrote stays
//! inside the subject's text or the bodies; no header is made from it.

mod message;
mod session;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters},
        extension::ClientId,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use service::config::{HumanBytes, Secret};
use templates::{Escape, builtin};

use self::session::{Pool, Security, Server};
use crate::{BuildContext, BuildError, Delivery, DeliveryError, Kind, Output, Part, Receipt};

/// Mailboxes reached through an SMTP server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Email {
    /// Name or address of the SMTP server; its certificate must carry it.
    server: String,
    /// 587 with `tls: starttls`, 465 with `implicit`, 25 with `none` when absent.
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    tls: TlsMode,
    /// PEM file of the only authorities to trust; the machine's when absent.
    #[serde(default)]
    ca: Option<PathBuf>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    /// `soc@example.org` or `Saker <soc@example.org>`; also the envelope's sender.
    from: Address,
    to: Vec<Address>,
    #[serde(default)]
    cc: Vec<Address>,
    /// The name to greet the server with; the machine's host name when absent.
    #[serde(default)]
    hello: Option<String>,
    /// The greatest size of a mail's texts together; a longer one loses its HTML part, then its
    /// text is cut.
    #[serde(default = "text_bytes_max")]
    text_bytes_max: HumanBytes,
}

const fn text_bytes_max() -> HumanBytes {
    HumanBytes(1024 * 1024)
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum TlsMode {
    /// Plain text until STARTTLS; a server that does not offer it gets nothing.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// No protection at all, for a relay on the same machine.
    None,
}

impl TlsMode {
    const fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::None => 25,
        }
    }
}

/// One mailbox, read and checked once.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(transparent)]
struct Address(#[schemars(with = "String")] Mailbox);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong =
            |why: &str| serde::de::Error::custom(format!("`{}` {why}", text.escape_debug()));
        if text.contains(char::is_control) {
            return Err(wrong("has control characters"));
        }
        let mailbox: Mailbox = text.parse().map_err(|_| {
            wrong("is no mail address; expected `user@example.org` or `Name <user@example.org>`")
        })?;
        let address: &str = mailbox.email.as_ref();
        if !address.is_ascii() {
            return Err(wrong("is not ASCII; write its domain in punycode"));
        }
        Ok(Self(mailbox))
    }
}

/// More would make one notification a mailing list's work.
const RECIPIENTS_MAX: usize = 100;

impl Kind for Email {
    const NAME: &'static str = "email";
    const PARTS: &'static [Part] = &[
        Part {
            name: "subject",
            escape: Escape::Line,
            chars_max: 200,
            builtin: builtin!("email/subject.line.hbs"),
        },
        Part {
            name: "text",
            escape: Escape::Text,
            chars_max: 100_000,
            builtin: builtin!("email/text.text.hbs"),
        },
        Part {
            name: "html",
            escape: Escape::Html,
            chars_max: 300_000,
            builtin: builtin!("email/html.html.hbs"),
        },
    ];
    const EXAMPLE: &'static str =
        "server: mail.example.org\nfrom: Saker <saker@example.org>\nto: [soc@example.org]\n";

    fn validate(&self) -> Result<(), String> {
        if !is_host(&self.server) {
            return Err("`server` is a host name or an IP address, without a port".to_owned());
        }
        if self.port == Some(0) {
            return Err("`port` cannot be 0".to_owned());
        }
        if self.to.is_empty() {
            return Err("`to` needs at least one address".to_owned());
        }
        if self.to.len() + self.cc.len() > RECIPIENTS_MAX {
            return Err(format!("`to` and `cc` take at most {RECIPIENTS_MAX} addresses together"));
        }
        if self.username.is_some() != self.password.is_some() {
            return Err("`username` and `password` need each other".to_owned());
        }
        if self.username.is_some() && self.tls == TlsMode::None {
            return Err("`tls: none` would send the password readable".to_owned());
        }
        if self.ca.is_some() && self.tls == TlsMode::None {
            return Err("`ca` means nothing with `tls: none`".to_owned());
        }
        if let Some(hello) = &self.hello
            && !is_host(hello)
        {
            return Err("`hello` is a host name".to_owned());
        }
        if !(4 * 1024..=20 * 1024 * 1024).contains(&self.text_bytes_max.0) {
            return Err("`text_bytes_max` is between 4KiB and 20MiB".to_owned());
        }
        Ok(())
    }

    fn build(self, context: &BuildContext) -> Result<Arc<dyn Output>, BuildError> {
        let server = Server {
            host: self.server.clone(),
            port: self.port.unwrap_or(self.tls.port()),
            security: self.security(context)?,
            credentials: self.username.clone().zip(self.password.as_ref()).map(
                |(username, password)| Credentials::new(username, password.expose().to_owned()),
            ),
            hello: self.hello.clone().map_or_else(ClientId::default, ClientId::Domain),
            timeout: context.attempt_timeout,
        };
        Ok(Arc::new(Sender {
            pool: Pool::new(server),
            email: self,
            timeout: context.attempt_timeout,
        }))
    }
}

impl Email {
    fn security(&self, context: &BuildContext) -> Result<Security, BuildError> {
        if self.tls == TlsMode::None {
            return Ok(Security::None);
        }
        let failed = |reason: String, source: Box<dyn std::error::Error + Send + Sync>| {
            BuildError { reason, source: Some(source) }
        };
        let mut builder = TlsParameters::builder(self.server.clone());
        if let Some(ca) = &self.ca {
            let path = context.directory.join(ca);
            let reason = || format!("cannot read `ca` {}", path.display());
            let pem = std::fs::read(&path).map_err(|error| failed(reason(), error.into()))?;
            let certificate =
                Certificate::from_pem(&pem).map_err(|error| failed(reason(), error.into()))?;
            builder =
                builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        let parameters = builder.build_rustls().map_err(|error| {
            failed("cannot set up TLS for the SMTP server".to_owned(), error.into())
        })?;
        Ok(match self.tls {
            TlsMode::Implicit => Security::Implicit(parameters),
            TlsMode::Starttls | TlsMode::None => Security::Starttls(parameters),
        })
    }
}

fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let name = (1..=253).contains(&text.len()) && text.bytes().all(allowed);
    name || text.parse::<std::net::IpAddr>().is_ok()
}

/// The built output.
struct Sender {
    email: Email,
    pool: Pool,
    timeout: Duration,
}

#[async_trait]
impl Output for Sender {
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = message::compose(&self.email, delivery)?;
        let refused = self.bounded(self.pool.send(&message.mail)).await?;

        let mut receipt = Receipt::remote(message.id);
        receipt.state.insert(message::THREAD.to_owned(), message.thread);
        if !refused.is_empty() {
            receipt.state.insert("refused_recipients".to_owned(), refused.join(", "));
        }
        Ok(receipt)
    }

    async fn check(&self) -> Result<(), DeliveryError> {
        self.bounded(self.pool.check()).await
    }
}

impl Sender {
    async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, DeliveryError>>,
    ) -> Result<T, DeliveryError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            Err(DeliveryError::Unavailable {
                reason: format!("no answer within {} s", self.timeout.as_secs_f32()),
                retry_after: None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(yaml: &str, expected: Expect) {
        let printed = match serde_saphyr::from_str::<Email>(yaml) {
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
            Ok(email) => email.validate().err().unwrap_or_else(|| {
                let to: Vec<_> = email.to.iter().map(|to| to.0.to_string()).collect();
                let port = email.port.unwrap_or(email.tls.port());
                format!("{:?} {port} {}", email.tls, to.join(", "))
            }),
        };
        expected.assert_eq(&printed);
    }

    #[test]
    fn the_defaults_are_starttls_on_587() {
        check(Email::EXAMPLE, expect!["Starttls 587 soc@example.org"]);
    }

    #[test]
    fn what_cannot_work_or_would_show_the_password_is_refused() {
        let base = "server: m.example\nfrom: a@example.org\nto: [b@example.org]\n";
        check(&format!("{base}tls: none"), expect!["None 25 b@example.org"]);
        check(
            &format!("{base}tls: none\nusername: u\npassword: p"),
            expect!["`tls: none` would send the password readable"],
        );
        check(&format!("{base}username: u"), expect!["`username` and `password` need each other"]);
        check(
            "server: m.example\nfrom: a@example.org\nto: []",
            expect!["`to` needs at least one address"],
        );
        check(
            "server: m.example:25\nfrom: a@example.org\nto: [b@example.org]",
            expect!["`server` is a host name or an IP address, without a port"],
        );
        check(
            "server: m.example\nfrom: nobody\nto: [b@example.org]",
            expect![
                "error: line 2 column 7: `nobody` is no mail address; expected `user@example.org` or `Name <user@example.org>`"
            ],
        );
        check(
            "server: m.example\nfrom: a@example.org\nto: [\"b@example.org\\r\\nBcc: c@d\"]",
            expect![[
                r#"error: line 3 column 6: `b@example.org\r\nBcc: c@d` has control characters"#
            ]],
        );
        check(
            "server: m.example\nfrom: a@example.org\nto: [b@exämple.org]",
            expect![
                "error: line 3 column 6: `b@exämple.org` is not ASCII; write its domain in punycode"
            ],
        );
    }
}
