//! The kernel's description of its types (BTF), cut down to what a loader of an object needs.
//!
//! A kernel has more than 100,000 types. A loader that goes through all of them for each type that an
//! object reads, and keeps each as a value of its own, spends most of the start on it.

use std::collections::HashSet;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

const MAGIC: u16 = 0xeb9f;
/// What tells a local variant of a type, `name___variant`, from the type.
const VARIANT: &[u8] = b"___";
/// How the kernel calls the type of a tracepoint's function.
const TRACEPOINT: &[u8] = b"btf_trace_";

/// `struct btf_header`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: u16,
    version: u8,
    flags: u8,
    header_bytes: u32,
    types_offset: u32,
    types_bytes: u32,
    strings_offset: u32,
    strings_bytes: u32,
}

/// `struct btf_type`, with which every type begins.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Head {
    name: u32,
    info: u32,
    /// The size, or the type that it is about.
    about: u32,
}

const HEAD_BYTES: usize = size_of::<Head>();

/// `BTF_KIND_*` in Linux' `include/uapi/linux/btf.h`.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FWD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

impl Head {
    /// Stands for a type nobody asks for.
    const NOTHING: Self = Self { name: 0, info: kind::FWD << 24, about: 0 };

    const fn kind(self) -> u32 {
        self.info >> 24 & 0x1f
    }

    /// Returns how many bytes of its own follow; `None` for a kind that is not known.
    const fn more_bytes(self) -> Option<usize> {
        let count = (self.info & 0xffff) as usize;
        Some(match self.kind() {
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * count,
            kind::ENUM | kind::FUNC_PROTO => 8 * count,
            kind::PTR..=kind::TYPE_TAG => 0,
            _ => return None,
        })
    }
}

/// What the bytes of a BTF are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a description of types as this version of the probe knows it")]
pub struct UnknownTypes;

/// The types of a kernel or of an object, by their numbers.
#[derive(Debug)]
pub struct Types {
    types: Vec<u8>,
    strings: Vec<u8>,
    /// Where each type begins. The first has the number 1.
    starts: Vec<u32>,
}

/// The numbers of the function and the types of a kernel that a [cast](crate::program::with_cast) needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cast {
    pub function: u32,
    pub types: [u32; crate::program::CAST_TYPES.len()],
}

impl Types {
    /// Reads a BTF: `/sys/kernel/btf/vmlinux`, or a section of an object.
    pub fn read(bytes: &[u8]) -> Result<Self, UnknownTypes> {
        let (header, _) = Header::read_from_prefix(bytes).map_err(|_| UnknownTypes)?;
        if header.magic != MAGIC {
            return Err(UnknownTypes);
        }
        let part = |offset: u32, length: u32| {
            let start = header.header_bytes as usize + offset as usize;
            bytes.get(start..start + length as usize).map(<[u8]>::to_vec).ok_or(UnknownTypes)
        };
        let types = part(header.types_offset, header.types_bytes)?;
        let strings = part(header.strings_offset, header.strings_bytes)?;
        let (mut starts, mut at) = (Vec::with_capacity(types.len() / 24), 0);
        while at < types.len() {
            let (head, _) = Head::read_from_prefix(&types[at..]).map_err(|_| UnknownTypes)?;
            starts.push(u32::try_from(at).map_err(|_| UnknownTypes)?);
            at += HEAD_BYTES + head.more_bytes().ok_or(UnknownTypes)?;
        }
        if at != types.len() {
            return Err(UnknownTypes);
        }
        Ok(Self { types, strings, starts })
    }

    /// Reads the types that an object says it reads.
    pub fn of_object(object: &[u8]) -> Result<Self, UnknownTypes> {
        section(object, b".BTF").ok_or(UnknownTypes).and_then(Self::read)
    }

    /// Returns the numbers of what a cast needs, if this kernel has all of it.
    pub fn cast(&self) -> Option<Cast> {
        let function = self.number(kind::FUNC, crate::program::CAST_FUNCTION)?;
        let mut types = [0; crate::program::CAST_TYPES.len()];
        for (number, name) in types.iter_mut().zip(crate::program::CAST_TYPES) {
            *number = self.number(kind::STRUCT, name)?;
        }
        Some(Cast { function, types })
    }

