//! E-mail against a real SMTP server, and against those who stand between.

use std::sync::{Arc, OnceLock};

use e2e::{Mail, Smtp};
use outputs::{DeliveryError, Output, Receipt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::sample::{self, build, notification};

const PARTS: &[(&str, &str)] = &[
    ("subject", "[Critical] Shell — grüße"),
    ("text", "a shell\nžluťoučký"),
    ("html", "<p>a shell</p>"),
];

/// One server for all tests that do not stop it.
fn smtp() -> &'static Smtp {
    static SMTP: OnceLock<Smtp> = OnceLock::new();
    SMTP.get_or_init(Smtp::start)
}

/// A configuration whose mails go to a mailbox only this test uses.
fn config(smtp: &Smtp, mailbox: &str) -> Value {
    json!({
        "server": "localhost",
        "port": smtp.starttls.number(),
        "ca": smtp.certificates.authority,
        "username": Smtp::USER,
        "password": Smtp::PASSWORD,
        "from": "Saker <saker@example.org>",
        "to": [format!("{mailbox}@example.org")],
    })
}

fn with(mut config: Value, key: &str, value: Value) -> Value {
    config[key] = value;
    config
}

async fn deliver(output: &Arc<dyn Output>, id: u64) -> Result<Receipt, DeliveryError> {
    sample::deliver(output, &notification(id), PARTS, None).await
}

fn mails_to(smtp: &Smtp, mailbox: &str) -> Vec<Mail> {
    let address = format!("{mailbox}@example.org");
    smtp.mails().into_iter().filter(|mail| mail.recipients.contains(&address)).collect()
}

#[tokio::test]
async fn a_mail_arrives_over_starttls_with_both_bodies() {
    let smtp = smtp();
    let output = build("email", with(config(smtp, "soc"), "cc", json!(["Ops <ops@example.org>"])));
    output.check().await.unwrap();
    let receipt = deliver(&output, 1).await.unwrap();

    let [mail] = mails_to(smtp, "soc").try_into().unwrap();
    assert!(mail.encrypted && mail.listener == "starttls");
    assert_eq!(mail.user.as_deref(), Some("saker"));
    assert_eq!(mail.sender, "saker@example.org");
    assert_eq!(mail.recipients, ["soc@example.org", "ops@example.org"]);
    let id = "<0000000000000abc.0000000000000001@example.org>";
    for (name, value) in [
        ("Subject", "[Critical] Shell — grüße"),
        ("From", "Saker <saker@example.org>"),
        ("To", "soc@example.org"),
        ("Cc", "Ops <ops@example.org>"),
        ("Date", "Fri, 20 Nov 2026 10:00:00 +0000"),
        ("Message-ID", id),
        ("Auto-Submitted", "auto-generated"),
        ("X-Saker-Priority", "Critical"),
    ] {
        assert_eq!(mail.header(name), Some(value), "{name}");
    }
    assert_eq!(mail.header("In-Reply-To"), None);
    assert_eq!(mail.text.as_deref().map(str::trim_end), Some("a shell\nžluťoučký"));
    assert_eq!(mail.html.as_deref().map(str::trim_end), Some("<p>a shell</p>"));
    assert!(mail.defects.is_empty(), "{:?}", mail.defects);
    assert!(mail.raw.is_ascii() && mail.longest_line <= 998);
    assert_eq!(receipt.remote_id.as_deref(), Some(id));
}

#[tokio::test]
async fn a_mail_arrives_over_implicit_tls() {
    let smtp = smtp();
    let config = with(config(smtp, "implicit"), "tls", json!("implicit"));
    let output = build("email", with(config, "port", json!(smtp.implicit.number())));
    deliver(&output, 1).await.unwrap();
    let [mail] = mails_to(smtp, "implicit").try_into().unwrap();
    assert!(mail.encrypted && mail.listener == "implicit");
}

#[tokio::test]
async fn later_mails_of_a_group_answer_its_first() {
    let smtp = smtp();
    let output = build("email", config(smtp, "thread"));
    let first = deliver(&output, 1).await.unwrap();
    let second = sample::deliver(&output, &notification(2), PARTS, Some(&first)).await.unwrap();
    sample::deliver(&output, &notification(3), PARTS, Some(&second)).await.unwrap();

    let mails = mails_to(smtp, "thread");
    let id = |n: usize| mails[n].header("Message-ID").unwrap();
    assert_eq!(mails[1].header("In-Reply-To"), Some(id(0)));
    assert_eq!(mails[1].header("References"), Some(id(0)));
    assert_eq!(mails[2].header("In-Reply-To"), Some(id(1)));
    assert_eq!(mails[2].header("References"), Some(format!("{} {}", id(0), id(1)).as_str()));
}

#[tokio::test]
async fn a_server_whose_starttls_was_stripped_gets_nothing() {
    let smtp = smtp();
    let mut config = config(smtp, "stripped");
    config["port"] = json!(smtp.plain.number());
    let error = deliver(&build("email", config), 1).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Unavailable { reason, .. } if reason.contains("STARTTLS")),
        "{error:?}"
    );
    assert!(mails_to(smtp, "stripped").is_empty());
}

#[tokio::test]
async fn no_protection_at_all_must_be_asked_for() {
    let smtp = smtp();
    let config = json!({
        "server": "localhost",
        "port": smtp.plain.number(),
        "tls": "none",
        "from": "saker@example.org",
        "to": ["relay@example.org"],
    });
    deliver(&build("email", config), 1).await.unwrap();
    let [mail] = mails_to(smtp, "relay").try_into().unwrap();
    assert!(!mail.encrypted && mail.user.is_none());
}

