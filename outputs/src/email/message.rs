//! What a notification becomes as a mail: headers, thread and bodies. Pure.

use std::time::SystemTime;

use aws_lc_rs::digest;
use lettre::{
    Message,
    message::{
        MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use super::Email;
use crate::{Delivery, DeliveryError};

/// Key of the receipt's state: the Message-ID of the group's first mail.
pub(super) const THREAD: &str = "thread";

/// Longer subjects are cut; mail programs show far less.
const SUBJECT_CHARS_MAX: usize = 200;

pub(super) struct Composed {
    pub(super) mail: Message,
    pub(super) id: String,
    pub(super) thread: String,
}

/// Writes the mail. The same notification gives the same bytes.
pub(super) fn compose(email: &Email, delivery: &Delivery<'_>) -> Result<Composed, DeliveryError> {
    let notification = delivery.notification;
    let id =
        format!("<{}.{}@{}>", notification.group, notification.id, email.from.0.email.domain());
    let previous = delivery.previous.and_then(|receipt| receipt.remote_id.clone());
    let previous = previous.filter(|id| is_message_id(id));
    let thread = delivery.previous.and_then(|receipt| receipt.state.get(THREAD).cloned());
    let thread = thread.filter(|id| is_message_id(id)).or_else(|| previous.clone());

    let mut builder = Message::builder()
        .from(email.from.0.clone())
        .date(SystemTime::from(notification.created))
        .message_id(Some(id.clone()))
        .subject(subject(delivery.parts.get("subject")))
        .raw_header(fixed("Auto-Submitted", "auto-generated"))
        .raw_header(fixed("X-Auto-Response-Suppress", "All"))
        .raw_header(fixed("X-Saker-Notification", &notification.id.to_string()))
        .raw_header(fixed("X-Saker-Priority", notification.priority.name()));
    for to in &email.to {
        builder = builder.to(to.0.clone());
    }
    for cc in &email.cc {
        builder = builder.cc(cc.0.clone());
    }
    if let (Some(previous), Some(thread)) = (&previous, &thread) {
        let references =
            if previous == thread { thread.clone() } else { format!("{thread} {previous}") };
        builder = builder.in_reply_to(previous.clone()).references(references);
    }

    let bytes_max = usize::try_from(email.text_bytes_max.0).unwrap_or(usize::MAX);
    let (text, html) = fit(delivery.parts.get("text"), delivery.parts.get("html"), bytes_max);
    let mail = match html {
        None => builder.singlepart(SinglePart::plain(text)),
        Some(html) => {
            let alternatives = MultiPart::alternative()
                .boundary(boundary(&text, &html))
                .singlepart(SinglePart::plain(text))
                .singlepart(SinglePart::html(html));
            builder.multipart(alternatives)
        }
    };
    let mail = mail.map_err(|error| DeliveryError::Rejected {
        reason: format!("it cannot be written as a mail: {error}"),
    })?;
    let thread = thread.unwrap_or_else(|| id.clone());
    Ok(Composed { mail, id, thread })
}

/// Returns a subject of one bounded line, whatever the template made of it.
fn subject(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() || is_line_separator(c) { ' ' } else { c })
        .collect();
    let line = line.trim();
    match line.char_indices().nth(SUBJECT_CHARS_MAX) {
        _ if line.is_empty() => "Security alert".to_owned(),
        None => line.to_owned(),
        Some(_) => line.chars().take(SUBJECT_CHARS_MAX - 1).chain(['…']).collect(),
    }
}

const fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// Drops the HTML, then cuts the text, until both fit.
fn fit(text: &str, html: &str, bytes_max: usize) -> (String, Option<String>) {
    let html = html.trim();
    let text = if text.trim().is_empty() { "See the HTML part.\n" } else { text };
    if !html.is_empty() && text.len() + html.len() <= bytes_max {
        return (text.to_owned(), Some(html.to_owned()));
    }
    if text.len() <= bytes_max {
        return (text.to_owned(), None);
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub('…'.len_utf8()));
    (format!("{}…", &text[..end]), None)
}

/// Returns a boundary that neither body can contain on purpose: it depends on both.
fn boundary(text: &str, html: &str) -> String {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(text.as_bytes());
    hash.update(b"\0");
    hash.update(html.as_bytes());
    let hash = hash.finish();
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A header whose name and value are ours.
fn fixed(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Looks whether a receipt's text is a Message-ID as we write them.
fn is_message_id(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    inside.is_some_and(|inside| {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte);
        inside.len() <= 300 && inside.contains('@') && inside.bytes().all(allowed)
    })
}

#[cfg(test)]
mod tests {
    use alert::Notification;
    use expect_test::expect_file;
    use templates::{Engine, samples};

    use super::*;
    use crate::{Kind, Parts, Receipt};

    const CONFIG: &str = "server: mail.example.org
from: Saker Wächter <saker@example.org>
to: [soc@example.org, \"On Call <oncall@example.org>\"]
cc: [ops@example.org]
text_bytes_max: 8KiB
";

    fn write(notification: &Notification, parts: &Parts, previous: Option<&Receipt>) -> Composed {
        let email: Email = serde_saphyr::from_str(CONFIG).unwrap();
        let delivery = Delivery { notification, parts, previous, attempt: 1 };
        compose(&email, &delivery).unwrap()
    }

    #[test]
    fn mails_of_every_sample_are_as_agreed() {
        let engine = Engine::builtin(Email::PARTS).unwrap();
        for (name, notification) in samples::all() {
            let parts = Parts::from(engine.render(&notification));
            let mut receipt = Receipt::remote("<1.2@example.org>");
            receipt.state.insert(THREAD.to_owned(), "<1.1@example.org>".to_owned());
            let previous = (notification.sequence > 1).then_some(&receipt);
            let mail = write(&notification, &parts, previous).mail.formatted();
            let mail = String::from_utf8(mail).unwrap().replace("\r\n", "\n");
            assert!(mail.is_ascii() && mail.lines().all(|line| line.len() <= 998), "{name}");
            expect_file![format!("../../golden/email/{name}.eml")].assert_eq(&mail);
        }
    }

    #[test]
    fn a_subject_is_one_bounded_line() {
        assert_eq!(subject(" a\r\nBcc: b\u{2028}c\0 "), "a  Bcc: b c");
        assert_eq!(subject("\r\n"), "Security alert");
        assert_eq!(subject(&"é".repeat(300)).chars().count(), SUBJECT_CHARS_MAX);
    }

    #[test]
    fn long_texts_lose_the_html_first() {
        assert_eq!(fit("text", "<p>", 100), ("text".to_owned(), Some("<p>".to_owned())));
        assert_eq!(fit("text", "<p>long", 10), ("text".to_owned(), None));
        assert_eq!(fit("ééé", "", 6), ("ééé".to_owned(), None));
        assert_eq!(fit("ééé", "", 5), ("é…".to_owned(), None));
    }

    #[test]
    fn a_receipt_that_holds_no_message_id_makes_no_thread() {
        for forged in ["<a@b>\r\nBcc: c", "a@b", "<a b@c>", "<>", "<a<b@c>"] {
            assert!(!is_message_id(forged), "{forged:?}");
        }
        assert!(is_message_id("<0000000000000abc.1@example.org>"));
    }
}
