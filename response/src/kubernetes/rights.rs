//! What each action needs of RBAC: one table, for the preflight and for the docs.
//!
//! The chart's roles are made from the same rows; a test compares an account that has exactly these
//! with what the API server says of it.

use serde::Deserialize;
use serde_json::json;

use super::link::Link;
use crate::cluster::{ClusterError, Permission};

/// Verbs on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    pub group: &'static str,
    pub resource: &'static str,
    pub subresource: &'static str,
    pub verbs: &'static [&'static str],
}

/// Something rights are needed for, by the name the configuration and the chart use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// To plan, to pass the gates and to see what became of it. Always.
    Observe,
    KillPod,
    /// Beyond [`Need::KillPod`], where deleting is allowed after a refused eviction.
    DeletePod,
    LabelPod,
    IsolatePod,
    SnapshotEvidence,
}

const READ: &[&str] = &["get", "list", "watch"];

const OBSERVE: &[Right] = &[
    right("", "pods", "", READ),
    right("", "namespaces", "", READ),
    right("", "nodes", "", READ),
    right("apps", "replicasets", "", READ),
    right("apps", "deployments", "", READ),
    right("apps", "statefulsets", "", READ),
    right("apps", "daemonsets", "", READ),
    right("batch", "jobs", "", READ),
    right("batch", "cronjobs", "", READ),
    right("policy", "poddisruptionbudgets", "", READ),
];

const EVICT: &[Right] = &[right("", "pods", "eviction", &["create"])];

const DELETE: &[Right] = &[right("", "pods", "", &["delete"])];

const LABEL: &[Right] = &[right("", "pods", "", &["patch"])];

const ISOLATE: &[Right] = &[
    right("", "pods", "", &["patch"]),
    right("networking.k8s.io", "networkpolicies", "", &["get", "list", "create", "delete"]),
];

const SNAPSHOT: &[Right] =
    &[right("", "pods", "log", &["get"]), right("", "events", "", &["list"])];

impl Need {
    pub const ALL: [Self; 6] = [
        Self::Observe,
        Self::KillPod,
        Self::DeletePod,
        Self::LabelPod,
        Self::IsolatePod,
        Self::SnapshotEvidence,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::KillPod => "killPod",
            Self::DeletePod => "killPod.allowDelete",
            Self::LabelPod => "labelPod",
            Self::IsolatePod => "isolatePod",
            Self::SnapshotEvidence => "snapshotEvidence",
        }
    }

    /// Returns what it needs beyond [`Need::Observe`].
    pub const fn rights(self) -> &'static [Right] {
        match self {
            Self::Observe => OBSERVE,
            Self::KillPod => EVICT,
            Self::DeletePod => DELETE,
            Self::LabelPod => LABEL,
            Self::IsolatePod => ISOLATE,
            Self::SnapshotEvidence => SNAPSHOT,
        }
    }

    /// Returns the same one by one, for [`crate::cluster::Cluster::may`]. An empty namespace means
    /// all.
    pub fn permissions(self, namespace: &str) -> Vec<Permission> {
        let one_by_one = |right: &Right| {
            let Right { group, resource, subresource, verbs } = *right;
            verbs.iter().map(move |verb| (group, resource, subresource, *verb))
        };
        let rows = self.rights().iter().flat_map(one_by_one);
        rows.map(|(group, resource, subresource, verb)| Permission {
            verb,
            group,
            resource,
            subresource,
            // These two live in no namespace.
            namespace: match resource {
                "nodes" | "namespaces" => String::new(),
                _ => namespace.to_owned(),
            },
        })
        .collect()
    }
}

const fn right(
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right { group, resource, subresource, verbs }
}

/// Asks the API server whether our account may do this. Anybody may ask that about himself.
pub(super) async fn ask(link: &Link, permission: &Permission) -> Result<bool, ClusterError> {
    #[derive(Deserialize)]
    struct Review {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        allowed: bool,
    }
    let question = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": permission },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review: Review = link.ask(path, &question).await?;
    Ok(review.status.allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_right_is_a_wildcard_or_reaches_secrets_or_a_shell() {
        for need in Need::ALL {
            for permission in need.permissions("shop") {
                let Permission { verb, group, resource, subresource, .. } = &permission;
                let words = [*verb, *group, *resource, *subresource];
                assert!(!words.contains(&"*"), "{permission:?}");
                assert!(!["secrets", "serviceaccounts"].contains(resource), "{permission:?}");
                assert!(!["exec", "attach", "ephemeralcontainers"].contains(subresource));
                assert!(!["impersonate", "escalate", "bind"].contains(verb), "{permission:?}");
            }
        }
    }
}
