//! Text templates for notifications: rendering, and an escape per destination.

/// How data is made harmless in the text around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escape {
    /// HTML text and attribute values.
    Html,
    /// Slack mrkdwn: `&`, `<` and `>`, and no mentions or links from data.
    SlackMrkdwn,
    /// Markdown: every punctuation character that could mean something.
    Markdown,
    /// One line: control characters and line breaks become visible.
    Line,
    /// Plain text: control characters except line breaks become visible.
    Text,
    /// A JSON string's inside.
    Json,
}
