//! The conversation with the SMTP server, step by step, so that an error says at which step.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use lettre::{
    Message,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Noop, Rcpt},
        extension::ClientId,
        response::{Response, Severity},
    },
};

use crate::DeliveryError;

/// A connection unused for longer is not used again: servers close idle ones.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// Where mails are handed in, and as whom.
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) credentials: Option<Credentials>,
    pub(super) hello: ClientId,
    pub(super) timeout: Duration,
}

pub(super) enum Security {
    None,
    Starttls(TlsParameters),
    Implicit(TlsParameters),
}

/// Keeps one idle connection for the next mail. A connection comes back only after a mail was
/// taken, so one whose delivery was given up is never used again.
pub(super) struct Pool {
    server: Server,
    idle: Mutex<Option<(AsyncSmtpConnection, Instant)>>,
}

/// What was being done when the server or the network failed.
#[derive(Clone, Copy)]
enum Step {
    Connect,
    Starttls,
    Authenticate,
    Sender,
    Recipient,
    Content,
}

impl Pool {
    pub(super) fn new(server: Server) -> Self {
        Self { server, idle: Mutex::new(None) }
    }

    /// Hands in one mail. Returns the recipients the server refused for good, never all of them.
    pub(super) async fn send(&self, mail: &Message) -> Result<Vec<String>, DeliveryError> {
        let mut connection = self.connection().await?;
        let refused = transfer(&mut connection, mail).await?;
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((connection, Instant::now()));
        Ok(refused)
    }

    /// Connects and logs in.
    pub(super) async fn check(&self) -> Result<(), DeliveryError> {
        let mut connection = self.server.connect().await?;
        let answer = connection.command(Noop).await;
        answer.map(|_| ()).map_err(|error| failure(Step::Connect, &error))
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut connection, since)) = idle
            && since.elapsed() < IDLE_MAX
            && connection.test_connected().await
        {
            return Ok(connection);
        }
        self.server.connect().await
    }
}

impl Server {
    async fn connect(&self) -> Result<AsyncSmtpConnection, DeliveryError> {
        let implicit = match &self.security {
            Security::Implicit(tls) => Some(tls.clone()),
            Security::None | Security::Starttls(_) => None,
        };
        let address = (self.host.as_str(), self.port);
        let timeout = Some(self.timeout);
        let connected =
            AsyncSmtpConnection::connect_tokio1(address, timeout, &self.hello, implicit, None);
        let mut connection = connected.await.map_err(|error| failure(Step::Connect, &error))?;

        if let Security::Starttls(tls) = &self.security {
            if !connection.can_starttls() {
                return Err(unavailable(
                    "the server does not offer STARTTLS, and nothing is sent without it".to_owned(),
                ));
            }
            let secured = connection.starttls(tls.clone(), &self.hello).await;
            secured.map_err(|error| failure(Step::Starttls, &error))?;
        }
        if let Some(credentials) = &self.credentials {
            let authenticated = connection.auth(DEFAULT_MECHANISMS, credentials).await;
            answered(Step::Authenticate, authenticated, &[235])?;
        }
        Ok(connection)
    }
}

async fn transfer(
    connection: &mut AsyncSmtpConnection,
    mail: &Message,
) -> Result<Vec<String>, DeliveryError> {
    let envelope = mail.envelope();
    let sender = Mail::new(envelope.from().cloned(), Vec::new());
    answered(Step::Sender, connection.command(sender).await, &[250])?;

    let mut refused = Vec::new();
    for recipient in envelope.to() {
        let answer = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        match answered(Step::Recipient, answer, &[250, 251]) {
            Ok(()) => {}
            // The others shall not wait for one wrong address.
            Err(DeliveryError::Rejected { .. }) if refused.len() + 1 < envelope.to().len() => {
                refused.push(recipient.to_string());
            }
            Err(failure) => return Err(failure),
        }
    }
    answered(Step::Content, connection.command(Data).await, &[354])?;
    answered(Step::Content, connection.message(&mail.formatted()).await, &[250])?;
    Ok(refused)
}

/// Takes only the very answers a step can have. A middleman who slipped an answer in before TLS
/// began shifts all later ones by one; what he makes look like success is an error here.
fn answered(
    step: Step,
    answer: Result<Response, Error>,
    expected: &[u16],
) -> Result<(), DeliveryError> {
    let answer = answer.map_err(|error| failure(step, &error))?;
    if expected.contains(&answer.code().into()) {
        return Ok(());
    }
    let said = printable(&answer.code().to_string());
    Err(unavailable(format!("{step}: the server answers {said}, which is no answer to that")))
}

/// Tells what an error at a step means for the notification.
fn failure(step: Step, error: &Error) -> DeliveryError {
    let reason = format!("{step}: {}", printable(&error.to_string()));
    let Some(code) = error.status() else {
        // No mechanism in common is no network trouble: a person must change something.
        return match step {
            Step::Authenticate if error.is_client() => DeliveryError::Denied { reason },
            _ => unavailable(reason),
        };
    };
    if code.severity != Severity::PermanentNegativeCompletion {
        return unavailable(reason);
    }
    // 530 and 535 ask for (other) credentials, wherever they are said (RFC 4954 §6).
    let number: u16 = code.into();
    match step {
        Step::Authenticate => DeliveryError::Denied { reason },
        _ if matches!(number, 530 | 535) => DeliveryError::Denied { reason },
        Step::Connect | Step::Starttls => unavailable(reason),
        Step::Sender | Step::Recipient | Step::Content => DeliveryError::Rejected { reason },
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "while connecting",
            Self::Starttls => "while starting TLS",
            Self::Authenticate => "while logging in",
            Self::Sender => "while naming the sender",
            Self::Recipient => "while naming a recipient",
            Self::Content => "while sending the mail",
        })
    }
}

fn unavailable(reason: String) -> DeliveryError {
    DeliveryError::Unavailable { reason, retry_after: None }
}

/// Returns a text from the server as one bounded line.
fn printable(text: &str) -> String {
    text.chars().take(400).map(|c| if c.is_control() { ' ' } else { c }).collect()
}
