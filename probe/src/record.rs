//! Reads one record from the bytes of a ring, without copying them.

mod lasting;

use zerocopy::FromBytes;

pub use self::lasting::lasting;
use crate::layout::{
    Call, Cgroup, Connect, Descriptor, Execve, Field, Fork, Header, Kind, Open, ProcExit, field,
};

/// One record, borrowed from a ring. Texts are bytes as the kernel or the process gave them.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    pub kind: Kind,
    pub header: Header,
    pub body: Body,
    /// Resolved by the kernel: the path of the new program, or of the opened file.
    pub path: Option<&'a [u8]>,
    /// A path as the program passed it.
    pub raw: Option<&'a [u8]>,
    /// The directory a relative `raw` starts at.
    pub base: Option<&'a [u8]>,
    /// Each ended by NUL.
    pub arguments: Option<&'a [u8]>,
    /// Each ended by NUL.
    pub environment: Option<&'a [u8]>,
    pub cwd: Option<&'a [u8]>,
    /// Path in the unified cgroup hierarchy; of a cgroup made or removed, its own path.
    pub cgroup: Option<&'a [u8]>,
    /// Path in the deepest old cgroup hierarchy.
    pub cgroup_v1: Option<&'a [u8]>,
    /// `comm`.
    pub name: Option<&'a [u8]>,
    /// Address of a Unix socket; an abstract one starts with NUL.
    pub unix: Option<&'a [u8]>,
    /// An [`Enforced`](crate::enforce::Enforced): what was done to the new program.
    pub enforced: Option<&'a [u8]>,
    /// All fields as they came, each known to be whole.
    fields: &'a [u8],
}

/// The part of a record that differs by kind.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    Execve(Execve),
    Fork(Fork),
    ProcExit(ProcExit),
    Open(Open),
    Connect(Connect),
    Call(Call),
    Cgroup(Cgroup),
}

/// Why bytes are not a record. It means a defect of ours: the kernel side writes what we compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the record ends inside its fixed part")]
    Short,
    #[error("the record has the unknown kind {0}")]
    Kind(u16),
    #[error("the record says it has {said} bytes and has {has}")]
    Length { said: u32, has: usize },
    #[error("a field reaches over the end of its record")]
    Field,
}

impl<'a> Record<'a> {
    /// Returns when the record in `bytes` was made, without reading the rest.
    pub fn time_ns(bytes: &[u8]) -> Option<u64> {
        Header::read_from_prefix(bytes).ok().map(|(header, _)| header.time_ns)
    }

    /// Returns what the record in `bytes` is of, without reading the rest.
    pub fn kind(bytes: &[u8]) -> Option<Kind> {
        let (header, _) = Header::read_from_prefix(bytes).ok()?;
        Kind::from_number(header.kind)
    }

    /// Returns the length of the record that `bytes` begin with, once its head is there.
    pub fn length(bytes: &[u8]) -> Option<usize> {
        Header::read_from_prefix(bytes).ok().map(|(header, _)| header.length as usize)
    }

    /// Reads the record that fills `bytes`. Fields of unknown type are skipped.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = Header::read_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        if header.length as usize != bytes.len() {
            return Err(Malformed::Length { said: header.length, has: bytes.len() });
        }
        let kind = Kind::from_number(header.kind).ok_or(Malformed::Kind(header.kind))?;
        let (body, fields) = read_body(kind, header.result, rest)?;
        let mut record = Self {
            kind,
            header,
            body,
            path: None,
            raw: None,
            base: None,
            arguments: None,
            environment: None,
            cwd: None,
            cgroup: None,
            cgroup_v1: None,
            name: None,
            unix: None,
            enforced: None,
            fields,
        };
        record.read_fields()?;
        Ok(record)
    }

    /// Returns a field of an argument, counted from 0, or without one of the call's result. Of its
    /// kind there is one.
    pub fn field_of(&self, kind: u16, argument: Option<u8>) -> Option<&'a [u8]> {
        let sought = kind | argument.map_or(0, |index| u16::from(index) + 1) << 8;
        let mut fields = Fields(self.fields).map_while(Result::ok);
        fields.find(|(kind, _)| *kind == sought).map(|(_, value)| value)
    }

    /// Returns what the descriptor of an argument stood for, or without one that of the result.
    pub fn descriptor_of(&self, argument: Option<u8>) -> Option<Descriptor> {
        let bytes = self.field_of(field::DESCRIPTOR, argument)?;
        Descriptor::read_from_bytes(bytes).ok()
    }

    /// Returns whether a bit of [`flag`](crate::layout::flag) is set.
    pub fn has(&self, flag: u16) -> bool {
        self.header.flags & flag != 0
    }

    fn read_fields(&mut self) -> Result<(), Malformed> {
        for field in Fields(self.fields) {
            let (kind, value) = field?;
            let slot = match kind {
                field::PATH => &mut self.path,
                field::RAW => &mut self.raw,
                field::BASE => &mut self.base,
                field::ARGUMENTS => &mut self.arguments,
                field::ENVIRONMENT => &mut self.environment,
                field::CWD => &mut self.cwd,
                field::CGROUP => &mut self.cgroup,
                field::CGROUP_V1 => &mut self.cgroup_v1,
                field::NAME => &mut self.name,
                field::UNIX => &mut self.unix,
                field::ENFORCED => &mut self.enforced,
                _ => continue,
            };
            *slot = Some(value);
        }
        Ok(())
    }
}

