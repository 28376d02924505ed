//! What we call our own objects, and which names of others may go into an address.

use crate::cluster::ClusterError;

/// Field manager of our patches, and the value of [`MANAGED_BY`] on our objects.
pub const MANAGER: &str = "saker-responder";
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Label of an isolated pod and of its policy: the response's id.
pub use crate::cluster::RESPONSE_LABEL;

/// Annotations of a policy of ours.
pub const EXPIRES: &str = "saker.dev/expires";
pub const POD_NAME: &str = "saker.dev/pod-name";
pub const POD_UID: &str = "saker.dev/pod-uid";

/// Label selector of the agents' pods.
pub const AGENT_SELECTOR: &str = "app.kubernetes.io/component=agent";

const POLICY_PREFIX: &str = "saker-isolate-";

/// Longest name of any object.
const NAME_BYTES_MAX: usize = 253;

/// Longest id of a response: with the prefix it is still a label's value.
const RESPONSE_BYTES_MAX: usize = 63 - POLICY_PREFIX.len();

/// Returns the name when an object can have it. It may come from an alert, and goes into the path
/// of a request.
pub(super) fn check(name: &str) -> Result<&str, ClusterError> {
    let fits = name.bytes().all(|byte| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    });
    let ends = |name: &str, byte| name.starts_with(byte) || name.ends_with(byte);
    let bad = !fits
        || name.is_empty()
        || name.len() > NAME_BYTES_MAX
        || ends(name, '.')
        || ends(name, '-')
        || name.contains("..");
    // No object of such a name can exist.
    if bad { Err(ClusterError::NotFound) } else { Ok(name) }
}

/// Returns the name of a response's policy.
pub fn policy(response: &str) -> Result<String, ClusterError> {
    let name = format!("{POLICY_PREFIX}{}", response.to_ascii_lowercase());
    let fits = response.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let ends = response.starts_with('-') || response.ends_with('-');
    if !fits || ends || response.is_empty() || response.len() > RESPONSE_BYTES_MAX {
        return Err(ClusterError::Refused {
            status: 422,
            reason: "a response's id must be letters, digits and dashes".to_owned(),
        });
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_would_lead_elsewhere_is_no_name() {
        for name in ["web-0", "a", "web.example.org", "0"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "a/b", "a?dryRun=All", "a%2fb", "A", "-a", "a.", "a..b", &long]
        {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_policy_is_named_after_its_response() {
        assert_eq!(policy("R-7").unwrap(), "saker-isolate-r-7");
        for id in ["", "-7", "7-", "a/b", "a b", &"7".repeat(60)] {
            assert!(policy(id).is_err(), "{id}");
        }
    }
}
