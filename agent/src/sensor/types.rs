//! What the loader is told of the running kernel's types: no more than it asks for, since it goes
//! through all it is told for each type that an object reads.

use std::{fs, path::Path};

use aya::{Btf, BtfError, Endianness};
use probe::{
    program,
    types::{Cast, Types, UnknownTypes},
};

/// Where the kernel tells its types.
const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// The types of the running kernel.
#[derive(Debug)]
pub(super) struct KernelTypes {
    types: Types,
    cast: Option<Cast>,
    hooks: Btf,
}

/// An object for the running kernel, with what it reads there.
pub(super) struct Prepared {
    pub(super) object: Vec<u8>,
    pub(super) types: Btf,
    /// Whether its programs may say what type a pointer is of.
    pub(super) typed: bool,
}

impl KernelTypes {
    pub(super) fn read() -> Result<Self, BtfError> {
        let path = Path::new(KERNEL);
        let bytes =
            fs::read(path).map_err(|error| BtfError::FileError { path: path.to_owned(), error })?;
        let types = Types::read(&bytes).map_err(unknown)?;
        let hooks = Btf::parse(&types.hooks(), Endianness::default())?;
        Ok(Self { cast: types.cast(), types, hooks })
    }

    /// Returns what programs can be attached to.
    pub(super) const fn hooks(&self) -> &Btf {
        &self.hooks
    }

    pub(super) fn prepare(&self, object: &[u8]) -> Result<Prepared, BtfError> {
        let own = Types::of_object(object).map_err(unknown)?;
        let types = Btf::parse(&self.types.cut_for(&own), Endianness::default())?;
        let typed = self.cast.is_some();
        Ok(Prepared { object: program::with_cast(object, self.cast), types, typed })
    }
}

fn unknown(_: UnknownTypes) -> BtfError {
    BtfError::InvalidTypeInfo
}

#[cfg(test)]
mod tests {
    use aya_obj::Object;

    use super::*;

    #[test]
    fn objects_become_the_same_by_the_types_cut_out_as_by_all_of_the_kernel_s() {
        let (all, kernel) = (Btf::from_sys_fs().unwrap(), KernelTypes::read().unwrap());
        for object in [probe::OBJECT, probe::ITERATOR] {
            let prepared = kernel.prepare(object).unwrap();
            let relocated = |types: &Btf| {
                let mut object = Object::parse(&prepared.object).unwrap();
                object.relocate_btf(types).unwrap();
                let functions = object.functions.into_iter().map(|(place, function)| {
                    let code: Vec<_> = function
                        .instructions
                        .iter()
                        .map(|it| (it.code, it.dst_reg(), it.src_reg(), it.off, it.imm))
                        .collect();
                    (place, code)
                });
                functions.collect::<Vec<_>>()
            };
            assert!(relocated(&prepared.types) == relocated(&all));
        }
    }
}
