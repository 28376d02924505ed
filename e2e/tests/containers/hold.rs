//! How long the first programs of containers wait for their runtime's word, and what bounds that.

use std::{
    fs, io::Write, os::unix::net::UnixListener, path::PathBuf, process::Command, time::Duration,
};

use agent::sensor::ContainerOptions;
use e2e::{Cluster, Folder, mark};
use serde_json::json;

use crate::{
    pods::namespace,
    watch::{Watch, check, field, options, turn},
};

const PODS: usize = 20;

#[test]
fn the_first_programs_of_twenty_pods_at_once_carry_their_pods() {
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let watch = Watch::start(&[cluster.cri_socket()], &[]);
    let namespace = namespace(cluster);
    let marks: Vec<String> = (0..PODS).map(|_| mark()).collect();
    let pods = marks.iter().enumerate().map(|(number, mark)| {
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": { "name": format!("burst-{number}"), "namespace": namespace },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "main", "image": "localhost/busybox:1", "command": ["true", mark],
                }],
            },
        })
    });
    let pods: Vec<_> = pods.collect();
    cluster.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": pods }));
    for (number, mark) in marks.iter().enumerate() {
        let name = format!("burst-{number}");
        let expected = [("k8s.pod.name", &*name), ("k8s.ns.name", namespace)];
        check(&watch.program_with(mark), &[&expected[..], &[("container.name", "main")]].concat());
    }
    tell(&watch, &marks);
}

/// Prints how long the programs with these marks took to be told of. No time is asserted: a busy
/// machine is no fault.
fn tell(watch: &Watch, marks: &[String]) {
    let bound = ContainerOptions::default().hold;
    let mut waits: Vec<Duration> = marks.iter().map(|mark| watch.told_with(mark).after).collect();
    waits.sort();
    let (median, slowest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    let late = waits.iter().filter(|wait| **wait > bound).count();
    let figures = format!(
        "\nfirst programs of {} pods at once, from exec to told with the pod: p50 {median:.1?}, slowest {slowest:.1?}; \
         {late} later than the {bound:?} they are held; {:?}\n",
        waits.len(),
        watch.status().containers().hold_ends,
    );
    std::io::stderr().write_all(figures.as_bytes()).unwrap();
}

/// A cgroup such as a runtime makes.
struct Cgroup {
    folder: PathBuf,
}

impl Cgroup {
    fn new() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let unified = mounts.lines().find_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (path, kind) = (words.next()?, words.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(path))
        });
        let id = uuid::Uuid::new_v4().simple().to_string();
        let folder = unified.unwrap().join(format!("saker-hold-{id}")).join(id.repeat(2));
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// Runs a program in it.
    fn run(&self, mark: &str) {
        let script = format!("echo $$ >{}/cgroup.procs; exec true $MARK", self.folder.display());
        let mut shell = Command::new("sh");
        // The shell itself, which begins outside, does not carry the mark.
        shell.args(["-e", "-c", &script]).env("MARK", mark);
        assert!(shell.status().unwrap().success());
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let parent = self.folder.parent().unwrap().to_owned();
        e2e::eventually("the cgroup is empty", || fs::remove_dir(&self.folder));
        fs::remove_dir(parent).unwrap();
    }
}

#[test]
fn when_too_many_wait_they_go_on_in_order_and_say_so() {
    let _turn = turn();
    let folder = Folder::new("hold");
    let silent = folder.join("silent.sock");
    let _listener = UnixListener::bind(&silent).unwrap();
    let mut options = options(&[silent], &[]);
    options.hold_events_max = 2;
    let watch = Watch::with(options, &[]);
    let cgroup = Cgroup::new();
    let marks = [mark(), mark(), mark(), mark()];
    marks.iter().for_each(|mark| cgroup.run(mark));
    let events = marks.each_ref().map(|mark| watch.program_with(mark));
    let places = events.each_ref().map(|event| watch.place_of(event));
    assert!(places.is_sorted(), "{places:?}");
    let missing = events.map(|event| field(&event, "saker.container.missing").unwrap());
    assert!(missing.iter().all(|it| it.contains("container.name=hold_full")), "{missing:?}");
    // Containers of other tests wait here too.
    let [.., (end, count)] = watch.status().containers().hold_ends;
    assert!(end == "full" && count >= 1, "{end}: {count}");
    assert!(watch.status().containers().held <= 2);
}

#[test]
fn none_is_held_for_longer_than_the_bound() {
    const HOLD: Duration = Duration::from_millis(300);
    let _turn = turn();
    let folder = Folder::new("hold");
    let silent = folder.join("silent.sock");
    let _listener = UnixListener::bind(&silent).unwrap();
    let mut options = options(&[silent], &[]);
    options.hold = HOLD;
    let watch = Watch::with(options, &[]);
    let cgroup = Cgroup::new();
    let mark = mark();
    cgroup.run(&mark);
    let told = watch.told_with(&mark);
    // Two clocks are compared.
    assert!(told.after + Duration::from_millis(20) >= HOLD, "{:?}", told.after);
    let missing = field(&told.event, "saker.container.missing").unwrap();
    assert!(missing.contains("container.name=timeout"), "{missing}");
}
