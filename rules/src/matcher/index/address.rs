//! Answers which addresses and networks a value lies in, however many there are.

use std::net::IpAddr;

use alert::Value;
use hashbrown::HashMap;
use ipnet::IpNet;

use super::{Bits, BitsBuilder};
use crate::ir::{Literal, Predicate, Test};

#[derive(Debug)]
pub(crate) struct Addresses {
    bits: Bits,
    /// Networks by the length of their prefix: few lengths are in use, and each is one look. A
    /// single address is the network of the whole length.
    v4: Box<[(u8, Networks<u32>)]>,
    v6: Box<[(u8, Networks<u128>)]>,
}

type Networks<A> = HashMap<A, u32, foldhash::fast::FixedState>;

impl Addresses {
    pub(super) fn serves(predicate: &Predicate) -> bool {
        let address = |literal: &Literal| matches!(literal, Literal::Ip(_) | Literal::Net(_));
        match &predicate.test {
            Test::Equal(literal) => address(literal),
            Test::In(items) | Test::Intersects(items) => items.iter().all(address),
            _ => false,
        }
    }

    pub(super) fn new(predicates: &[(u32, &Predicate)]) -> Self {
        let mut wanted: HashMap<IpNet, Vec<u32>> = HashMap::new();
        let mut add = |literal: &Literal, bit: u32| {
            let net = match literal {
                // An IPv4 address mapped into IPv6 is the IPv4 address.
                Literal::Ip(ip) => IpNet::from(ip.to_canonical()),
                Literal::Net(net) => net.trunc(),
                _ => return,
            };
            wanted.entry(net).or_default().push(bit);
        };
        for (bit, predicate) in predicates {
            match &predicate.test {
                Test::Equal(literal) => add(literal, *bit),
                Test::In(items) | Test::Intersects(items) => {
                    items.iter().for_each(|item| add(item, *bit));
                }
                _ => {}
            }
        }
        let mut bits = BitsBuilder::default();
        let (mut v4, mut v6) = (HashMap::new(), HashMap::new());
        for (net, set) in wanted {
            let place = bits.add(&set);
            match net {
                IpNet::V4(net) => {
                    let same: &mut Networks<u32> = v4.entry(net.prefix_len()).or_default();
                    same.insert(net.network().to_bits(), place);
                }
                IpNet::V6(net) => {
                    let same: &mut Networks<u128> = v6.entry(net.prefix_len()).or_default();
                    same.insert(net.network().to_bits(), place);
                }
            }
        }
        Self { bits: bits.build(), v4: v4.into_iter().collect(), v6: v6.into_iter().collect() }
    }

    #[inline]
    pub(super) fn answer(&self, value: &Value<'_>, answers: &mut [u64]) {
        let Value::Ip(ip) = value else { return };
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                for (length, networks) in &*self.v4 {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
                    if let Some(place) = networks.get(&(ip.to_bits() & mask)) {
                        self.bits.set(*place, answers);
                    }
                }
            }
            IpAddr::V6(ip) => {
                for (length, networks) in &*self.v6 {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
                    if let Some(place) = networks.get(&(ip.to_bits() & mask)) {
                        self.bits.set(*place, answers);
                    }
                }
            }
        }
    }
}