/// The fields of a record: what each is, with the argument it belongs to, and its bytes.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u16, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = Field::read_from_prefix(self.0).ok().and_then(|(head, after)| {
            let (value, rest) = after.split_at_checked(usize::from(head.length))?;
            self.0 = rest;
            Some((head.kind, value))
        });
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Malformed::Field))
    }
}

/// A start or a fork that failed is a call like others.
fn read_body(kind: Kind, result: i64, bytes: &[u8]) -> Result<(Body, &[u8]), Malformed> {
    fn take<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
        T::read_from_prefix(bytes).map_err(|_| Malformed::Short)
    }
    Ok(match kind {
        Kind::Execve | Kind::ExecveAt if result >= 0 => {
            take(bytes).map(|(body, rest)| (Body::Execve(body), rest))?
        }
        Kind::Clone | Kind::Clone3 | Kind::Fork | Kind::Vfork if result >= 0 => {
            take(bytes).map(|(body, rest)| (Body::Fork(body), rest))?
        }
        Kind::ProcExit => take(bytes).map(|(body, rest)| (Body::ProcExit(body), rest))?,
        Kind::Open | Kind::OpenAt | Kind::OpenAt2 | Kind::Creat => {
            take(bytes).map(|(body, rest)| (Body::Open(body), rest))?
        }
        Kind::Connect => take(bytes).map(|(body, rest)| (Body::Connect(body), rest))?,
        Kind::CgroupMade | Kind::CgroupRemoved => {
            take(bytes).map(|(body, rest)| (Body::Cgroup(body), rest))?
        }
        _ => take(bytes).map(|(body, rest)| (Body::Call(body), rest))?,
    })
}

/// Returns the texts of a list in which each is ended by NUL; a last one may lack it.
pub fn texts(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let list = list.strip_suffix(&[0]).unwrap_or(list);
    let empty = list.is_empty();
    list.split(|byte| *byte == 0).filter(move |_| !empty)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(kind: u16, body: &[u8], fields: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<Header>()];
        bytes[..2].copy_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(body);
        for (kind, value) in fields {
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&(value.len() as u16).to_ne_bytes());
            bytes.extend_from_slice(value);
        }
        let length = bytes.len() as u32;
        bytes[4..8].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_record_is_read_with_its_fields_and_without_unknown_ones() {
        let bytes = record(
            Kind::OpenAt as u16,
            &[0; size_of::<Open>()],
            &[(field::RAW, b"x\xff"), (999, b"new"), (field::BASE, b"/tmp")],
        );
        let record = Record::read(&bytes).unwrap();
        assert_eq!(record.kind, Kind::OpenAt);
        assert_eq!(record.raw, Some(&b"x\xff"[..]));
        assert_eq!(record.base, Some(&b"/tmp"[..]));
        assert_eq!(record.path, None);
    }

    #[test]
    fn a_field_is_found_by_the_argument_it_belongs_to() {
        let bytes = record(
            Kind::RenameAt as u16,
            &[0; size_of::<Call>()],
            &[(field::RAW | 2 << 8, b"old"), (field::RAW | 4 << 8, b"new"), (field::DATA, b"x")],
        );
        let record = Record::read(&bytes).unwrap();
        assert_eq!(record.field_of(field::RAW, Some(1)), Some(&b"old"[..]));
        assert_eq!(record.field_of(field::RAW, Some(3)), Some(&b"new"[..]));
        assert_eq!(record.field_of(field::RAW, Some(0)), None);
        assert_eq!(record.field_of(field::DATA, None), Some(&b"x"[..]));
        assert_eq!(record.raw, None);
    }

    #[test]
    fn what_is_not_a_record_is_named() {
        let check = |bytes: &[u8], expected: Malformed| {
            assert_eq!(Record::read(bytes).unwrap_err(), expected);
        };
        check(&[1, 2, 3], Malformed::Short);
        check(&record(127, &[], &[]), Malformed::Kind(127));
        check(&record(0, &[0; 10], &[]), Malformed::Short);
        let mut cut = record(Kind::ProcExit as u16, &[0; 8], &[(field::RAW, b"abc")]);
        cut.pop();
        check(&cut, Malformed::Length { said: cut.len() as u32 + 1, has: cut.len() });
        let length = cut.len() as u32;
        cut[4..8].copy_from_slice(&length.to_ne_bytes());
        check(&cut, Malformed::Field);
    }

    #[test]
    fn a_list_of_texts_keeps_empty_ones_inside() {
        let split = |list: &'static [u8]| texts(list).collect::<Vec<_>>();
        assert_eq!(split(b"sh\0-c\0\0x\0"), [&b"sh"[..], b"-c", b"", b"x"]);
        assert_eq!(split(b"cut"), [&b"cut"[..]]);
        assert!(split(b"").is_empty());
        assert!(split(b"\0").is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(Record::read(&bytes));
            Record::time_ns(&bytes);
        }

        #[test]
        fn no_fields_make_it_panic(
            kind in 0_u16..Kind::ALL.len() as u16,
            tail in proptest::collection::vec(any::<u8>(), 0..400),
        ) {
            let mut bytes = record(kind, &tail, &[]);
            let length = bytes.len() as u32;
            bytes[4..8].copy_from_slice(&length.to_ne_bytes());
            drop(Record::read(&bytes));
        }
    }
}
