//! Events on request over the agent's socket, from a recording that goes on while somebody asks.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use std::{
    fs,
    io::{BufRead, BufReader, Cursor, Write},
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    process::Command,
};

use agent::{
    Agent, AgentConfig, Events, Recording, Setup, Sinks,
    tap::{Answer, Choice, End, Form, Refusal, Request, Socket, SocketError},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use service::shutdown::Shutdown;

const RULES: &str = "- rule: Shell\n  desc: d\n  condition: evt.type = execve and proc.name = sh\n  \
    output: o\n  priority: INFO\n";

/// An agent that is fed events one by one, and its socket.
struct Fed {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    shutdown: Shutdown,
    agent: Agent,
    events: fs::File,
}

impl Fed {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (rules, pipe) = (folder.path().join("rules.yaml"), folder.path().join("events"));
        fs::write(&rules, RULES).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _inside = runtime.enter();
        // Each end of a pipe opens when the other does; the agent reads the first line at once.
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut events = fs::OpenOptions::new().write(true).open(pipe).unwrap();
                writeln!(events, "{}", Recording::text_header()).unwrap();
                events
            }
        });
        let config = AgentConfig { rules: vec![rules], ..AgentConfig::default() };
        let setup =
            Setup { events: Events::Recording(pipe), sinks: Sinks::default(), record: None };
        let agent = Agent::start(&config, setup, &prometheus::Registry::new()).unwrap();
        let shutdown = Shutdown::new();
        let socket = Socket::bind(&folder.path().join("run/agent.sock")).unwrap();
        shutdown.spawn("recorders", socket.serve(agent.handle(), shutdown.clone()));
        let events = writer.join().unwrap();
        drop(_inside);
        Self { folder, runtime, shutdown, agent, events }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("run/agent.sock")
    }

    fn feed(&mut self, name: &str) {
        let text = format!("{{ evt.type: execve, proc.name: {name} }}");
        let source = rules::Source { name: "event".to_owned(), text };
        let event = rules::read_events(&source).unwrap().remove(0).event;
        writeln!(self.events, "{}", serde_json::to_string(&event).unwrap()).unwrap();
        self.events.flush().unwrap();
    }

    fn stop(self) {
        let Self { runtime, shutdown, agent, events, .. } = self;
        drop(events);
        shutdown.cancel();
        runtime.block_on(agent.stop());
    }
}

struct Client(BufReader<UnixStream>);

impl Client {
    fn ask(socket: &Path, choice: Choice, events_max: u64) -> Self {
        Self::want(socket, Form::Events, choice, events_max)
    }

    fn want(socket: &Path, form: Form, choice: Choice, events_max: u64) -> Self {
        let (rate_max, bytes_max, around) = (None, None, None);
        let request =
            Request { choice, form, events_max, seconds_max: 600, rate_max, bytes_max, around };
        Self::say(socket, &serde_json::to_string(&request).unwrap())
    }