    /// Returns a BTF of the types that the relocations of an object with these types can lead to, under
    /// other numbers. What pointers point to is left out: no relocation goes there.
    pub fn cut_for(&self, object: &Self) -> Vec<u8> {
        let named = |(_, head): &(u32, Head)| head.name != 0;
        let asked: HashSet<(u32, &[u8])> = object
            .heads()
            .filter(named)
            .map(|(_, head)| (head.kind(), plain(object.name(head))))
            .collect();
        let mut kept = vec![false; self.starts.len() + 1];
        let mut open: Vec<u32> = self
            .heads()
            .filter(named)
            .filter(|(_, head)| is_data(head.kind()))
            .filter(|(_, head)| asked.contains(&(head.kind(), plain(self.name(*head)))))
            .map(|(number, _)| number)
            .collect();
        while let Some(number) = open.pop() {
            if std::mem::replace(&mut kept[number as usize], true) {
                continue;
            }
            let mut type_bytes = self.bytes_of(number).to_vec();
            each_reference(&mut type_bytes, &mut |about| {
                let known = (about as usize) < kept.len();
                open.extend((known && about != 0).then_some(about));
                about
            });
        }
        let mut numbers = vec![0; kept.len()];
        for (next, number) in (1..).zip((1..kept.len()).filter(|number| kept[*number])) {
            numbers[number] = next;
        }
        let mut types = Vec::new();
        for (number, _) in self.heads().filter(|(number, _)| kept[*number as usize]) {
            let mut type_bytes = self.bytes_of(number).to_vec();
            let known = each_reference(&mut type_bytes, &mut |about| {
                numbers.get(about as usize).copied().unwrap_or(0)
            });
            types.extend_from_slice(if known { &type_bytes } else { Head::NOTHING.as_bytes() });
        }
        self.assembled(&types)
    }

    /// Returns a BTF in which only functions and tracepoints are told, under their own numbers.
    pub fn hooks(&self) -> Vec<u8> {
        let mut types = Vec::with_capacity(self.starts.len() * HEAD_BYTES);
        for (_, head) in self.heads() {
            let is_hook = match head.kind() {
                kind::FUNC => true,
                kind::TYPEDEF => self.name(head).starts_with(TRACEPOINT),
                _ => false,
            };
            let told = if is_hook { Head { about: 0, ..head } } else { Head::NOTHING };
            types.extend_from_slice(told.as_bytes());
        }
        self.assembled(&types)
    }

    /// Returns the number of the first type of this kind and name.
    fn number(&self, kind: u32, name: &str) -> Option<u32> {
        let mut heads = self.heads().filter(|(_, head)| head.kind() == kind);
        heads.find(|(_, head)| self.name(*head) == name.as_bytes()).map(|(number, _)| number)
    }

    /// Goes through all types, with their numbers.
    fn heads(&self) -> impl Iterator<Item = (u32, Head)> {
        (1..).zip(&self.starts).filter_map(|(number, start)| {
            let (head, _) = Head::read_from_prefix(&self.types[*start as usize..]).ok()?;
            Some((number, head))
        })
    }

    fn bytes_of(&self, number: u32) -> &[u8] {
        let place = number as usize;
        let start = self.starts[place - 1] as usize;
        let end = self.starts.get(place).map_or(self.types.len(), |end| *end as usize);
        &self.types[start..end]
    }

    fn name(&self, head: Head) -> &[u8] {
        let from = self.strings.get(head.name as usize..).unwrap_or_default();
        from.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn assembled(&self, types: &[u8]) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let header = Header {
            magic: MAGIC,
            version: 1,
            flags: 0,
            header_bytes: size_of::<Header>() as u32,
            types_offset: 0,
            types_bytes: length(types),
            strings_offset: length(types),
            strings_bytes: length(&self.strings),
        };
        [header.as_bytes(), types, &self.strings].concat()
    }
}

/// Returns whether a relocation can begin at types of this kind, and not be about a function.
const fn is_data(kind: u32) -> bool {
    matches!(kind, kind::INT..=kind::ENUM | kind::TYPEDEF | kind::FLOAT | kind::ENUM64)
}

/// Returns a name without its variant.
fn plain(name: &[u8]) -> &[u8] {
    let variant = name.windows(VARIANT.len()).position(|part| part == VARIANT);
    &name[..variant.unwrap_or(name.len())]
}

