//! Memory that is freed goes back to the system.

/// Makes the C library's allocator take large blocks from the system one by one, and so give them back
/// when they are freed, and keep few places for small ones.
///
/// It raises the first bound by itself with the first large block that is freed: reading the kernel's
/// types at the start would leave megabytes resident for good. Without the second, threads that do
/// little each keep what they once needed.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // The bound that the C library starts with.
        const LARGE_BYTES: i32 = 128 << 10;
        const ARENAS: i32 = 2;
        set(libc::M_MMAP_THRESHOLD, LARGE_BYTES);
        set(libc::M_ARENA_MAX, ARENAS);
    }
}

#[cfg(target_env = "gnu")]
fn set(bound: libc::c_int, value: i32) {
    #[expect(unsafe_code, reason = "there is no other way to the allocator's settings")]
    // SAFETY: it sets a number of the allocator's, under the allocator's own lock.
    let set = unsafe { libc::mallopt(bound, value) };
    if set == 0 {
        tracing::debug!(bound, "the allocator keeps its own setting");
    }
}

/// Gives back what lies free between small blocks: after work that needed much for a moment.
pub(crate) fn give_back_free() {
    #[cfg(target_env = "gnu")]
    {
        #[expect(unsafe_code, reason = "the allocator does it for nobody who does not ask")]
        // SAFETY: it changes nothing that is allocated, under the allocator's own locks.
        let given = unsafe { libc::malloc_trim(0) };
        tracing::debug!(given, "free memory went back to the system");
    }
}
