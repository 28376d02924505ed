//! The names by which rules read an event: Falco's field names, plus a few of our own.

mod origin;
mod table;

use std::fmt;

pub use origin::{EventSource, Origin};
pub use table::Field;

/// How a field's values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    Bool,
    Signed,
    Unsigned,
    Text,
    /// Text compared component-wise by `pmatch`.
    Path,
    /// Data as it was read or written.
    Bytes,
    Ip,
    /// An address tested against CIDR blocks.
    Net,
    /// An unsigned number for which a service name may stand.
    Port,
    Priority,
    /// A field of a received alert: its type is that of the literal it is compared with.
    Any,
}

/// Which bracketed argument a field takes, as in `proc.aname[2]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentRule {
    None,
    /// A number, or nothing for "any of them": the ancestor families.
    Ancestor,
    /// A name or an index: `evt.arg.flags`, `evt.arg[0]`.
    Required,
    /// A name, or nothing for all of it: `proc.env[HOME]`.
    Optional,
    /// A number, or nothing for all of a list: `ka.req.pod.containers.image[0]`.
    Index,
}

/// The bracketed argument as given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Argument {
    #[default]
    None,
    Index(u32),
    Key(Box<str>),
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Index(index) => write!(f, "[{index}]"),
            Self::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// Why a text names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("unknown field `{0}`")]
    Unknown(String),
    #[error("field `{0}` is of events of the source `{1}`")]
    OtherSource(&'static str, &'static str),
    #[error("field `{0}` needs an argument, for example `{0}[1]`")]
    ArgumentMissing(&'static str),
    #[error("field `{0}` takes no argument")]
    ArgumentUnexpected(&'static str),
    #[error("field `{0}` takes a number from 0 to 63 as its argument")]
    ArgumentNotIndex(&'static str),
}

/// These take their argument also behind a dot: `evt.arg.flags`.
const SUFFIXED: [Field; 7] = [
    Field::EvtArg,
    Field::EvtRawarg,
    Field::EvtTypeIs,
    Field::EvtAbspath,
    Field::ThreadCgroup,
    Field::ContainerLabel,
    Field::K8sPodLabel,
];

impl Field {
    /// Returns the fields of events of this source.
    pub fn of(source: EventSource) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |field| field.source() == source)
    }

    /// Resolves a name and its bracketed argument for events of the kernel. `evt.arg.flags` is
    /// `evt.arg[flags]`.
    pub fn resolve(name: &str, argument: Option<&str>) -> Result<(Self, Argument), FieldError> {
        Self::resolve_for(EventSource::Syscall, name, argument)
    }

    /// Resolves a name and its bracketed argument for events of a source.
    pub fn resolve_for(
        source: EventSource,
        name: &str,
        argument: Option<&str>,
    ) -> Result<(Self, Argument), FieldError> {
        let (field, argument) = Self::resolve_any(name, argument)?;
        if field.source() == source || field.is_of_every_source() {
            return Ok((field, argument));
        }
        Err(FieldError::OtherSource(field.name(), field.source().name()))
    }

    /// Returns whether events of every source have it.
    pub const fn is_of_every_source(self) -> bool {
        matches!(
            self,
            Self::EvtNum
                | Self::EvtTime
                | Self::EvtTimeS
                | Self::EvtTimeIso
                | Self::EvtDatetime
                | Self::EvtDatetimeS
                | Self::EvtType
                | Self::EvtCount
                | Self::EvtPluginname
                | Self::EvtPlugininfo
                | Self::EvtSource
                | Self::EvtHostname
        )
    }

    /// Resolves a name and its bracketed argument, whatever events have the field.
    pub fn resolve_any(name: &str, argument: Option<&str>) -> Result<(Self, Argument), FieldError> {
        let found = Self::ALL.iter().copied().find(|field| field.name() == name);
        let Some(field) = found else {
            let suffixed = SUFFIXED.into_iter().find_map(|field| {
                let key = name.strip_prefix(field.name())?.strip_prefix('.')?;
                (!key.is_empty()).then(|| (field, Argument::Key(key.into())))
            });
            return match (suffixed, argument) {
                (Some(found), None) => Ok(found),
                _ => Err(FieldError::Unknown(name.to_owned())),
            };
        };
        let name = field.name();
        let argument = match (field.argument(), argument) {
            (ArgumentRule::None, None)
            | (ArgumentRule::Ancestor | ArgumentRule::Optional | ArgumentRule::Index, None) => {
                Argument::None
            }
            (ArgumentRule::None, Some(_)) => return Err(FieldError::ArgumentUnexpected(name)),
            (ArgumentRule::Required, None) => return Err(FieldError::ArgumentMissing(name)),
            (ArgumentRule::Ancestor | ArgumentRule::Index, Some(text)) => match text.parse() {
                Ok(index @ 0..=63) => Argument::Index(index),
                _ => return Err(FieldError::ArgumentNotIndex(name)),
            },
            (ArgumentRule::Required, Some(text)) => match text.parse() {
                Ok(index) => Argument::Index(index),
                Err(_) => Argument::Key(text.into()),
            },
            (ArgumentRule::Optional, Some(text)) => match text.parse() {
                // An ancestor's environment, a file by its number.
                Ok(index @ 0..=63) if field.is_list() => Argument::Index(index),
                _ => Argument::Key(text.into()),
            },
        };
        Ok((field, argument))
    }

    /// Returns whether two events may differ in it that are alike but for their number, their time, the
    /// thread and processor, and the names known of addresses. Parameters of starts and forks, which name
    /// a thread, are not looked at.
    pub const fn is_momentary(self) -> bool {
        matches!(
            self,
            Self::EvtNum
                | Self::EvtTime
                | Self::EvtTimeS
                | Self::EvtTimeIso
                | Self::EvtDatetime
                | Self::EvtDatetimeS
                | Self::EvtRawtime
                | Self::EvtRawtimeS
                | Self::EvtRawtimeNs
                | Self::EvtReltime
                | Self::EvtReltimeS
                | Self::EvtReltimeNs
                | Self::EvtDeltatime
                | Self::EvtDeltatimeS
                | Self::EvtDeltatimeNs
                | Self::EvtAround
                | Self::EvtCpu
                | Self::ProcDuration
                | Self::ProcPpidDuration
                | Self::ContainerDuration
                | Self::ThreadTid
                | Self::ThreadVtid
                | Self::ThreadIsmain
                | Self::FdUid
                | Self::FdCipName
                | Self::FdSipName
                | Self::FdLipName
                | Self::FdRipName
        )
    }

    /// Returns whether a value with this argument is a list: an ancestor by number is one value.
    pub fn yields_list(self, argument: &Argument) -> bool {
        self.is_list() && *argument == Argument::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_resolves_to_itself_and_has_a_sentence() {
        for field in Field::ALL {
            let argument = (field.argument() == ArgumentRule::Required).then_some("x");
            let found = Field::resolve_any(field.name(), argument);
            assert_eq!(found.map(|(found, _)| found), Ok(*field));
            assert!(field.doc().ends_with('.'), "{}", field.name());
            assert!(field.origin().sentence().ends_with('.'), "{}", field.name());
        }
    }

    #[test]
    fn an_argument_may_be_a_suffix_or_in_brackets() {
        let flags = (Field::EvtArg, Argument::Key("flags".into()));
        assert_eq!(Field::resolve("evt.arg.flags", None), Ok(flags.clone()));
        assert_eq!(Field::resolve("evt.arg", Some("flags")), Ok(flags));
        assert_eq!(
            Field::resolve("proc.aname", Some("2")),
            Ok((Field::ProcAname, Argument::Index(2)))
        );
        assert_eq!(
            Field::resolve("evt.type.is.open", None).map(|found| found.0),
            Ok(Field::EvtTypeIs)
        );
        assert_eq!(
            Field::resolve_any("ka.req.pod.containers.image", Some("1")),
            Ok((Field::KaReqPodContainersImage, Argument::Index(1)))
        );
        let home = Argument::Key("HOME".into());
        assert_eq!(Field::resolve("proc.aenv", Some("HOME")), Ok((Field::ProcAenv, home)));
        assert_eq!(
            Field::resolve("proc.aenv", Some("2")),
            Ok((Field::ProcAenv, Argument::Index(2)))
        );
        assert!(Field::resolve_any("ka.req.pod.containers.image", Some("x")).is_err());
        assert_eq!(
            Field::resolve("ka.verb", None),
            Err(FieldError::OtherSource("ka.verb", "k8s_audit"))
        );
        assert!(Field::resolve("proc.aname", Some("x")).is_err());
        assert!(Field::resolve("proc.name", Some("1")).is_err());
        assert!(Field::resolve("proc.nmae", None).is_err());
    }
}
