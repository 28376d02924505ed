//! What the agent says of containers: attributed by cgroup, described by runtimes, kept within bounds.

use super::*;
use crate::runtime::{Image, Metadata, Pod};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001";

fn pod_path() -> String {
    format!("/kubepods/burstable/pod{UID}/{ID}")
}

fn told(key: &str) -> Answer {
    let pod = Pod { name: Some("web-1".into()), namespace: Some("shop".into()), ..Pod::default() };
    let image = Image { name: Some("web:1".into()), ..Image::default() };
    let metadata = Metadata { image, pod: Some(pod), ..Metadata::default() };
    Answer { key: key.into(), result: Ok(metadata) }
}

#[test]
fn processes_of_one_container_share_it() {
    let mut containers = Containers::default();
    let path = format!("/docker/{ID}");
    let first = containers.of(&["/", &path]).unwrap();
    let second = containers.of(&[&path]).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
}

#[test]
fn a_container_is_asked_about_once_when_its_cgroup_is_made() {
    let (lookups, mut asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    containers.made("/system.slice/cron.service");
    containers.made(&pod_path());
    containers.made(&pod_path());
    let container = containers.of(&[&pod_path()]).unwrap();
    let Ok(Request::Describe(wanted)) = asked.try_recv() else { panic!("it was not asked about") };
    assert!(wanted.pod);
    assert!(asked.try_recv().is_err());
    assert!(containers.awaits(Some(&container)));
    assert!(!containers.awaits(None));
    assert!(container.missing.is_empty());
}

#[test]
fn an_answer_fills_in_and_says_what_is_missing() {
    let (lookups, _asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    let before = containers.of(&[&pod_path()]).unwrap();
    let container = containers.learn(told(ID)).unwrap().container.unwrap();
    assert_eq!(container.pod_name.as_deref(), Some("web-1"));
    assert_eq!(container.pod_uid.as_deref(), Some(UID));
    assert_eq!(container.missing.get("container.name"), Some(&Missing::NotFound));
    assert_eq!(container.missing.get("k8s.pod.name"), None);
    assert!(!containers.awaits(Some(&before)));
    assert!(Arc::ptr_eq(&container, &containers.of(&[&pod_path()]).unwrap()));
}

#[test]
fn a_late_answer_replaces_the_reason() {
    let (lookups, _asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    containers.of(&[&pod_path()]);
    let given_up = containers.give_up(ID, Missing::Timeout).unwrap().container.unwrap();
    assert_eq!(given_up.missing.get("k8s.pod.name"), Some(&Missing::Timeout));
    assert_eq!(given_up.missing.get("k8s.pod.uid"), None);
    let learnt = containers.learn(told(ID)).unwrap().container.unwrap();
    assert_eq!(learnt.missing.get("k8s.pod.name"), None);
}

#[test]
fn what_files_alone_tell_is_told_with_the_runtime_s_reason() {
    let (lookups, _asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    containers.of(&[&pod_path()]);
    let mut answer = told(ID);
    answer.result.as_mut().unwrap().absent = Some(Missing::Timeout);
    let container = containers.learn(answer).unwrap().container.unwrap();
    assert_eq!(container.pod_name.as_deref(), Some("web-1"));
    assert_eq!(container.missing.get("container.name"), Some(&Missing::Timeout));
}

#[test]
fn a_container_outside_kubernetes_says_so() {
    let (lookups, _asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    containers.of(&[&format!("/docker/{ID}")]);
    let container = containers.give_up(ID, Missing::NotFound).unwrap().container.unwrap();
    assert_eq!(container.missing.get("container.name"), Some(&Missing::NotFound));
    assert_eq!(container.missing.get("k8s.pod.name"), Some(&Missing::NotKubernetes));
}

#[test]
fn one_that_cannot_be_asked_about_is_not_awaited() {
    let (lookups, _asked) = Lookups::unanswered(1);
    let mut containers = Containers::asking(lookups);
    containers.of(&[&format!("/docker/{}", "a".repeat(64))]);
    let second = containers.of(&[&pod_path()]).unwrap();
    assert!(!containers.awaits(Some(&second)));
    assert_eq!(second.missing.get("k8s.pod.name"), Some(&Missing::HoldFull));
    assert_eq!(containers.of(&["/default/web"]), None);
}

#[test]
fn a_machine_is_known_by_its_name_without_being_asked_about() {
    let (lookups, mut asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    let machine = containers.of(&["/lxc.payload.web/init.scope"]).unwrap();
    assert_eq!((&*machine.id, machine.name.as_deref()), ("web", Some("web")));
    assert!(!containers.awaits(Some(&machine)));
    assert!(asked.try_recv().is_err());
}

#[test]
fn whoever_claims_the_id_of_another_gets_nothing_of_it() {
    let (lookups, _asked) = Lookups::unanswered(8);
    let mut containers = Containers::asking(lookups);
    let real = containers.of(&[&pod_path()]).unwrap();
    let of_user = format!("/user.slice/user-1000.slice/user@1000.service/libpod-{ID}.scope");
    let inside = format!("/docker/{}/{ID}", "e".repeat(64));
    for path in [&of_user, &inside] {
        let claims = containers.of(&[path]).unwrap();
        assert!(!Arc::ptr_eq(&real, &claims), "{path}");
        let key = real.key().into_owned();
        containers.learn(told(&key));
        assert_eq!(containers.of(&[path]).unwrap().pod_name, None, "{path}");
    }
}

#[test]
fn what_containerd_knows_by_a_name_is_a_container_and_what_it_does_not_is_the_host() {
    let (lookups, mut asked) = Lookups::unanswered(4);
    let mut containers = Containers::asking(lookups);
    let paths = ["/default/web", "/process_api/7"].map(str::to_owned);
    let claimed = paths.clone().map(|path| containers.of(&[&path]).unwrap());
    assert!(claimed.iter().all(|one| containers.awaits(Some(one))));
    let Ok(Request::Describe(wanted)) = asked.try_recv() else { panic!("it was not asked about") };
    assert_eq!((&*wanted.id, wanted.namespace.as_deref()), ("web", Some("default")));

    let word = containers.learn(told(&claimed[0].key())).unwrap();
    assert_eq!(word.container.unwrap().image.as_deref(), Some("web:1"));
    let word = containers.give_up(&claimed[1].key(), Missing::NotFound).unwrap();
    assert_eq!(word.container, None);
    assert!(containers.of(&[&paths[0]]).is_some());
    assert_eq!(containers.of(&[&paths[1]]), None);
    assert_eq!(containers.len(), 1);

    // Gone, and made anew by somebody else: the question is put again.
    drop(claimed);
    containers.removed(&paths[1]);
    containers.tick();
    assert!(containers.of(&[&paths[1]]).is_some());
}

#[test]
fn without_anybody_to_ask_a_name_is_never_a_container() {
    assert_eq!(Containers::default().of(&["/default/web"]), None);
}

#[test]
fn a_container_is_forgotten_when_its_own_cgroup_is_gone_and_no_process_is_in_it() {
    let mut containers = Containers::default();
    let held = containers.of(&[&pod_path()]).unwrap();
    containers.removed(&format!("{}/inner", pod_path()));
    containers.tick();
    containers.removed(&pod_path());
    containers.tick();
    assert_eq!(containers.len(), 1);
    drop(held);
    containers.tick();
    assert_eq!(containers.len(), 0);
}

#[test]
fn no_flood_of_names_makes_the_table_grow() {
    let mut containers = Containers::default();
    let mut held = Vec::new();
    for number in 0..CONTAINERS_MAX + 100 {
        held.extend(containers.of(&[&format!("/docker/{number:064x}")]));
    }
    assert_eq!(containers.len(), CONTAINERS_MAX);
    held.clear();
    containers.of(&[&pod_path()]);
    assert_eq!(containers.len(), 1);
}

/// Returns what would be told of containers next: the kind, and whether their pod is known.
fn told_of(containers: &mut Containers) -> Vec<(EventKind, bool)> {
    std::iter::from_fn(|| containers.notice())
        .map(|notice| (notice.kind, notice.container.pod_name.is_some()))
        .collect()
}

const CAME: EventKind = EventKind::Container;
const WENT: EventKind = EventKind::ContainerRemoved;

fn telling() -> (Containers, impl Sized) {
    let (lookups, asked) = Lookups::unanswered(16);
    let mut containers = Containers::asking(lookups);
    containers.want_notices(&[CAME, WENT]);
    (containers, asked)
}

#[test]
fn a_container_that_comes_is_told_of_with_what_is_known_and_one_that_goes_once() {
    let (mut containers, _asked) = telling();
    containers.made(&pod_path());
    assert_eq!(told_of(&mut containers), []);
    containers.give_up(ID, Missing::Timeout);
    containers.give_up(ID, Missing::Timeout);
    assert_eq!(told_of(&mut containers), [(CAME, false)]);
    containers.learn(told(ID));
    containers.learn(told(ID));
    assert_eq!(told_of(&mut containers), [(CAME, true)]);
    // Each hierarchy has a cgroup of its own, and so has what runs inside.
    containers.removed(&format!("{}/inner", pod_path()));
    containers.removed(&pod_path());
    containers.removed(&pod_path());
    assert_eq!(told_of(&mut containers), [(WENT, true)]);
    // Stopped, and started again under its id.
    containers.made(&pod_path());
    containers.made(&pod_path());
    assert_eq!(told_of(&mut containers), [(CAME, true)]);
}

#[test]
fn one_that_is_gone_before_its_runtime_answers_is_told_of_in_order() {
    let (mut containers, _asked) = telling();
    containers.made(&pod_path());
    containers.removed(&pod_path());
    containers.tick();
    assert_eq!(told_of(&mut containers), []);
    containers.learn(told(ID));
    assert_eq!(told_of(&mut containers), [(CAME, true), (WENT, true)]);
    containers.tick();
    assert_eq!(containers.len(), 0);
}

#[test]
fn what_is_learned_of_one_that_is_gone_is_not_told_of_once_more() {
    let (mut containers, _asked) = telling();
    containers.made(&pod_path());
    containers.give_up(ID, Missing::Timeout);
    containers.removed(&pod_path());
    containers.learn(told(ID));
    assert_eq!(told_of(&mut containers), [(CAME, false), (WENT, false)]);
}

#[test]
fn what_proves_to_be_the_host_s_is_never_told_of() {
    let (mut containers, _asked) = telling();
    let key = containers.of(&["/default/web"]).unwrap().key().into_owned();
    containers.give_up(&key, Missing::NotFound);
    containers.removed("/default/web");
    assert_eq!(containers.notice(), None);
}
