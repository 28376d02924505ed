//! Text templates for notifications: rendering, and an escape per destination.
//!
//! Every string of an alert was written by whoever it is about. A template therefore cannot switch
//! escaping off, a rendered text is bounded, and rendering never fails: a custom template that
//! breaks is replaced by the built-in one, and the caller is told.

pub mod context;
mod engine;
mod escape;
mod helpers;
pub mod samples;
mod template;
mod truncate;

pub use engine::{Engine, Fallback, Override, Part, Rendered, TemplateError};
pub use escape::Escape;
pub use helpers::{priority_color, priority_emoji};

/// Embeds a built-in template: `builtin!("slack/text.mrkdwn.hbs")` is that file of
/// `templates/builtin/`.
#[macro_export]
macro_rules! builtin {
    ($file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../templates/builtin/", $file))
    };
}
