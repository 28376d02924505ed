//! Memory that is freed goes back to the system.

/// Makes the C library's allocator take large blocks from the system one by one, and so give them back
/// when they are freed.
///
/// It raises that bound by itself with the first large block that is freed: reading the kernel's types
/// at the start, 6 MiB at once and as many again in pieces, would leave 16 MiB resident for good.
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    {
        // The bound that the C library starts with.
        const LARGE_BYTES: i32 = 128 << 10;
        #[expect(unsafe_code, reason = "there is no other way to the allocator's settings")]
        // SAFETY: it sets a number of the allocator's, under the allocator's own lock.
        let set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
        if set == 0 {
            tracing::debug!("the allocator keeps its own bound for large blocks");
        }
    }
}
