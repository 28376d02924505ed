//! Who runs the deeds: shells that were there before the agents, and are no children of `cargo`, whose
//! work the built-in rules know for what it is.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    os::unix::ffi::OsStrExt,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{Condvar, Mutex, OnceLock},
};

/// As many deeds can be done at once.
const DOERS: usize = 4;

struct Doer {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Default)]
struct Doers {
    free: Mutex<Vec<Doer>>,
    freed: Condvar,
}

/// Returns the shells; the first call starts them, which must be before an agent looks who is there.
fn doers() -> &'static Doers {
    static STARTED: OnceLock<Doers> = OnceLock::new();
    STARTED.get_or_init(|| {
        let free = (0..DOERS).map(|_| Doer::start()).collect();
        Doers { free: Mutex::new(free), freed: Condvar::new() }
    })
}

pub(crate) fn start() {
    doers();
}

impl Doer {
    fn start() -> Self {
        let script = "while read -r file; do . \"$file\"; echo $?; done";
        let mut setsid = Command::new("setsid");
        setsid.args(["--fork", "sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = setsid.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        // The shell then has no parent of ours.
        assert!(child.wait().unwrap().success());
        Self { input, output: BufReader::new(output) }
    }

    fn run(&mut self, script: &[u8]) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(script).unwrap();
        writeln!(self.input, "{}", file.path().display()).unwrap();
        let mut status = String::new();
        self.output.read_line(&mut status).unwrap();
        status.trim().to_owned()
    }
}

/// Runs a command to its end; returns its exit status, and what it said of errors.
pub(crate) fn run(command: &Command) -> (String, String) {
    let errors = tempfile::NamedTempFile::new().unwrap();
    let mut script = Vec::new();
    for (name, value) in command.get_envs() {
        script.extend(name.as_bytes());
        script.push(b'=');
        script.extend(quoted(value.unwrap_or_default().as_bytes()));
        script.push(b' ');
    }
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        script.extend(quoted(word.as_bytes()));
        script.push(b' ');
    }
    let streams = format!("</dev/null >/dev/null 2>{}\n", errors.path().display());
    script.extend(streams.as_bytes());
    let doers = doers();
    let taken = |free: &mut Vec<Doer>| free.is_empty();
    let mut doer =
        doers.freed.wait_while(doers.free.lock().unwrap(), taken).unwrap().pop().unwrap();
    let status = doer.run(&script);
    doers.free.lock().unwrap().push(doer);
    doers.freed.notify_one();
    let said = std::io::read_to_string(File::open(errors.path()).unwrap()).unwrap_or_default();
    (status, said)
}

/// Quotes a word for the shell.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}