    fn say(socket: &Path, line: &str) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        writeln!(stream, "{line}").unwrap();
        Self(BufReader::new(stream))
    }

    fn answer(&mut self) -> Answer {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    fn event(&mut self) -> String {
        match self.answer() {
            Answer::Event(event) => event.process.name.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn condition(text: &str) -> Choice {
    Choice::Condition(text.to_owned())
}

#[test]
fn chosen_events_come_while_the_agent_goes_on_and_four_ask_at_a_time() {
    let mut fed = Fed::start();
    let choice = condition("evt.type = execve and proc.name in (a, b)");
    let mut clients: Vec<_> =
        (0..4).map(|_| Client::ask(&fed.socket(), choice.clone(), 2)).collect();
    for client in &mut clients {
        assert_eq!(client.answer(), Answer::Started { unwatched: Vec::new() });
    }
    let busy = Client::ask(&fed.socket(), choice.clone(), 1).answer();
    assert!(matches!(busy, Answer::Refused { why: Refusal::Busy, .. }), "{busy:?}");

    for name in ["x", "a", "sh", "b"] {
        fed.feed(name);
    }
    for client in &mut clients {
        assert_eq!([client.event(), client.event()], ["a", "b"]);
        let ended = Answer::Ended { why: End::Events, seen: 2, dropped: 0, limited: 0 };
        assert_eq!(client.answer(), ended);
    }
    fed.stop();
}

#[test]
fn a_recording_comes_in_parts_and_is_whole() {
    let mut fed = Fed::start();
    let choice = condition("evt.type = execve");
    let mut client = Client::want(&fed.socket(), Form::Recording, choice, 50);
    assert!(matches!(client.answer(), Answer::Started { .. }));
    for number in 0..50 {
        fed.feed(&format!("p{number}"));
    }
    let mut bytes = Vec::new();
    loop {
        match client.answer() {
            Answer::Part(part) => bytes.extend(STANDARD.decode(part).unwrap()),
            Answer::Whole { events: 50 } => {}
            Answer::Ended { why: End::Events, seen: 50, .. } => break,
            other => panic!("{other:?}"),
        }
    }
    let recording = Recording::read(Path::new("parts"), Box::new(Cursor::new(bytes))).unwrap();
    let names: Vec<_> = recording.map(|event| event.unwrap().process.name.to_string()).collect();
    assert_eq!(names, (0..50).map(|number| format!("p{number}")).collect::<Vec<_>>());
    fed.stop();
}

#[test]
fn the_event_of_a_rules_next_alert_comes() {
    let mut fed = Fed::start();
    let mut client = Client::ask(&fed.socket(), Choice::Rule("Shell".to_owned()), 1);
    assert!(matches!(client.answer(), Answer::Started { .. }));
    fed.feed("x");
    fed.feed("sh");
    assert_eq!(client.event(), "sh");
    fed.stop();
}

#[test]
fn a_client_that_goes_away_makes_room_for_the_next() {
    let mut fed = Fed::start();
    for _ in 0..4 {
        let mut first = Client::ask(&fed.socket(), condition("evt.type = execve"), 5);
        assert!(matches!(first.answer(), Answer::Started { .. }));
    }
    // It is noticed as soon as the agent looks, which is not ours to know.
    let mut second = loop {
        let mut client = Client::ask(&fed.socket(), condition("evt.type = execve"), 1);
        match client.answer() {
            Answer::Started { .. } => break client,
            Answer::Refused { why: Refusal::Busy, .. } => std::thread::yield_now(),
            other => panic!("{other:?}"),
        }
    };
    fed.feed("a");
    assert_eq!(second.event(), "a");
    fed.stop();
}

#[test]
fn what_is_asked_for_wrongly_is_refused() {
    let fed = Fed::start();
    let socket = fed.socket();
    let request = |text: &str| Client::say(&socket, text).answer();
    for (line, expected) in [
        ("hello", "not a request"),
        (r#"{"choice":{"rule":"Shell"},"events_max":0,"seconds_max":1}"#, "at least one event"),
        (
            r#"{"choice":{"rule":"Shell"},"events_max":1,"seconds_max":99999}"#,
            "from 1 to 86400 seconds",
        ),
        (r#"{"choice":{"rule":"Nope"},"events_max":1,"seconds_max":1}"#, "no rule in force"),
        (
            r#"{"choice":{"condition":"evt.type = nice"},"events_max":1,"seconds_max":1}"#,
            "no event that the sensor reports",
        ),
        (r#"{"choice":{"condition":"proc.name ="},"events_max":1,"seconds_max":1}"#, "condition"),
    ] {
        match request(line) {
            Answer::Refused { why: Refusal::Wrong, message } => {
                assert!(message.contains(expected), "{line}: {message}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
    fed.stop();
}

#[test]
fn the_socket_is_its_owners_and_one_left_behind_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/agent.sock");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let socket = Socket::bind(&path).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert!(matches!(Socket::bind(&path), Err(SocketError::InUse(_))));
    drop(socket);
    assert!(!path.exists());

    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    drop(Socket::bind(&path).unwrap());
    fs::write(&path, "mine").unwrap();
    assert!(matches!(Socket::bind(&path), Err(SocketError::Foreign(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}
