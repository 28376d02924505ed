//! Takes records out of a ring that the kernel fills (`kernel/bpf/ringbuf.c`, from Linux 5.8 on).
//!
//! Such a map shows the consumer's position in its first page, the producers' in its second, and then its
//! data. The kernel lets the data be mapped twice in a row, so that no record is in two parts; but each
//! page of it then counts twice as memory of this process. Here it is mapped once, and the one record that
//! goes over the end is handed out in two parts: who takes records copies them anyway.

use std::{
    io,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// What is before each record: its length with these bits, and four bytes of the kernel's own.
const HEAD_BYTES: usize = 8;
/// The record is not finished: neither is any behind it, for the reader.
const BUSY: u32 = 1 << 31;
/// Whoever made room for the record gave it up.
const DISCARDED: u32 = 1 << 30;
/// Room is given back to the kernel at the latest after so many bytes: each time costs the producers, who
/// look at the same line of memory.
const GIVE_BACK_BYTES: usize = 64 << 10;

/// A ring, of which there is one reader.
#[derive(Debug)]
pub struct Ring {
    consumer: Mapping,
    /// The producers' position, and from the next page on the data.
    producers: Mapping,
    page: usize,
    /// Of the data: a power of two.
    size: usize,
    /// Up to where records were taken.
    position: usize,
}

impl Ring {
    /// Maps the ring behind a descriptor of a map with so many bytes of data.
    pub fn map(map: BorrowedFd<'_>, size: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        if !size.is_power_of_two() || size < page {
            return Err(io::Error::other(format!("{size} bytes are no size of a ring")));
        }
        let consumer = Mapping::of(map, page, ProtFlags::READ | ProtFlags::WRITE, 0)?;
        let producers = Mapping::of(map, page + size, ProtFlags::READ, page as u64)?;
        let mut ring = Self { consumer, producers, page, size, position: 0 };
        ring.position = ring.taken_position().load(Ordering::Relaxed);
        Ok(ring)
    }

    /// Hands out records in their order while there are finished ones and `on_record` says to go on.
    /// Returns whether all were taken. Each record is in two parts, the second of which is mostly empty.
    pub fn take(&mut self, mut on_record: impl FnMut([&[u8]; 2]) -> bool) -> bool {
        let mut given_back = self.position;
        let emptied = loop {
            // Acquire: what is behind this position is there to be read.
            let until = self.made_position().load(Ordering::Acquire);
            if until == self.position {
                break true;
            }
            let head = self.head(self.position).load(Ordering::Acquire);
            if head & BUSY != 0 {
                break true;
            }
            let length = (head & !DISCARDED) as usize;
            let whole = (HEAD_BYTES + length).next_multiple_of(HEAD_BYTES);
            let more = head & DISCARDED != 0
                || on_record(self.parts(self.position.wrapping_add(HEAD_BYTES), length));
            self.position = self.position.wrapping_add(whole);
            if self.position.wrapping_sub(given_back) >= GIVE_BACK_BYTES {
                self.taken_position().store(self.position, Ordering::Release);
                given_back = self.position;
            }
            if !more {
                break false;
            }
        };
        // In one order with the look at the next record by whoever waits now: a producer that finds this
        // position to be its record's wakes the reader.
        self.taken_position().store(self.position, Ordering::SeqCst);
        emptied
    }

    fn taken_position(&self) -> &AtomicUsize {
        #[expect(unsafe_code, reason = "the kernel reads and writes the same memory")]
        // SAFETY: the mapping is a page, aligned, and lives as long as `self`; the kernel only reads it.
        unsafe {
            AtomicUsize::from_ptr(self.consumer.start.as_ptr().cast())
        }
    }

    fn made_position(&self) -> &AtomicUsize {
        #[expect(unsafe_code, reason = "the kernel reads and writes the same memory")]
        // SAFETY: the mapping begins with a page of this, aligned, and lives as long as `self`; nothing
        // here writes to it.
        unsafe {
            AtomicUsize::from_ptr(self.producers.start.as_ptr().cast())
        }
    }

    /// Returns the head of the record at a position, all of which are multiples of [`HEAD_BYTES`].
    fn head(&self, position: usize) -> &AtomicU32 {
        #[expect(unsafe_code, reason = "the kernel reads and writes the same memory")]
        // SAFETY: a position within the data is within the mapping, aligned for it, and lives as long as
        // `self`; nothing here writes to it.
        unsafe {
            AtomicU32::from_ptr(self.data(position).cast_mut().cast())
        }
    }

    /// Returns where the byte of a position is.
    fn data(&self, position: usize) -> *const u8 {
        let offset = self.page + (position & (self.size - 1));
        self.producers.start.as_ptr().cast_const().wrapping_add(offset)
    }

    fn parts(&self, position: usize, length: usize) -> [&[u8]; 2] {
        let length = length.min(self.size);
        let first = length.min(self.size - (position & (self.size - 1)));
        let [at, start] = [self.data(position), self.data(0)];
        #[expect(unsafe_code, reason = "the record lies in the kernel's memory")]
        // SAFETY: both parts are within the data, so within the mapping; the record is finished, so the
        // kernel writes there only after its place was given back, which borrows `self` anew.
        unsafe {
            [
                &*ptr::slice_from_raw_parts(at, first),
                &*ptr::slice_from_raw_parts(start, length - first),
            ]
        }
    }
}

/// Memory that is shared with the kernel.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

