//! Holds what Rust says of a file in `include/` to the C compiler.

use std::{fmt::Write, process::Command};

/// A C program that compiles if all that was said of a header file is true.
pub(crate) struct HeaderFile(String);

impl HeaderFile {
    pub(crate) fn new(file: &str) -> Self {
        Self(format!("#include <stddef.h>\n#include \"{file}\"\n"))
    }

    /// Says that a constant expression has this value.
    pub(crate) fn number(&mut self, expression: &str, number: u64) {
        writeln!(self.0, "_Static_assert({expression} == {number}, \"{expression}\");").unwrap();
    }

    pub(crate) fn size(&mut self, structure: &str, bytes: usize) {
        self.number(&format!("sizeof(struct {structure})"), bytes as u64);
    }

    pub(crate) fn offset(&mut self, structure: &str, field: &str, bytes: usize) {
        self.number(&format!("offsetof(struct {structure}, {field})"), bytes as u64);
    }

    /// Compiles it.
    pub(crate) fn check(self) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("check.c");
        std::fs::write(&file, self.0).unwrap();
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let output = Command::new(compiler)
            .args(["-fsyntax-only", concat!("-I", env!("CARGO_MANIFEST_DIR"), "/include")])
            .arg(&file)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Says sizes of structures and places of their fields: `"name in C" = RustName { fields }`, a field
/// with another name in C `as` that.
macro_rules! structures {
    ($header:ident: $($c:literal = $rust:ident { $($field:ident $(as $c_field:ident)?),* $(,)? })*) => {
        $(
            $header.size($c, size_of::<$rust>());
            $(
                let name = [stringify!($field) $(, stringify!($c_field))?];
                $header.offset($c, name[name.len() - 1], std::mem::offset_of!($rust, $field));
            )*
        )*
    };
}

pub(crate) use structures;