#[tokio::test]
async fn a_server_with_a_strangers_certificate_gets_nothing() {
    let smtp = smtp();
    let config = with(config(smtp, "stranger"), "ca", json!(smtp.certificates.stranger));
    let error = deliver(&build("email", config), 1).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Unavailable { reason, .. } if reason.contains("certificate")),
        "{error:?}"
    );
    assert!(mails_to(smtp, "stranger").is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_denied() {
    let smtp = smtp();
    let output = build("email", with(config(smtp, "denied"), "password", json!("guess")));
    for error in [deliver(&output, 1).await.unwrap_err(), output.check().await.unwrap_err()] {
        assert!(
            matches!(&error, DeliveryError::Denied { reason } if reason.contains("535")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_wants_a_login_we_lack_denies() {
    let smtp = smtp();
    let mut config = config(smtp, "nameless");
    config.as_object_mut().unwrap().retain(|key, _| key != "username" && key != "password");
    let error = deliver(&build("email", config), 1).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Denied { .. }), "{error:?}");
}

#[tokio::test]
async fn a_busy_mailbox_is_tried_later_and_an_unknown_one_is_rejected() {
    let smtp = smtp();
    let error = deliver(&build("email", config(smtp, "busy")), 1).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error:?}");
    let error = deliver(&build("email", config(smtp, "unknown")), 1).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Rejected { reason } if reason.contains("no such mailbox")),
        "{error:?}"
    );
}

#[tokio::test]
async fn one_unknown_recipient_does_not_keep_the_mail_from_the_others() {
    let smtp = smtp();
    let to = json!(["unknown@example.org", "known@example.org"]);
    let output = build("email", with(config(smtp, "x"), "to", to));
    let receipt = deliver(&output, 1).await.unwrap();
    assert_eq!(receipt.state["refused_recipients"], "unknown@example.org");
    assert_eq!(mails_to(smtp, "known").len(), 1);
}

#[tokio::test]
async fn nothing_an_attacker_writes_becomes_a_header_or_a_command() {
    let smtp = smtp();
    let output = build("email", config(smtp, "injection"));
    let hostile = "x\r\nBcc: thief@example.org\r\n\r\n.\r\nMAIL FROM:<a@b>\u{2028}\0\u{85}é";
    let parts = [("subject", hostile), ("text", hostile), ("html", hostile)];
    let mut sent = notification(1);
    sent.route = hostile.to_owned();
    sent.findings[0].sample.rule = hostile.to_owned();
    let forged = Receipt::remote("<a@b>\r\nBcc: thief@example.org");
    sample::deliver(&output, &sent, &parts, Some(&forged)).await.unwrap();

    let [mail] = mails_to(smtp, "injection").try_into().unwrap();
    assert_eq!(mail.recipients, ["injection@example.org"]);
    assert_eq!(mail.header("Bcc"), None);
    assert_eq!(mail.header("In-Reply-To"), None);
    let subject = mail.header("Subject").unwrap();
    assert_eq!(subject.split_whitespace().next(), Some("x"));
    assert!(subject.contains("Bcc: thief@example.org") && !subject.contains(char::is_control));
    assert!(mail.text.as_deref().unwrap().contains(".\nMAIL FROM:<a@b>"), "{:?}", mail.text);
    assert!(mail.defects.is_empty(), "{:?}", mail.defects);
}

#[tokio::test]
async fn a_stopped_server_is_unavailable_until_it_is_back() {
    let mut smtp = Smtp::start();
    let output = build("email", config(&smtp, "soc"));
    deliver(&output, 1).await.unwrap();
    smtp.process().kill();
    let error = deliver(&output, 2).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unavailable { .. }), "{error:?}");
    smtp.restart();
    deliver(&output, 2).await.unwrap();
    assert_eq!(smtp.mails().len(), 2);
}

#[tokio::test]
async fn answers_slipped_in_before_tls_do_not_pass_for_the_servers() {
    let smtp = smtp();
    let middleman = Middleman::start(smtp.starttls.address()).await;
    let mut config = config(smtp, "unknown");
    config["port"] = json!(middleman.port);
    // The server refuses the only recipient; shifted by one, its answers would all look good. What
    // the middleman slipped in is told either as a wrong answer or, when it comes in a packet of its
    // own and spoils the handshake, as no answer at all; never as a receipt.
    let error = deliver(&build("email", config), 1).await.unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Unavailable { reason, .. }
            if reason.contains("no answer to that") || reason.starts_with("no answer within")),
        "{error:?}"
    );
    assert!(mails_to(smtp, "unknown").is_empty());
}

/// Passes everything on, but adds an answer of its own to the one that starts TLS.
struct Middleman {
    port: u16,
}

impl Middleman {
    async fn start(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(server).await.unwrap();
            // The greeting, and the answer to EHLO.
            pass(&mut server, &mut client).await;
            for _ in 0..2 {
                pass(&mut client, &mut server).await;
                let mut answer = read(&mut server).await;
                if answer.starts_with(b"220 ") {
                    answer.extend_from_slice(b"250-middleman\r\n250 AUTH PLAIN LOGIN\r\n");
                }
                client.write_all(&answer).await.unwrap();
            }
            copy_bidirectional(&mut client, &mut server).await.ok();
        });
        Self { port }
    }
}

async fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    let bytes = read(from).await;
    to.write_all(&bytes).await.unwrap();
}

async fn read(from: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let length = from.read(&mut bytes).await.unwrap();
    bytes.truncate(length);
    bytes
}
