//! Finds the agent of a node by its pod.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;

use super::{link::Link, names, pod::is_ready};
use crate::cluster::ClusterError;

/// How long an answer is good: several orders to a node come together.
const AGE_MAX: Duration = Duration::from_secs(3);

/// Answers kept; more than any cluster has nodes.
const ANSWERS_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct Agents {
    namespace: String,
    selector: String,
    known: Mutex<HashMap<String, (Instant, IpAddr)>>,
}

impl Agents {
    pub(super) fn new(namespace: String, selector: String) -> Self {
        Self { namespace, selector, known: Mutex::default() }
    }

    /// Returns the address of the ready agent on a node; of the youngest, while two change places.
    pub(super) async fn address(
        &self,
        link: &Link,
        node: &str,
    ) -> Result<Option<IpAddr>, ClusterError> {
        let node = names::check(node)?;
        if let Some((since, address)) = self.known().get(node)
            && since.elapsed() < AGE_MAX
        {
            return Ok(Some(*address));
        }
        let path = format!("/api/v1/namespaces/{}/pods", self.namespace);
        let here = format!("spec.nodeName={node}");
        let query = [("labelSelector", self.selector.as_str()), ("fieldSelector", &here)];
        let mut youngest = None;
        let look = |pod: Pod| {
            let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
            let going = pod.metadata.deletion_timestamp.is_some();
            if let Some(status) = pod.status
                && let Some(address) = status.pod_ip.as_ref().and_then(|it| it.parse().ok())
                && is_ready(&status)
                && !going
            {
                youngest = youngest.max(Some((created, address)));
            }
            true
        };
        link.list(&path, &query, look).await?;
        let address = youngest.map(|(_, address)| address);
        if let Some(address) = address {
            let mut known = self.known();
            known.retain(|_, (since, _)| since.elapsed() < AGE_MAX);
            if known.len() < ANSWERS_MAX {
                known.insert(node.to_owned(), (Instant::now(), address));
            }
        }
        Ok(address)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, IpAddr)>> {
        // Nothing is left half done in it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
