//! What the address of a socket's end leaves possible.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use alert::Event;
use ipnet::IpNet;

use super::{
    Mask,
    conditions::{Conditions, RuleBits, holds},
    field::reads,
    number::one_decides,
    view::Sight,
};
use crate::{
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::{Modifier, Operator},
};

/// Networks of one end, at most. A table that would have more leaves all possible.
pub const NETWORKS_MAX: usize = 64;

/// The bits in front of an IPv4 address that is mapped into IPv6.
const MAPPED_BITS: u8 = 96;

/// The addresses that begin alike. IPv4 is mapped into IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    /// Bits that count, up to 128. The order of networks is that of these.
    pub bits: u8,
    pub address: [u8; 16],
}

impl Network {
    const EVERY_V4: Self =
        Self { bits: MAPPED_BITS, address: Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0).octets() };

    /// Returns the network of a literal; `None` if no address is in it: a network of mapped
    /// addresses written as IPv6 holds none, for those are compared as IPv4.
    fn of(literal: &Literal) -> Option<Self> {
        let (address, bits) = match literal {
            Literal::Ip(ip) => match ip.to_canonical() {
                IpAddr::V4(ip) => {
                    return Some(Self { bits: 128, address: ip.to_ipv6_mapped().octets() });
                }
                IpAddr::V6(ip) => (ip, 128),
            },
            Literal::Net(IpNet::V4(net)) => {
                let address = net.network().to_ipv6_mapped().octets();
                return Some(Self { bits: MAPPED_BITS + net.prefix_len(), address });
            }
            Literal::Net(IpNet::V6(net)) => (net.network(), net.prefix_len()),
            _ => return None,
        };
        let own = Self { bits, address: address.octets() };
        (!Self::EVERY_V4.holds(own)).then_some(own)
    }

    /// Returns whether all addresses of the other are in it.
    fn holds(self, other: Self) -> bool {
        let [own, theirs] = [self.address, other.address].map(u128::from_be_bytes);
        let shift = 128_u32.saturating_sub(self.bits.into());
        self.bits <= other.bits && own.checked_shr(shift) == theirs.checked_shr(shift)
    }

    fn is_v4(self) -> bool {
        Self::EVERY_V4.holds(self)
    }

    fn of_address(ip: IpAddr) -> Self {
        let address = match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self { bits: 128, address: address.octets() }
    }
}

/// What is possible by the address of one end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Networks {
    /// The networks with what they leave possible, the smallest first: the first that holds an
    /// address counts. The last holds all addresses.
    pub networks: Vec<(Network, Mask)>,
    /// What is possible where there is no address.
    pub absent: Mask,
}

impl Networks {
    /// Returns what an address leaves possible, `all` if it is not known.
    pub fn mask(&self, ip: Sight<IpAddr>, all: Mask) -> Mask {
        let ip = match ip {
            Sight::Unknown => return all,
            Sight::Absent => return self.absent,
            Sight::Value(ip) => Network::of_address(ip),
        };
        let found = self.networks.iter().find(|(network, _)| network.holds(ip));
        found.map_or(all, |(_, mask)| *mask)
    }
}

/// The same before rules were put into groups.
pub(super) struct NetworkRules {
    pub(super) networks: Vec<(Network, RuleBits)>,
    pub(super) absent: RuleBits,
}

impl NetworkRules {
    /// Returns the rules that stay possible by address; `None` if no predicate asks for it, or too
    /// many networks matter. `absent` is an event without the address; `is_shown` tells fields of
    /// this address and nothing else, `is_listed` those of a list that it is part of.
    pub(super) fn new(
        conditions: &Conditions<'_>,
        is_shown: &dyn Fn(&Leaf) -> bool,
        is_listed: &dyn Fn(&Leaf) -> bool,
        absent: &Event,
    ) -> Option<Self> {
        let asked = conditions.reading(&|leaf| is_shown(leaf) || is_listed(leaf));
        if asked.is_empty() {
            return None;
        }
        let mut all = BTreeSet::from([Network { bits: 0, address: [0; 16] }, Network::EVERY_V4]);
        for number in &asked {
            let (predicate, _) = conditions.graph.predicate_of(*number);
            all.extend(literals(&predicate.test).iter().filter_map(Network::of));
        }
        let all: Vec<Network> = all.into_iter().rev().collect();
        let possible = conditions.possible(all.len() + 1, &asked, &|predicate, machine, class| {
            let listed = reads(predicate, is_listed);
            match all.get(class) {
                None => (!listed).then(|| holds(predicate, machine, absent)),
                Some(network) => {
                    let answer = answer(predicate, *network)?;
                    (!listed || one_decides(predicate, answer)).then_some(answer)
                }
            }
        });
        let mut networks: Vec<(Network, RuleBits)> =
            all.into_iter().zip(possible.clone()).collect();
        forget_equal(&mut networks);
        let absent = possible.last()?.clone();
        (networks.len() <= NETWORKS_MAX).then_some(Self { networks, absent })
    }
}

/// Takes out networks that say the same as the next larger one around them.
fn forget_equal(networks: &mut Vec<(Network, RuleBits)>) {
    let mut place = 0;
    while place < networks.len() {
        let (own, rules) = &networks[place];
        let around = networks[place + 1..].iter().find(|(other, _)| other.holds(*own));
        if around.is_some_and(|(_, other)| other == rules) {
            networks.remove(place);
        } else {
            place += 1;
        }
    }
}

fn literals(test: &Test) -> &[Literal] {
    match test {
        Test::Equal(literal) | Test::NotEqual(literal) => std::slice::from_ref(literal),
        Test::In(items) | Test::Intersects(items) | Test::Modified(_, _, items) => items,
        _ => &[],
    }
}

/// Answers a predicate for the addresses of a network that are in no smaller one.
fn answer(predicate: &Predicate, network: Network) -> Option<bool> {
    if !matches!(predicate.term, Term::Leaf(_)) {
        return None;
    }
    let within = |literal: &Literal| {
        Network::of(literal)
            .is_some_and(|wanted| wanted.is_v4() == network.is_v4() && wanted.holds(network))
    };
    Some(match &predicate.test {
        Test::Exists => true,
        Test::Equal(literal) => within(literal),
        Test::NotEqual(literal) => !within(literal),
        Test::In(items) | Test::Intersects(items) => items.iter().any(within),
        Test::Modified(modifier, Operator::Equal, items) => {
            let count = items.iter().filter(|item| within(item)).count();
            match modifier {
                Modifier::One => count == 1,
                Modifier::Any => count > 0,
                Modifier::All => !items.is_empty() && count == items.len(),
            }
        }
        _ => return None,
    })
}
