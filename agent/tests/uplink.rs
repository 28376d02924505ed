//! Alerts reach the router whatever it answers and however often the agent is killed.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use agent::{
    AlertSink,
    spool::Spool,
    uplink::{Uplink, UplinkOptions},
};
use alert::{Alert, AlertId, Priority};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

const CHILD_DIR: &str = "AGENT_TEST_CHILD_DIR";
const CHILD_URL: &str = "AGENT_TEST_CHILD_URL";

/// How the receiver answers one request.
#[derive(Clone, Copy, Debug)]
enum Play {
    Status(u16),
    RetryAfter(u16, &'static str),
    Hang,
}

/// Answers as told, then 200; refuses a batch with a poisoned alert; counts what it accepted.
#[derive(Clone, Default)]
struct Receiver {
    plays: Arc<Mutex<VecDeque<Play>>>,
    received: Arc<Mutex<BTreeMap<String, u32>>>,
    requests: Arc<Mutex<Vec<(HeaderMap, Instant, usize)>>>,
    /// Also answers 503 to every so many requests.
    flaky: Option<usize>,
}

impl Receiver {
    async fn start(plays: &[Play]) -> (Self, String) {
        Self::start_flaky(plays, None).await
    }

    async fn start_flaky(plays: &[Play], flaky: Option<usize>) -> (Self, String) {
        service::tls::install_crypto_provider();
        let receiver = Self {
            plays: Arc::new(Mutex::new(plays.iter().copied().collect())),
            flaky,
            ..Self::default()
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let url = format!("http://{}/", listener.local_addr().expect("address"));
        let routes = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (receiver, url)
    }

    fn ids(&self) -> BTreeMap<String, u32> {
        self.received.lock().expect("received").clone()
    }

    async fn wait_for(&self, alerts: usize) {
        let all = async {
            while self.ids().len() < alerts {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(30), all).await.is_err() {
            panic!("only {} of {alerts} alerts arrived", self.ids().len());
        }
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let text = zstd::decode_all(&body[..]).expect("zstd");
    let alerts: Vec<serde_json::Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("json"))
        .collect();
    let number = {
        let mut requests = receiver.requests.lock().expect("requests");
        requests.push((headers, Instant::now(), alerts.len()));
        requests.len()
    };
    if receiver.flaky.is_some_and(|every| number.is_multiple_of(every)) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let play = receiver.plays.lock().expect("plays").pop_front();
    match play {
        Some(Play::Status(status)) => return status_of(status).into_response(),
        Some(Play::RetryAfter(status, after)) => {
            return (status_of(status), [("retry-after", after)]).into_response();
        }
        Some(Play::Hang) => std::future::pending().await,
        None => {}
    }
    if alerts.iter().any(|alert| alert["rule"] == "poison") {
        return (StatusCode::BAD_REQUEST, "field `rule`: is \u{1b}[31mpoison").into_response();
    }
    let mut received = receiver.received.lock().expect("received");
    for alert in alerts {
        *received.entry(alert["uuid"].as_str().expect("uuid").to_owned()).or_default() += 1;
    }
    StatusCode::OK.into_response()
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("status")
}

fn alert(number: u128, rule: &str, priority: Priority) -> Alert {
    let now = Timestamp::now();
    Alert {
        id: AlertId::from_u128(number),
        time: now,
        received: now,
        rule: rule.to_owned(),
        priority,
        source: "syscall".to_owned(),
        hostname: "here".to_owned(),
        output: "o".repeat(200),
        tags: vec![],
        fields: [("proc.name".to_owned(), "cat".into())].into(),
        ends: None,
    }
}

fn options(url: &str) -> UplinkOptions {
    UplinkOptions {
        url: url.parse().expect("url"),
        token: Some("s3cret".to_owned()),
        identity: service::client::Files::default(),
        timeout: Duration::from_secs(1),
        batch_alerts_max: 50,
        batch_bytes_max: 1 << 20,
    }
}

fn start(
    spool: &Spool,
    url: &str,
) -> (tokio::task::JoinHandle<()>, CancellationToken, Arc<agent::uplink::UplinkCounts>) {
    let uplink = Uplink::new(spool.outlet(), options(url)).expect("uplink");
    let (cancelled, counts) = (CancellationToken::new(), uplink.counts());
    (tokio::spawn(uplink.run(cancelled.clone())), cancelled, counts)
}

fn fill(spool: &Spool, numbers: std::ops::Range<u128>) {
    let mut sink = spool.sink();
    for number in numbers {
        sink.alert(&alert(number, "rule", Priority::Warning));
    }
}

fn count(counter: &std::sync::atomic::AtomicU64) -> u64 {
    counter.load(std::sync::atomic::Ordering::Relaxed)
}

/// Whatever the router plays, in the end it has every alert exactly once.
async fn check(plays: &[Play]) -> (Receiver, Duration) {
    let dir = tempfile::tempdir().expect("dir");
    let (receiver, url) = Receiver::start(plays).await;
    let spool = Spool::open(dir.path(), 64 << 20).expect("spool");
    fill(&spool, 0..200);
    let begun = Instant::now();
    let (task, cancelled, counts) = start(&spool, &url);
    receiver.wait_for(200).await;
    let took = begun.elapsed();
    let outlet = spool.outlet();
    while outlet.pending() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    cancelled.cancel();
    task.await.expect("uplink");
    assert!(receiver.ids().values().all(|times| *times == 1));
    assert_eq!((count(&counts.delivered), count(&counts.dead_letters)), (200, 0));
    assert_eq!(count(&counts.failures), plays.len() as u64);
    assert_eq!(spool.gauge().state(Timestamp::now()).lag_seconds, 0.0);
    (receiver, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_bounded_and_carry_the_token() {
    let (receiver, _) = check(&[]).await;
    let requests = receiver.requests.lock().expect("requests");
    assert!(requests.iter().all(|(_, _, alerts)| *alerts <= 50));
    let headers = &requests[0].0;
    assert_eq!(headers["authorization"], "Bearer s3cret");
    assert_eq!(headers["content-encoding"], "zstd");
    let (mut next, name) = (0, headers["saker-sequence"].to_str().expect("text").split_once(' '));
    for (headers, _, alerts) in requests.iter() {
        let numbers = headers["saker-sequence"].to_str().expect("text").split_once(' ');
        let (stream, range) = numbers.expect("a stream and its numbers");
        assert_eq!(Some(stream), name.map(|(stream, _)| stream));
        assert_eq!(range, format!("{next}-{}", next + alerts - 1));
        next += alerts;
    }
    assert_eq!(headers["content-type"], "application/x-ndjson");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_router_is_given_the_time_it_asks_for() {
    let (_, took) = check(&[Play::RetryAfter(429, "1"), Play::RetryAfter(503, "1")]).await;
    assert!(took >= Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_or_hanging_router_is_tried_again() {
    check(&[Play::Status(500), Play::Hang, Play::Status(401), Play::Status(302)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_is_away_loses_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    let spool = Spool::open(dir.path(), 64 << 20).expect("spool");
    fill(&spool, 0..100);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/", closed.local_addr().expect("address"));
    drop(closed);
    let (task, cancelled, counts) = start(&spool, &url);
    while count(&counts.failures) < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let state = spool.gauge().state(Timestamp::now());
    assert_eq!(state.pending, 100);
    assert!(state.lag_seconds > 0.0);
    assert!(counts.trouble.load().as_ref().is_some_and(|why| why.contains("refused")));
    cancelled.cancel();
    task.await.expect("uplink");
    spool.close();

    let (receiver, url) = Receiver::start(&[]).await;
    let spool = Spool::open(dir.path(), 64 << 20).expect("spool");
    let (_task, _cancelled, _) = start(&spool, &url);
    receiver.wait_for(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_alert_is_put_aside_and_the_others_arrive() {
    let dir = tempfile::tempdir().expect("dir");
    let (receiver, url) = Receiver::start(&[]).await;
    let spool = Spool::open(dir.path(), 64 << 20).expect("spool");
    let mut sink = spool.sink();
    for number in 0..120 {
        let rule = if number == 33 || number == 90 { "poison" } else { "rule" };
        sink.alert(&alert(number, rule, Priority::Warning));
    }
    let (_task, _cancelled, counts) = start(&spool, &url);
    receiver.wait_for(118).await;
    let outlet = spool.outlet();
    while outlet.pending() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(receiver.ids().values().all(|times| *times == 1));
    assert_eq!(count(&counts.dead_letters), 2);
    let letters = std::fs::read_to_string(dir.path().join("dead-letters.ndjson")).expect("letters");
    let letters: Vec<serde_json::Value> =
        letters.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    assert_eq!(letters.len(), 2);
    assert_eq!(
        (&letters[0]["status"], &letters[0]["alert"]["rule"]),
        (&400.into(), &"poison".into())
    );
    assert!(!letters[0]["reason"].as_str().expect("reason").contains('\u{1b}'));
}

/// Returns text that hardly packs: it fills a spool.
fn noise(seed: u64) -> String {
    let mut state = seed;
    let letters = (0..30_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'0' + (state >> 33) as u8 % 64)
    });
    letters.collect()
}

#[test]
fn a_full_spool_keeps_room_for_what_matters_and_counts_the_rest() {
    let dir = tempfile::tempdir().expect("dir");
    let spool = Spool::open(dir.path(), 16 << 20).expect("spool");
    let mut sink = spool.sink();
    let mut sent = 0_u64;
    let full = Instant::now() + Duration::from_secs(60);
    while spool.gauge().state(Timestamp::now()).bytes <= 12 << 20 && Instant::now() < full {
        let mut notice = alert(sent.into(), "rule", Priority::Notice);
        notice.output = noise(sent);
        sink.alert(&notice);
        sent += 1;
        while *spool.outlet().watch().borrow() < sent && Instant::now() < full {
            std::thread::yield_now();
        }
    }
    // Notices are refused before the spool is full; what is worse is not.
    let before = spool.gauge().refused();
    while spool.gauge().refused() == before && Instant::now() < full {
        sink.alert(&alert(0, "rule", Priority::Notice));
        std::thread::sleep(Duration::from_millis(1));
    }
    let refused = spool.gauge().refused();
    let durable = *spool.outlet().watch().borrow();
    for _ in 0..30 {
        sink.alert(&alert(1, "rule", Priority::Critical));
    }
    while *spool.outlet().watch().borrow() < durable + 30 && Instant::now() < full {
        std::thread::sleep(Duration::from_millis(1));
    }
    let state = spool.gauge().state(Timestamp::now());
    assert!(state.refused == refused && refused > before && !state.full, "{state:?}");
    let spooled = spool.outlet().peek(100_000, usize::MAX).expect("peek");
    let last: serde_json::Value =
        serde_json::from_slice(&spooled.last().expect("last").json).expect("json");
    assert_eq!(last["priority"], "Critical");
}

/// Not a test of its own: the agent the next one kills.
#[test]
fn child() {
    let (Ok(dir), Ok(url)) = (std::env::var(CHILD_DIR), std::env::var(CHILD_URL)) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        service::tls::install_crypto_provider();
        let spool = Spool::open(Path::new(&dir), 64 << 20).expect("spool");
        let outlet = spool.outlet();
        let (_task, _cancelled, _counts) = start(&spool, &url);
        let watch = outlet.watch();
        let mut told = *watch.borrow();
        let mut next = u128::from(told);
        println!("spooled {told}");
        loop {
            // Alerts are numbered as they will stand in the spool.
            fill(&spool, next..next + 40);
            next += 40;
            while u128::from(told) < next {
                tokio::time::sleep(Duration::from_millis(1)).await;
                told = *watch.borrow();
            }
            println!("spooled {told}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_the_agent_in_the_middle_of_delivery_loses_nothing() {
    let dir = tempfile::tempdir().expect("dir");
    // Now and then the router is slow or broken, so that the agent dies with batches on the way.
    let (receiver, url) = Receiver::start_flaky(&[], Some(7)).await;
    let mut spooled = 0;
    for round in 0..20_u64 {
        let mut child = Command::new(std::env::current_exe().expect("self"))
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD_DIR, dir.path())
            .env(CHILD_URL, &url)
            .stdout(Stdio::piped())
            .spawn()
            .expect("spawn");
        let stdout = child.stdout.take().expect("stdout");
        spooled = tokio::task::spawn_blocking(move || {
            let (mut spooled, mut seen) = (0, 0);
            for line in BufReader::new(stdout).lines() {
                if let Some((_, number)) = line.expect("line").split_once("spooled ") {
                    spooled = number.parse::<usize>().expect("number");
                    seen += 1;
                    if seen == 2 + round * 3 {
                        child.kill().expect("kill");
                    }
                }
            }
            child.wait().expect("wait");
            spooled
        })
        .await
        .expect("child");
    }
    assert!(spooled > 2000 && !receiver.ids().is_empty(), "{spooled}");
    let spool = Spool::open(dir.path(), 64 << 20).expect("spool");
    let (_task, _cancelled, _) = start(&spool, &url);
    receiver.wait_for(spooled).await;
    let ids = receiver.ids();
    for number in 0..spooled as u128 {
        assert!(
            ids.contains_key(&AlertId::from_u128(number).to_string()),
            "alert {number} is lost"
        );
    }
}

/// An authority, and certificates of it in files.
struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("key");
        Self(rcgen::CertifiedIssuer::self_signed(parameters, key).expect("authority"))
    }

    fn write(&self, folder: &Path, who: &str, name: &str) {
        let key = rcgen::KeyPair::generate().expect("key");
        let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("name");
        let certificate = parameters.signed_by(&key, &self.0).expect("certificate");
        std::fs::write(folder.join(format!("{who}.key")), key.serialize_pem()).expect("key");
        std::fs::write(folder.join(format!("{who}.pem")), certificate.pem()).expect("certificate");
    }
}

#[tokio::test]
async fn a_certificate_that_was_renewed_is_taken_without_a_restart() {
    service::tls::install_crypto_provider();
    let folder = tempfile::tempdir().expect("folder");
    let path = |name: &str| folder.path().join(name);
    let (ours, gone) = (Authority::new(), Authority::new());
    std::fs::write(path("ca.pem"), ours.0.pem()).expect("authority");
    ours.write(folder.path(), "router", "localhost");
    // The router does not know this one's authority, as it would not know an expired one.
    gone.write(folder.path(), "agent", "saker-agent");

    let tls = service::tls::ServerTls {
        certificate: path("router.pem"),
        key: path("router.key"),
        client_ca: Some(path("ca.pem")),
    };
    let acceptor = service::tls::Acceptor::new(tls).expect("acceptor");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let url = format!("https://localhost:{}/", listener.local_addr().expect("address").port());
    let receiver = Receiver::default();
    let shutdown = service::shutdown::Shutdown::new();
    tokio::spawn(service::server::serve(
        listener,
        Some(Arc::new(acceptor)),
        Router::new().fallback(take).with_state(receiver.clone()),
        service::server::ServerLimits::default(),
        service::server::Connections::default(),
        shutdown.clone(),
    ));

    let spool = Spool::open(&path("spool"), 8 << 20).expect("spool");
    fill(&spool, 0..10);
    let options = UplinkOptions {
        identity: service::client::Files {
            authorities: Some(path("ca.pem")),
            certificate: Some(path("agent.pem")),
            key: Some(path("agent.key")),
        },
        ..options(&url)
    };
    let uplink = Uplink::new(spool.outlet(), options).expect("uplink");
    let counts = uplink.counts();
    let running = tokio::spawn(uplink.run(CancellationToken::new()));
    let refused = async {
        while count(&counts.failures) == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.expect("a refusal");
    assert!(receiver.ids().is_empty());

    ours.write(folder.path(), "agent", "saker-agent");
    receiver.wait_for(10).await;
    running.abort();
    shutdown.cancel();
}
