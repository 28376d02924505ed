//! A small HTTP/1.1 client and server, so that the measuring costs less than the measured.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// Returns one alert as Falco prints it, about 1 kB, of one of `findings` findings.
pub(crate) fn alert(number: u64, findings: u64) -> String {
    let finding = number % findings;
    let letter = |value: u64| char::from(b'a' + (value % 26) as u8);
    let program =
        format!("tool{}{}{}", letter(finding), letter(finding / 26), letter(finding / 676));
    format!(
        concat!(
            r#"{{"hostname":"node-1","output":"12:00:00.000000000: Warning File below /etc opened for writing "#,
            r#"(user=root command={p} --verbose --config /etc/{p}.conf file=/etc/{p}/settings parent=bash gparent=sshd "#,
            r#"container_id=host image=<NA>)","output_fields":{{"container.id":"host","container.name":"host","#,
            r#""evt.time":1763712000000000000,"evt.type":"openat","fd.name":"/etc/{p}/settings","proc.cmdline":"{p} --verbose "#,
            r#"--config /etc/{p}.conf","proc.exepath":"/usr/bin/{p}","proc.name":"{p}","proc.pid":{n},"proc.pname":"bash","#,
            r#""proc.aname[2]":"sshd","proc.aname[3]":"systemd","user.loginuid":-1,"user.name":"root","user.uid":0}},"#,
            r#""priority":"Warning","rule":"Write below etc {p}","source":"syscall","tags":["filesystem","host","mitre_persistence","T1543"],"#,
            r#""time":"2026-11-21T08:00:00.000000000Z"}}"#
        ),
        p = program,
        n = number % 32_768,
    )
}

/// A kept-alive connection that posts bodies one after the other.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("failed to connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: "
        );
        Ok(Self { stream, head, buffer: Vec::new() })
    }

    /// Posts a body and returns the status of the answer.
    pub(crate) fn post(&mut self, body: &[u8]) -> anyhow::Result<u16> {
        self.buffer.clear();
        write!(self.buffer, "{}{}\r\n\r\n", self.head, body.len())?;
        self.buffer.extend_from_slice(body);
        self.stream.write_all(&self.buffer)?;
        let head_length = self.read_until_head()?;
        let head = std::str::from_utf8(&self.buffer[..head_length])?;
        let status = head
            .get(9..12)
            .and_then(|text| text.parse().ok())
            .context("no status in the answer")?;
        let length = content_length(head);
        while self.buffer.len() < head_length + length {
            self.read_some()?;
        }
        Ok(status)
    }

    fn read_until_head(&mut self) -> anyhow::Result<usize> {
        self.buffer.clear();
        loop {
            self.read_some()?;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(end + 4);
            }
        }
    }

    fn read_some(&mut self) -> anyhow::Result<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk)? {
            0 => bail!("the connection was closed"),
            count => self.buffer.extend_from_slice(&chunk[..count]),
        }
        Ok(())
    }
}

/// Where and over how many connections to post.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'a str,
    pub(crate) connections: usize,
}

/// Posts for `duration`; returns how many bodies were taken.
pub(crate) fn post_for(
    load: Load<'_>,
    duration: Duration,
    body: impl Fn(u64) -> Vec<u8> + Sync,
) -> anyhow::Result<(u64, Duration)> {
    let next = AtomicU64::new(0);
    let taken = AtomicU64::new(0);
    let started = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..load.connections)
            .map(|_| {
                scope.spawn(|| -> anyhow::Result<()> {
                    let mut connection = Connection::open(load.address, load.path)?;
                    while started.elapsed() < duration {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let status = connection.post(&body(number))?;
                        if status != 200 {
                            bail!("{} answered {status}", load.address);
                        }
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    Ok((taken.load(Ordering::Relaxed), started.elapsed()))
}

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    After(Duration),
    Never,
}

/// Takes each body that is received, before it is answered.
pub(crate) type Look = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// A webhook's other end: counts what it is sent. Stops when dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    pub(crate) received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Receiver {
    pub(crate) fn start(answer: Answer) -> anyhow::Result<Self> {
        Self::looking(answer, Arc::new(|_| {}))
    }

    /// Starts one that shows what it receives.
    pub(crate) fn looking(answer: Answer, look: Look) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let received = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counter, stopped) = (received.clone(), stop.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (counter, look) = (counter.clone(), look.clone());
                // A peer that goes away ends its thread; that is all there is to say about it.
                thread::spawn(move || drop(serve(stream, answer, &counter, &look)));
            }
        });
        Ok(Self { address, received, stop })
    }

    pub(crate) fn count(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(
    mut stream: TcpStream,
    answer: Answer,
    counter: &AtomicU64,
    look: &Look,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    let mut chunk = vec![0; 65_536];
    loop {
        let request_end = find(&buffer, b"\r\n\r\n").map(|end| {
            let head = String::from_utf8_lossy(&buffer[..end + 4]).into_owned();
            end + 4 + content_length(&head)
        });
        match request_end {
            Some(end) if buffer.len() >= end => {
                look(&buffer[..end]);
                buffer.drain(..end);
                match answer {
                    Answer::After(delay) => {
                        // The delay is the destination under test, not a wait for something.
                        thread::sleep(delay);
                        counter.fetch_add(1, Ordering::Relaxed);
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
                    }
                    Answer::Never => {}
                }
            }
            _ => match stream.read(&mut chunk)? {
                0 => return Ok(()),
                count => buffer.extend_from_slice(&chunk[..count]),
            },
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
