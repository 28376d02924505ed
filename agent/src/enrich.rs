//! Adds what the kernel does not tell: ancestors, users, containers.

mod cgroup;
pub(crate) mod container;
pub(crate) mod hold;
pub(crate) mod path;
pub(crate) mod process_tree;
pub(crate) mod processes;
pub(crate) mod procfs;
pub(crate) mod resolver;
pub(crate) mod user;