/// Puts `of` each type that this one has inside in its place; a pointer is made one to nothing.
/// Returns false for a kind that has nothing a relocation asks for.
fn each_reference(bytes: &mut [u8], of: &mut dyn FnMut(u32) -> u32) -> bool {
    let Ok((head, _)) = Head::read_from_prefix(bytes) else { return false };
    let (first, more) = bytes.split_at_mut(HEAD_BYTES);
    let mut put = |place: &mut [u8]| {
        if let Ok(number) = <[u8; 4]>::try_from(&*place) {
            place.copy_from_slice(&of(u32::from_ne_bytes(number)).to_ne_bytes());
        }
    };
    match head.kind() {
        kind::INT | kind::ENUM | kind::FWD | kind::FLOAT | kind::ENUM64 => {}
        kind::PTR => first[8..].fill(0),
        kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
            put(&mut first[8..]);
        }
        // `struct btf_array`: element, index, how many.
        kind::ARRAY => more[..8].chunks_exact_mut(4).for_each(put),
        // `struct btf_member`: name, type, offset.
        kind::STRUCT | kind::UNION => {
            more.chunks_exact_mut(12).for_each(|member| put(&mut member[4..8]));
        }
        _ => return false,
    }
    true
}

/// Returns a section of an ELF file of 64 bits.
fn section<'a>(file: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    fn at<T: FromBytes>(bytes: &[u8], offset: usize) -> Option<T> {
        T::read_from_prefix(bytes.get(offset..)?).ok().map(|(value, _)| value)
    }
    let table = usize::try_from(at::<u64>(file, 0x28)?).ok()?;
    let [entry_bytes, count, names] = at::<[u16; 3]>(file, 0x3a)?.map(usize::from);
    let content = |place: usize| -> Option<&'a [u8]> {
        let entry = file.get(table.checked_add(place * entry_bytes)?..)?;
        let (start, length) = (at::<u64>(entry, 0x18)?, at::<u64>(entry, 0x20)?);
        let start = usize::try_from(start).ok()?;
        file.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    };
    let names = content(names)?;
    let place = (0..count).find(|place| {
        let entry = file.get(table.saturating_add(place * entry_bytes)..).unwrap_or_default();
        let start = at::<u32>(entry, 0).and_then(|name| names.get(name as usize..));
        start.is_some_and(|start| {
            start.strip_prefix(name).is_some_and(|end| end.first() == Some(&0))
        })
    })?;
    content(place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_objects_say_what_they_read() {
        for object in [crate::OBJECT, crate::ITERATOR] {
            let types = Types::of_object(object).unwrap();
            assert!(types.number(kind::STRUCT, "task_struct").is_some());
            assert!(types.number(kind::STRUCT, "no_such_type").is_none());
        }
    }

    #[test]
    fn what_is_cut_out_has_what_was_asked_for_with_all_it_holds_and_no_more() {
        let object = Types::of_object(crate::ITERATOR).unwrap();
        let whole = Types::of_object(crate::OBJECT).unwrap();
        let cut = Types::read(&whole.cut_for(&object)).unwrap();
        assert!(cut.number(kind::STRUCT, "task_struct").is_some());
        assert!(cut.number(kind::STRUCT, "io_kiocb").is_none(), "the iterator does not read it");
        assert!(cut.starts.len() < whole.starts.len());
        // Asked once more it is all there.
        assert_eq!(cut.cut_for(&object).len(), whole.cut_for(&object).len());
    }

    #[test]
    fn hooks_keep_their_numbers() {
        let whole = Types::of_object(crate::OBJECT).unwrap();
        let hooks = Types::read(&whole.hooks()).unwrap();
        assert_eq!(hooks.starts.len(), whole.starts.len());
        let number = whole.number(kind::FUNC, "process_exec");
        assert!(number.is_some());
        assert_eq!(hooks.number(kind::FUNC, "process_exec"), number);
        assert_eq!(hooks.number(kind::STRUCT, "task_struct"), None);
    }

    #[test]
    fn a_variant_is_the_type_it_varies() {
        assert_eq!(plain(b"inode___old"), b"inode");
        assert_eq!(plain(b"inode__x"), b"inode__x");
        assert_eq!(plain(b""), b"");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            drop(Types::read(&bytes));
            drop(Types::of_object(&bytes));
        }

        #[test]
        fn no_types_make_it_panic(types in proptest::collection::vec(any::<u8>(), 0..200)) {
            let header = Header {
                magic: MAGIC,
                version: 1,
                flags: 0,
                header_bytes: 24,
                types_offset: 0,
                types_bytes: types.len() as u32,
                strings_offset: 0,
                strings_bytes: 0,
            };
            let object = Types::of_object(crate::ITERATOR).unwrap();
            if let Ok(types) = Types::read(&[header.as_bytes(), &types].concat()) {
                drop((types.cut_for(&object), types.hooks(), types.cast()));
            }
        }
    }
}
