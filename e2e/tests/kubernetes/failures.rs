//! What is known after a request went wrong, and that it was sent once.

use std::time::Duration;

use e2e::{Certificates, Fault, FaultProxy, Port};
use jiff::Timestamp;
use response::{
    cluster::{Cluster, ClusterError, PodRef, Trial},
    kubernetes::{Client, Options},
};

use crate::world::Place;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_is_unknown_and_sent_once() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    place.proxy.next("POST", "*/eviction", Fault::CloseAfter);
    let evicted = place.broken.evict(&pod, None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::Unknown(_))), "{evicted:?}");
    assert_eq!(place.proxy.writes().len(), 1);
    let sent = &place.proxy.seen("POST", "*/eviction")[0];
    let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["deleteOptions"]["preconditions"]["uid"], pod.uid);
    assert!(body["deleteOptions"].get("gracePeriodSeconds").is_none());
    // Only a look tells: it did take effect.
    let left = place.broken.pod(&place.namespace, "web-0").await.unwrap().unwrap();
    assert!(left.deleting.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_unanswered_is_unknown_and_the_request_is_not_repeated() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    place.proxy.always("POST", "*/eviction", Fault::CloseBefore);
    let evicted = place.broken.evict(&pod, None, Trial::ForReal).await;
    // From here it looks as if the answer were lost.
    assert!(matches!(evicted, Err(ClusterError::Unknown(_))), "{evicted:?}");
    assert_eq!(place.proxy.seen("POST", "*/eviction").len(), 1);
    let left = place.client.pod(&place.namespace, "web-0").await.unwrap().unwrap();
    assert!(left.deleting.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_a_used_connection_is_not_repeated_when_that_closes() {
    let certificates = Certificates::new();
    let proxy = FaultProxy::alone(&certificates);
    let client = client(&proxy.url(), &certificates).await;
    assert!(client.pod("shop", "web-0").await.unwrap().is_none(), "the connection was used");
    proxy.always("POST", "*/eviction", Fault::CloseBefore);
    let evicted = client.evict(&nobody(), None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::Unknown(_))), "{evicted:?}");
    assert_eq!(proxy.writes().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_expires_between_its_pages_is_not_an_empty_one() {
    let certificates = Certificates::new();
    let proxy = FaultProxy::alone(&certificates);
    let client = client(&proxy.url(), &certificates).await;
    let page = serde_json::json!({ "items": [], "metadata": { "continue": "page two" } });
    let page = Fault::Answer { status: 200, retry_after: None, body: page.to_string() };
    proxy.next("GET", "*/networkpolicies", page);
    proxy.next("GET", "*/networkpolicies", Fault::status(410, "Expired"));
    let found = client.isolations("shop").await;
    assert!(matches!(found, Err(ClusterError::Busy { status: 410, .. })), "{found:?}");
    let asked = proxy.seen("GET", "*/networkpolicies");
    assert!(asked[1].path.contains("continue=page+two"), "{}", asked[1].path);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_is_unknown_after_the_time_out_and_sent_once() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    let impatient = impatient(&place).await;
    place.proxy.next("DELETE", "*/pods/web-0", Fault::Hold);
    let deleted = impatient.delete(&pod, Some(0), Trial::ForReal).await;
    assert!(matches!(deleted, Err(ClusterError::Unknown(_))), "{deleted:?}");
    assert_eq!(place.proxy.writes().len(), 1);
    assert!(place.client.pod(&place.namespace, "web-0").await.unwrap().is_none(), "it was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_was_not_sent() {
    let certificates = Certificates::new();
    // Reserved, so nobody listens and nobody else will.
    let port = Port::reserve();
    let client = client(&format!("https://{}", port.address()), &certificates).await;
    let evicted = client.evict(&nobody(), None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::NotSent(_))), "{evicted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_without_an_address_was_not_sent() {
    let client = client("https://no-such-host.invalid:6443", &Certificates::new()).await;
    let evicted = client.evict(&nobody(), None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::NotSent(_))), "{evicted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_strangers_certificate_was_sent_nothing() {
    let (theirs, ours) = (Certificates::new(), Certificates::new());
    let proxy = FaultProxy::alone(&theirs);
    let client = client(&proxy.url(), &ours).await;
    let evicted = client.evict(&nobody(), None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::NotSent(_))), "{evicted:?}");
    assert!(proxy.writes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_finishes_its_handshake_was_sent_nothing() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let client = client(&url, &Certificates::new()).await;
    let evicted = client.evict(&nobody(), None, Trial::ForReal).await;
    assert!(matches!(evicted, Err(ClusterError::NotSent(_))), "{evicted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_told_apart_and_never_tried_again() {
    let certificates = Certificates::new();
    let proxy = FaultProxy::alone(&certificates);
    let client = client(&proxy.url(), &certificates).await;
    let pod = nobody();
    let mut told = Vec::new();
    for status in [401, 403, 404, 409, 410, 422, 429, 500, 503, 504] {
        let fault = match Fault::status(status, "Fault") {
            Fault::Answer { body, .. } => Fault::Answer { status, retry_after: Some(2), body },
            fault => fault,
        };
        proxy.always("POST", "*/eviction", fault);
        let error = client.evict(&pod, None, Trial::ForReal).await.unwrap_err();
        proxy.heal();
        told.push(match error {
            ClusterError::Denied(_) => format!("{status} denied"),
            ClusterError::NotFound => format!("{status} not found"),
            ClusterError::Conflict(_) => format!("{status} conflict"),
            ClusterError::Busy { retry_after, .. } => {
                format!("{status} busy {}", retry_after.unwrap().as_secs())
            }
            ClusterError::Refused { reason, .. } => format!("{status} {reason}"),
            error => panic!("{status}: {error}"),
        });
    }
    assert_eq!(
        told,
        [
            "401 denied",
            "403 denied",
            "404 not found",
            "409 conflict",
            "410 not found",
            "422 a fault of the test: Fault",
            "429 busy 2",
            "500 busy 2",
            "503 busy 2",
            "504 busy 2",
        ]
    );
    assert_eq!(proxy.seen("POST", "*/eviction").len(), told.len(), "one request each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_an_isolation_is_found_out_by_doing_it_again() {
    let Some(place) = Place::new().await else { return };
    let pod = place.pod("web-0").await.reference;
    place.proxy.next("POST", "*/networkpolicies", Fault::CloseAfter);
    let expires = Timestamp::now();
    let first = place.broken.isolate(&pod, "R-7", expires, Trial::ForReal).await;
    assert!(matches!(first, Err(ClusterError::Unknown(_))), "{first:?}");
    assert_eq!(place.proxy.writes().len(), 1);
    place.broken.isolate(&pod, "R-7", expires, Trial::ForReal).await.unwrap();
    assert_eq!(place.client.isolations(&place.namespace).await.unwrap().len(), 1);
}

fn nobody() -> PodRef {
    let [namespace, name, uid] = ["shop", "web-0", "1"].map(str::to_owned);
    PodRef { namespace, name, uid }
}

/// A client that waits for a second at most.
async fn client(url: &str, certificates: &Certificates) -> Client {
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "it", "cluster": {
            "server": url, "certificate-authority": certificates.authority } }],
        "users": [{ "name": "it", "user": { "token": "anything" } }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "current-context": "it",
    });
    let kubeconfig = certificates.folder().write("kubeconfig", config.to_string());
    let timeout = Duration::from_secs(2);
    let options = Options { kubeconfig: Some(kubeconfig), timeout, ..Options::default() };
    Client::new(options).await.unwrap()
}

async fn impatient(place: &Place) -> Client {
    let kubeconfig = place.kubeconfig_through_proxy();
    let timeout = Duration::from_secs(3);
    let options = Options { kubeconfig: Some(kubeconfig), timeout, ..Options::default() };
    Client::new(options).await.unwrap()
}
