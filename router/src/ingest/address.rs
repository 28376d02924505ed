//! Where a request comes from: the other end of its connection, or whom a trusted proxy names.

use std::{fmt, net::IpAddr, str::FromStr};

use ::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies that one request may have passed.
const HOPS_MAX: usize = 32;

/// A range of addresses such as `10.0.0.0/8`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

/// Returns whether one of these has the address. Without any, every address is fine.
pub(super) fn allowed(networks: &[Network], address: Option<IpAddr>) -> bool {
    networks.is_empty() || address.is_some_and(|address| contain(networks, address))
}

fn contain(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Returns the address a request comes from. A header is believed only when a trusted proxy wrote
/// it, and only up to the first address that is no such proxy: what stands before that, the client
/// may have written. `None` when there is no telling.
pub(super) fn origin(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted_proxies: &[Network],
) -> Option<IpAddr> {
    let mut address = peer?.to_canonical();
    if !contain(trusted_proxies, address) {
        return Some(address);
    }
    let lines = headers.get_all(FORWARDED_FOR).iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for hop in hops.take(HOPS_MAX) {
        address = hop_address(hop)?;
        if !contain(trusted_proxies, address) {
            return Some(address);
        }
    }
    Some(address)
}

/// Reads what a proxy calls an address: with a port or without.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let address = hop.parse::<IpAddr>().ok().or_else(|| {
        let with_port = hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
        with_port.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())
    });
    address.map(|address| address.to_canonical())
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let range = trimmed.parse::<IpNet>().ok();
        let range = range.or_else(|| trimmed.parse::<IpAddr>().ok().map(IpNet::from));
        range.map(|range| Self(range.trunc())).ok_or_else(|| {
            let shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
            format!(
                "`{shown}` is no address or range: write for example `10.0.0.0/8` or `fd00::/8`"
            )
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says where a request comes from; proxies are in 10.0.0.0/8.
    fn check(peer: &str, forwarded: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        let found = origin(Some(peer.parse().unwrap()), &headers, &proxies);
        assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        check("192.0.2.1", &["203.0.113.9"], Some("192.0.2.1"));
        check("10.0.0.1", &["203.0.113.9"], Some("203.0.113.9"));
        check("::ffff:10.0.0.1", &["203.0.113.9"], Some("203.0.113.9"));
    }

    #[test]
    fn what_the_client_wrote_before_the_proxies_is_not_believed() {
        check("10.0.0.1", &["127.0.0.1, 203.0.113.9, 10.7.0.1"], Some("203.0.113.9"));
        check("10.0.0.1", &["127.0.0.1", "203.0.113.9", "10.7.0.1"], Some("203.0.113.9"));
        check("10.0.0.1", &["nonsense, 203.0.113.9"], Some("203.0.113.9"));
    }

    #[test]
    fn without_another_address_it_is_the_proxy_itself() {
        check("10.0.0.1", &[], Some("10.0.0.1"));
        check("10.0.0.1", &["10.0.0.2"], Some("10.0.0.2"));
    }

    #[test]
    fn a_proxy_that_names_nobody_leaves_no_address() {
        check("10.0.0.1", &["unknown"], None);
        check("10.0.0.1", &[""], None);
    }

    #[test]
    fn addresses_may_have_ports() {
        check("10.0.0.1", &["203.0.113.9:4711"], Some("203.0.113.9"));
        check("10.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1"));
        check("10.0.0.1", &["[2001:db8::1]"], Some("2001:db8::1"));
    }

    #[test]
    fn a_network_is_a_range_or_an_address() {
        let network = |text: &str| text.parse::<Network>();
        assert_eq!(network("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(network("192.0.2.1").unwrap().to_string(), "192.0.2.1/32");
        assert_eq!(network("2001:db8::1").unwrap().to_string(), "2001:db8::1/128");
        assert!(network("10.0.0.0/33").is_err());
        assert!(network("example.org").is_err());
    }
}
