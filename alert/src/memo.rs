//! What a reader of processes found out about one, kept with it so that it is found out once.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
};

use crate::Process;

/// A place in a process for words that follow from it. It is no part of the process's value: two
/// processes are equal whatever is remembered of them, and none of it is recorded.
///
/// A process is immutable behind its `Arc`, and a changed one is another `Arc`. The words remember
/// whose they are, so that a copy, or a process that was changed where it stands, begins with none.
#[derive(Default)]
pub struct Memo(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    /// The process the words are about. A `Weak` keeps its address from being used again, and makes
    /// `Arc::make_mut` move the process to another.
    process: Weak<Process>,
    words: Box<[u64]>,
}

/// The words remembered of a process, held by one thread.
#[derive(Debug)]
pub struct MemoWords<'a>(MutexGuard<'a, Remembered>);

impl Process {
    /// Returns the words remembered of this process, of length 0 at first; `None` while another
    /// thread holds them, which is no reason to wait: they can be found out anew.
    pub fn remembered(self: &Arc<Self>) -> Option<MemoWords<'_>> {
        let mut guard = match self.memo.0.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => {
                // Who held them did not come to an end: what they say is not to be trusted.
                self.memo.0.clear_poison();
                let mut guard = PoisonError::into_inner(poisoned);
                *guard = Remembered::default();
                guard
            }
            Err(TryLockError::WouldBlock) => return None,
        };
        if !std::ptr::eq(guard.process.as_ptr(), Arc::as_ptr(self)) {
            *guard = Remembered { process: Arc::downgrade(self), words: Box::default() };
        }
        Some(MemoWords(guard))
    }
}

impl MemoWords<'_> {
    /// Forgets the words and makes room for `count` of them, all 0.
    pub fn reset(&mut self, count: usize) {
        if self.0.words.len() == count {
            self.0.words.fill(0);
        } else {
            self.0.words = vec![0; count].into();
        }
    }
}

impl Deref for MemoWords<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        &self.0.words
    }
}

impl DerefMut for MemoWords<'_> {
    fn deref_mut(&mut self) -> &mut [u64] {
        &mut self.0.words
    }
}

impl Clone for Memo {
    /// Returns an empty one: a copy is made to be changed.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remembered").field(&self.words).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process() -> Arc<Process> {
        let text = r#"{
            "key": {"pid": 1, "start_boot_ns": 1}, "ppid": 0, "vpid": 1, "sid": 1, "start_ns": 1,
            "name": "init", "executable": {"path": "/sbin/init", "inode": 1, "ctime_ns": 0, "mtime_ns": 0},
            "arguments": [], "cwd": "/", "tty": 0, "uid": 0, "gid": 0, "user": null, "group": null,
            "login_uid": null, "login_user": null, "capabilities": 0, "container": null, "parent": null
        }"#;
        Arc::new(serde_json::from_str(text).expect("a process"))
    }

    fn write(process: &Arc<Process>) {
        let mut words = process.remembered().expect("no other thread");
        words.reset(2);
        words[1] = 7;
    }

    fn read(process: &Arc<Process>) -> Vec<u64> {
        process.remembered().expect("no other thread").to_vec()
    }

    #[test]
    fn words_are_kept_while_the_process_is_the_same() {
        let process = process();
        assert!(read(&process).is_empty());
        write(&process);
        assert_eq!(read(&process), [0, 7]);
        assert_eq!(read(&Arc::clone(&process)), [0, 7]);
        process.remembered().expect("no other thread").reset(2);
        assert_eq!(read(&process), [0, 0]);
    }

    #[test]
    fn a_process_that_changes_forgets() {
        let mut process = process();
        write(&process);
        assert!(read(&Arc::new(Process::clone(&process))).is_empty(), "a copy");
        Arc::make_mut(&mut process).uid = 5;
        assert!(read(&process).is_empty(), "changed where it stands");
        write(&process);
        let moved = Arc::new(Arc::into_inner(process).expect("no other owner"));
        assert!(read(&moved).is_empty(), "moved");
    }

    #[test]
    fn only_one_thread_holds_the_words() {
        let process = process();
        let words = process.remembered();
        assert!(words.is_some() && process.remembered().is_none());
        drop(words);
        assert!(process.remembered().is_some());
    }

    #[test]
    fn a_memo_is_no_part_of_the_value() {
        let (one, other) = (process(), process());
        write(&one);
        assert_eq!(one, other);
        let text = |process: &Process| serde_json::to_string(process).expect("plain data");
        assert_eq!(text(&one), text(&other));
    }

    #[test]
    fn nothing_is_left_when_the_last_owner_is_gone() {
        let process = process();
        write(&process);
        let weak = Arc::downgrade(&process);
        drop(process);
        assert_eq!(weak.strong_count(), 0);
        assert_eq!(weak.weak_count(), 0, "the memo's own is gone too");
    }
}
