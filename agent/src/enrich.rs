//! Adds what the kernel does not tell: ancestors, users, containers.
