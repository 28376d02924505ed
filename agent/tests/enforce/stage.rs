//! A sensor and a detector that act on processes, and programs for them to forbid.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use agent::{
    config::{EnforceAction, EnforceConfig, EnforceMode, EnforceRuleConfig},
    detect::{Detector, Limits},
    enforce::{EnforceRuleStatus, Enforcer},
    sensor::{Sensor, SensorOptions},
};
use alert::{Alert, Event};
use arc_swap::ArcSwap;
use rules::{RuleSet, Source};

const PATIENCE: Duration = Duration::from_secs(30);

/// What a program did: whether it ran, and whether it was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) ran: bool,
    pub(crate) killed: bool,
}

pub(crate) const KILLED_AT_ONCE: Fate = Fate { ran: false, killed: true };
pub(crate) const LEFT_ALONE: Fate = Fate { ran: true, killed: false };

/// An enforcing agent's inner parts, with a folder of forbidden programs.
pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) enforcer: Arc<Enforcer>,
    pub(crate) detector: Arc<Mutex<Detector>>,
    rules: Arc<ArcSwap<RuleSet>>,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    alerts: Mutex<Vec<Alert>>,
    events: Mutex<Vec<Event>>,
    more: Condvar,
}

/// Compiles rules; `FOLDER` in a condition is the test's own.
pub(crate) fn rules(folder: &Path, conditions: &[&str]) -> Arc<RuleSet> {
    let rule = |(number, condition): (usize, &&str)| {
        let condition = condition.replace("FOLDER", folder.to_str().unwrap());
        format!(
            "- rule: Forbidden {number}\n  desc: d\n  priority: WARNING\n  output: \"%proc.pid\"\n  condition: {condition}\n"
        )
    };
    let text = conditions.iter().enumerate().map(rule).collect();
    RuleSet::load(&[Source { name: "t.yaml".to_owned(), text }]).unwrap().rules
}

pub(crate) fn config(mode: EnforceMode) -> EnforceConfig {
    let rule = EnforceRuleConfig { rule: "Forbidden *".to_owned(), action: EnforceAction::Kill };
    EnforceConfig { mode, rules: vec![rule], kills_per_minute_max: 10_000, ..Default::default() }
}

impl Stage {
    /// Starts with these rules; without the rights for it, a failure in CI and a loud `None`
    /// elsewhere. `prepare` may change the configuration, knowing the folder.
    pub(crate) fn new(
        mode: EnforceMode,
        conditions: &[&str],
        prepare: impl FnOnce(&mut EnforceConfig, &Path),
    ) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("saker-enforce-").tempdir().unwrap();
        let mut config = config(mode);
        prepare(&mut config, folder.path());
        let rules = rules(folder.path(), conditions);
        let enforcer = Enforcer::new(&config).unwrap();
        enforcer.replan(&rules);
        let kinds = rules.requirements().kinds;
        let sensor =
            Sensor::start_enforcing(&kinds, SensorOptions::default(), Some(Arc::clone(&enforcer)));
        let sensor = match sensor {
            Ok(sensor) => sensor,
            Err(error) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
                panic!("{error}: {error:?}")
            }
            Err(error) => {
                eprintln!("\n*** SKIPPED, nothing was tested: {error}\n");
                return None;
            }
        };
        let rules = Arc::new(ArcSwap::new(rules));
        let detector = Detector::following(Arc::clone(&rules), "test".to_owned(), Limits::none());
        let detector = detector.enforcing(Some(Arc::clone(&enforcer)));
        let detector = Arc::new(Mutex::new(detector));
        let (shared, stop) = (Arc::<Shared>::default(), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (shared, stop) = (Arc::clone(&shared), Arc::clone(&stop));
            let detector = Arc::clone(&detector);
            std::thread::spawn(move || {
                sensor.run(&stop, &mut |event| {
                    let mut raised = false;
                    detector.lock().unwrap().observe(&event, &mut |alert: &Alert| {
                        shared.alerts.lock().unwrap().push(alert.clone());
                        raised = true;
                    });
                    if raised {
                        shared.events.lock().unwrap().push(event);
                        shared.more.notify_all();
                    }
                });
            })
        };
        Some(Self { folder, enforcer, detector, rules, shared, stop, thread: Some(thread) })
    }

    /// Puts other rules in force, as a reload does.
    pub(crate) fn load(&self, conditions: &[&str]) {
        let rules = rules(self.folder.path(), conditions);
        self.rules.store(Arc::clone(&rules));
        self.enforcer.replan(&rules);
    }

    pub(crate) fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(name.as_ref())
    }

    /// Puts a copy of the program there.
    pub(crate) fn victim(&self, name: impl AsRef<OsStr>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(victim(), &path).unwrap();
        path
    }

    /// Waits for this many alerts; returns all there are.
    pub(crate) fn alerts(&self, count: usize) -> Vec<Alert> {
        self.told(count).clone()
    }

    /// Waits for this many alerts.
    pub(crate) fn wait_for(&self, count: usize) {
        drop(self.told(count));
    }

    fn told(&self, count: usize) -> MutexGuard<'_, Vec<Alert>> {
        let deadline = Instant::now() + PATIENCE;
        let mut alerts = self.shared.alerts.lock().unwrap();
        while alerts.len() < count {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{} of {count} alerts: {:?}", alerts.len(), self.status());
            alerts = self.shared.more.wait_timeout(alerts, left).unwrap().0;
        }
        alerts
    }

    /// Returns the events alerts were raised for.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.shared.events.lock().unwrap().clone()
    }

    /// Returns what is told of the only rule.
    pub(crate) fn status(&self) -> EnforceRuleStatus {
        self.enforcer.status().rules.remove(0)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

/// Returns the values of `saker.enforced` of these alerts, each once.
pub(crate) fn outcomes(alerts: &[Alert]) -> Vec<String> {
    let value = |alert: &Alert| alert.fields["saker.enforced"].as_str().unwrap().to_owned();
    let mut outcomes: Vec<_> = alerts.iter().map(value).collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

/// Runs a program to its end.
pub(crate) fn fate(command: &mut Command) -> Fate {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Fate { ran: !output.stdout.is_empty(), killed: output.status.signal() == Some(9) }
}

/// Waits for a child that somebody else ends, not for ever; returns the signal that ended it.
pub(crate) fn signal(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.signal();
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("nobody ended {}", child.id());
        }
        std::thread::yield_now();
    }
}

/// Returns the compiled `victim.c`.
pub(crate) fn victim() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("victim", &["-nostdlib", "-static"], "enforce/victim.c"))
}

/// Returns the compiled `deeds.c` of the sensor's tests.
pub(crate) fn deeds() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("deeds", &["-O1"], "sensor/deeds.c"))
}

fn compiled(name: &str, options: &[&str], source: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("enforce-{name}-{}", std::process::id()));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(options)
        .arg("-o")
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(source))
        .status()
        .unwrap();
    assert!(status.success());
    program
}

/// Returns a name that is no text.
pub(crate) fn bytes(name: &[u8]) -> &OsStr {
    OsStr::from_bytes(name)
}