#[expect(unsafe_code, reason = "a pointer is no thread's own unless it is said")]
// SAFETY: the memory belongs to the process, and this is the only owner of the mapping.
unsafe impl Send for Mapping {}

impl Mapping {
    fn of(map: BorrowedFd<'_>, bytes: usize, access: ProtFlags, at: u64) -> io::Result<Self> {
        #[expect(unsafe_code, reason = "a system call that makes memory")]
        // SAFETY: the kernel chooses a free place, and nothing else knows of it.
        let start = unsafe { mmap(ptr::null_mut(), bytes, access, MapFlags::SHARED, map, at)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a system call that ends memory")]
        // SAFETY: what was mapped by `of`, whole; whatever borrowed it is gone.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        os::{
            fd::{AsFd, OwnedFd},
            unix::fs::FileExt,
        },
    };

    use proptest::prelude::*;
    use rustix::fs::{MemfdFlags, memfd_create};

    use super::*;

    const SIZE: usize = 1 << 13;

    /// Writes into a file what the kernel writes into a ring.
    struct Kernel {
        file: File,
        page: usize,
        made: usize,
    }

    impl Kernel {
        /// Begins where a ring is after so many bytes went through it.
        fn new(made: usize) -> Self {
            let page = rustix::param::page_size();
            let memory: OwnedFd = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
            let file = File::from(memory);
            file.set_len((2 * page + SIZE) as u64).unwrap();
            file.write_all_at(&made.to_ne_bytes(), 0).unwrap();
            let kernel = Self { file, page, made };
            kernel.tell();
            kernel
        }

        fn ring(&self) -> Ring {
            Ring::map(self.file.as_fd(), SIZE).unwrap()
        }

        fn tell(&self) {
            self.file.write_all_at(&self.made.to_ne_bytes(), self.page as u64).unwrap();
        }

        fn taken(&self) -> usize {
            let mut bytes = [0; size_of::<usize>()];
            self.file.read_exact_at(&mut bytes, 0).unwrap();
            usize::from_ne_bytes(bytes)
        }

        fn write(&self, position: usize, bytes: &[u8]) {
            for (number, byte) in bytes.iter().enumerate() {
                let at = 2 * self.page + (position + number) % SIZE;
                self.file.write_all_at(&[*byte], at as u64).unwrap();
            }
        }

        /// Writes a record, if there is room; returns where its head is.
        fn put(&mut self, record: &[u8], bits: u32) -> Option<usize> {
            let whole = (HEAD_BYTES + record.len()).next_multiple_of(HEAD_BYTES);
            if self.made + whole - self.taken() > SIZE {
                return None;
            }
            let at = self.made;
            self.write(at, &(record.len() as u32 | bits).to_ne_bytes());
            self.write(at + HEAD_BYTES, record);
            self.made += whole;
            self.tell();
            Some(at)
        }
    }

    fn taken(ring: &mut Ring) -> Vec<Vec<u8>> {
        let mut records = Vec::new();
        assert!(ring.take(|parts| {
            records.push(parts.concat());
            true
        }));
        records
    }

    #[test]
    fn an_unfinished_record_ends_what_is_there_and_a_discarded_one_is_passed() {
        let mut kernel = Kernel::new(0);
        let mut ring = kernel.ring();
        kernel.put(b"one", 0).unwrap();
        kernel.put(b"given up", DISCARDED).unwrap();
        let unfinished = kernel.put(b"two", BUSY).unwrap();
        kernel.put(b"three", 0).unwrap();
        assert_eq!(taken(&mut ring), [b"one"]);
        assert_eq!(kernel.taken(), unfinished, "what was taken is free again");
        kernel.write(unfinished, &3_u32.to_ne_bytes());
        assert_eq!(taken(&mut ring), [b"two".to_vec(), b"three".to_vec()]);
        assert_eq!(taken(&mut ring), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn who_takes_one_gets_the_next_one_later() {
        let mut kernel = Kernel::new(0);
        let mut ring = kernel.ring();
        kernel.put(b"one", 0).unwrap();
        kernel.put(b"two", 0).unwrap();
        let mut first = Vec::new();
        assert!(!ring.take(|parts| {
            first = parts.concat();
            false
        }));
        assert_eq!(first, b"one");
        drop(ring);
        assert_eq!(taken(&mut kernel.ring()), [b"two"], "the position is the kernel's to keep");
    }

    #[test]
    fn a_ring_of_a_strange_size_is_refused() {
        let kernel = Kernel::new(0);
        for size in [0, 1, 12_288] {
            assert!(Ring::map(kernel.file.as_fd(), size).is_err());
        }
    }

    proptest! {
        #[test]
        fn every_record_comes_out_as_it_went_in(
            begin in (0_usize..1 << 20).prop_map(|begin| begin * HEAD_BYTES),
            records in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..3000), 0_u32..8), 1..60),
        ) {
            let mut kernel = Kernel::new(begin);
            let mut ring = kernel.ring();
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            for (record, sort) in records {
                let bits = if sort == 0 { DISCARDED } else { 0 };
                if kernel.put(&record, bits).is_none() {
                    found.append(&mut taken(&mut ring));
                    kernel.put(&record, bits).unwrap();
                }
                if bits == 0 {
                    expected.push(record);
                }
            }
            found.append(&mut taken(&mut ring));
            prop_assert_eq!(found, expected);
            prop_assert_eq!(kernel.taken(), kernel.made);
        }
    }
}
