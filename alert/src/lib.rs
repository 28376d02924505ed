//! The vocabulary every part of Saker shares: what a sensor saw ([`Event`]), what a rule made of it
//! ([`Alert`]), and what a person is told ([`Notification`]).
//!
//! Nothing here does I/O. The words and their one meaning each are in `ARCHITECTURE.md`.

mod alert;
mod event;
mod extract;
mod field;
mod fingerprint;
mod memo;
mod notification;
pub mod order;
mod priority;
mod value;
pub mod wire;

pub use alert::{Alert, AlertId, Fields};
pub use event::{
    Access, Connection, Container, Detail, Event, EventKind, Executable, FileType, Labels, Missing,
    OpenFile, PodQos, Process, ProcessKey, StandardStream,
};
pub use extract::{capability_names, open_flags, ptrace_request};
pub use field::{Argument, ArgumentRule, Field, FieldError, Type};
pub use fingerprint::Fingerprint;
pub use memo::{Memo, MemoWords};
pub use notification::{Finding, GroupId, GroupState, Notification, NotificationId, ScoreItem};
pub use priority::{Priority, UnknownPriority};
pub use value::Value;
