//! The vocabulary every part of Saker shares: what a sensor saw ([`Event`]), what a rule made of it
//! ([`Alert`]), and what a person is told ([`Notification`]).
//!
//! Nothing here does I/O. The words and their one meaning each are in `ARCHITECTURE.md`.

mod alert;
mod event;
mod extract;
mod field;
mod fingerprint;
mod hex;
mod lane;
mod memo;
mod notification;
pub mod order;
mod priority;
#[cfg(feature = "schema")]
mod schema;
mod storm;
mod value;
pub mod wire;

pub use alert::{Alert, AlertId, Fields};
pub use event::{
    Access, Call, Category, Connection, Container, ContainerProbe, Descriptor, DescriptorKind,
    DescriptorUse, Detail, EndNames, Event, EventKind, Executable, FileType, Labels, Leader,
    Missing, Mount, OpenFile, Parameter, ParameterKind, ParameterValue, PodQos, Process,
    ProcessExtra, ProcessKey, Role, StandardStream, Usage, container_key, event_name_is_known,
    event_names,
    symbol::{
        Symbol, capabilities, capability_bit, capability_names, error_number, mode_bit, number_of,
        open_flag, open_flags, ptrace_request, signal_number,
    },
};
pub use event::{Enforced, EnforcedOutcome};
pub use field::{Argument, ArgumentRule, EventSource, Field, FieldError, Origin, Type};
pub use fingerprint::Fingerprint;
pub use lane::Lane;
pub use memo::{Memo, MemoWords};
pub use notification::{Finding, GroupId, GroupState, Notification, NotificationId, ScoreItem};
pub use priority::{Priority, UnknownPriority};
pub use storm::{Storm, StormRule};
pub use value::Value;
