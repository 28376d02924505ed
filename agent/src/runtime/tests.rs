//! Look-ups over a real Unix socket, at a server that answers as containerd 1.6 was seen to.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use alert::Missing;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request as HttpRequest,
    response::Response,
};
use http_body_util::{BodyExt, Full};
use prost::Message;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::net::UnixListener;

use super::{
    Answer, LookupState, Lookups, Places, Request, Wanted,
    containerd::{
        self, GetContainerRequest, GetContainerResponse, ListNamespacesResponse, Namespace,
    },
    cri::protocol::{
        ContainerFilter, ContainerMetadata, ImageFacts, ImageSpec, ImageStatusResponse,
        ListContainersRequest, ListContainersResponse, ListedContainer, SandboxMetadata,
        SandboxStatus, SandboxStatusRequest, SandboxStatusResponse, VersionResponse, method,
    },
};

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const HASH: &str = "sha256:abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789";
const SANDBOX: &str = "5a";
const NOT_FOUND: &str = "5";

fn say<T: Message>(message: &T) -> Response {
    let mut frame = vec![0];
    frame.extend((message.encoded_len() as u32).to_be_bytes());
    frame.extend(message.encode_to_vec());
    let trailers = [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
    let body = Full::new(Bytes::from(frame)).with_trailers(async { Some(Ok(trailers)) });
    Response::builder().header("content-type", "application/grpc").body(Body::new(body)).unwrap()
}

fn deny(code: &str) -> Response {
    let head = Response::builder().header("content-type", "application/grpc");
    head.header("grpc-status", code).body(Body::empty()).unwrap()
}

async fn containerd(request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let question = body.slice(5..);
    match head.uri.path() {
        method::VERSION => say(&VersionResponse {
            runtime_name: "containerd".to_owned(),
            runtime_version: "1.6.20".to_owned(),
        }),
        method::LIST_CONTAINERS => {
            let asked = ListContainersRequest::decode(question).unwrap();
            let known = asked.filter == Some(ContainerFilter { id: ID.to_owned() });
            let container = ListedContainer {
                id: ID.to_owned(),
                pod_sandbox_id: SANDBOX.to_owned(),
                metadata: Some(ContainerMetadata { name: "main".to_owned() }),
                image: Some(ImageSpec { image: HASH.to_owned(), ..ImageSpec::default() }),
                image_ref: HASH.to_owned(),
                ..ListedContainer::default()
            };
            say(&ListContainersResponse {
                containers: known.then_some(container).into_iter().collect(),
            })
        }
        method::SANDBOX_STATUS => {
            if SandboxStatusRequest::decode(question).unwrap().pod_sandbox_id != SANDBOX {
                return deny(NOT_FOUND);
            }
            let metadata = SandboxMetadata {
                name: "web-1".to_owned(),
                uid: "u".to_owned(),
                namespace: "shop".to_owned(),
            };
            let labels = [("app".to_owned(), "web".to_owned())].into();
            let metadata = Some(metadata);
            let status = SandboxStatus { metadata, labels, ..SandboxStatus::default() };
            say(&SandboxStatusResponse { status: Some(status), ..Default::default() })
        }
        method::IMAGE_STATUS => {
            let image = ImageFacts { id: HASH.to_owned(), ..ImageFacts::default() };
            say(&ImageStatusResponse { image: Some(image) })
        }
        containerd::method::NAMESPACES => {
            let namespaces = ["default", "k8s.io"].map(|name| Namespace { name: name.to_owned() });
            say(&ListNamespacesResponse { namespaces: namespaces.into() })
        }
        containerd::method::CONTAINER => {
            let namespace = head.headers.get("containerd-namespace").map(|value| value.as_bytes());
            let id = GetContainerRequest::decode(question).unwrap().id;
            let image = match (namespace, &*id) {
                (Some(b"k8s.io"), ID) => "localhost/busybox:1",
                (Some(b"default"), "web") => "localhost/web:2",
                _ => return deny(NOT_FOUND),
            };
            let image = image.to_owned();
            let container = containerd::Container { image, ..containerd::Container::default() };
            say(&GetContainerResponse { container: Some(container) })
        }
        _ => deny(NOT_FOUND),
    }
}

/// Serves on a thread until the runtime returned is dropped.
fn serve(socket: &Path) -> tokio::runtime::Runtime {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = {
        let _entered = runtime.enter();
        UnixListener::bind(socket).unwrap()
    };
    runtime.spawn(async move { axum::serve(listener, Router::new().fallback(containerd)).await });
    runtime
}

fn places(sockets: &[&Path]) -> Places {
    Places { sockets: sockets.iter().map(|path| path.to_path_buf()).collect(), ..Places::default() }
}

fn wanted(id: &str) -> Wanted {
    Wanted { key: id.into(), id: id.into(), ..Wanted::default() }
}

fn describe(lookups: &Lookups, wanted: Wanted) -> Answer {
    assert!(lookups.ask(Request::Describe(wanted)));
    next(lookups)
}

/// Returns the next answer as the sensor takes it: woken by the descriptor.
fn next(lookups: &Lookups) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(answer) = lookups.answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer came");
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        let readable = lookups.readable();
        poll(&mut [PollFd::from_borrowed_fd(readable, PollFlags::IN)], Some(&second)).unwrap();
        lookups.rest();
    }
}

#[test]
fn a_container_is_described_from_all_that_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let _server = serve(&socket);
    let state = Arc::new(LookupState::default());
    let places = places(&[&folder.path().join("absent"), &socket]);
    let lookups = Lookups::start(places, Arc::clone(&state)).unwrap();

    let answer = describe(&lookups, wanted(ID));
    assert_eq!(&*answer.key, ID);
    let told = answer.result.unwrap();
    assert_eq!(told.name.as_deref(), Some("main"));
    assert_eq!(told.image.name.as_deref(), Some("localhost/busybox:1"));
    assert_eq!(told.image.id.as_deref(), Some(HASH));
    assert_eq!(told.runtime.as_deref(), Some("containerd"));
    let pod = told.pod.unwrap();
    assert_eq!((pod.name.as_deref(), pod.namespace.as_deref()), (Some("web-1"), Some("shop")));
    assert_eq!(pod.labels, [("app".into(), "web".into())].into());
    assert_eq!(state.in_use()[0].path, socket);

    let unknown = describe(&lookups, wanted(&"f".repeat(64)));
    assert_eq!(unknown.result.unwrap_err(), Missing::NotFound);
    assert!(state.results().contains(&("found", 1)));
    assert!(state.results().contains(&("not_found", 1)));
}

#[test]
fn a_runtime_that_comes_later_is_asked_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let lookups = Lookups::start(places(&[&socket]), Arc::default()).unwrap();
    assert_eq!(describe(&lookups, wanted(ID)).result.unwrap_err(), Missing::NoSocket);

    let server = serve(&socket);
    while next(&lookups).result.is_err() {}

    // Restarted: the old connection is gone, and so is its socket.
    server.shutdown_timeout(Duration::from_secs(5));
    std::fs::remove_file(&socket).unwrap();
    let _server = serve(&socket);
    let mut answer = describe(&lookups, wanted(ID));
    while answer.result.is_err() {
        answer = next(&lookups);
    }
}

#[test]
fn what_a_person_named_is_described_in_its_namespace() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let _server = serve(&socket);
    let lookups = Lookups::start(places(&[&socket]), Arc::default()).unwrap();
    let of = |namespace: &str| Wanted { namespace: Some(namespace.into()), ..wanted("web") };
    let told = describe(&lookups, of("default")).result.unwrap();
    assert_eq!(told.image.tag.as_deref(), Some("2"));
    assert_eq!(describe(&lookups, of("k8s.io")).result.unwrap_err(), Missing::NotFound);
}

#[test]
fn a_container_inside_one_that_a_runtime_made_is_not_that_runtime_s() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let _server = serve(&socket);
    let lookups = Lookups::start(places(&[&socket]), Arc::default()).unwrap();
    // It claims the id of another that the runtime knows.
    let claims = Wanted { outer: Some(ID.into()), ..wanted(ID) };
    let told = describe(&lookups, claims).result.unwrap();
    assert_eq!((told.name, told.image.name), (None, None));
    assert_eq!(told.pod.unwrap().name.as_deref(), Some("web-1"));
    // As in a node of kind: what is around it is another machine's, as the runtime sees it.
    let inner = Wanted { outer: Some("e".repeat(64).into()), ..wanted(ID) };
    assert_eq!(describe(&lookups, inner).result.unwrap().name.as_deref(), Some("main"));
}

#[test]
fn a_user_s_container_is_not_asked_about_at_the_sockets_of_the_system() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("containerd.sock");
    let _server = serve(&socket);
    let lookups = Lookups::start(places(&[&socket]), Arc::default()).unwrap();
    let of_user = Wanted { user: Some(1000), ..wanted(ID) };
    assert_eq!(describe(&lookups, of_user).result.unwrap_err(), Missing::NoSocket);
}
