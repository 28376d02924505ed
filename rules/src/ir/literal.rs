//! Reads a written value as the type it is compared with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alert::{Field, Priority, Type};
use ipnet::IpNet;

use super::{Leaf, Literal, Term, nearest};
use crate::parse::{Fault, Literal as Written, shown};

/// A value's type, with the size of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) value_type: Type,
    pub(super) bits: u32,
}

impl Kind {
    pub(super) fn of(term: &Term) -> Self {
        let bits = match term {
            Term::Leaf(Leaf::Event(field, _)) => bits(*field),
            _ => 64,
        };
        Self { value_type: term.value_type(), bits }
    }

    /// Returns what tells one number from another.
    pub(super) fn describe(self) -> String {
        let sign = if self.value_type == Type::Signed { "with" } else { "without" };
        format!("a number of {} bits {sign} a sign", self.bits)
    }
}

/// Falco's fields of fewer than 64 bits.
const fn bits(field: Field) -> u32 {
    match field {
        Field::UserUid
        | Field::GroupGid
        | Field::ProcTty
        | Field::FdDev
        | Field::FdDevMajor
        | Field::FdDevMinor
        | Field::EvtCount => 32,
        Field::EvtCpu => 16,
        _ => 64,
    }
}

/// A value that was read, with what is odd about it.
pub(super) struct Reading {
    pub(super) literal: Literal,
    pub(super) oddity: Option<Fault>,
}

impl From<Literal> for Reading {
    fn from(literal: Literal) -> Self {
        Self { literal, oddity: None }
    }
}

pub(super) fn read(written: &Written, kind: Kind) -> Result<Reading, Fault> {
    let text = &*written.text;
    match kind.value_type {
        Type::Text | Type::Path | Type::Bytes => Ok(Literal::Text(text.into()).into()),
        Type::Any => Ok(Literal::Any(text.into()).into()),
        Type::Bool => truth(written).map(Reading::from),
        Type::Signed | Type::Unsigned => number(written, kind),
        Type::Port => port(written),
        Type::Ip => address(written).map(Reading::from),
        Type::Net => network(written).map(Reading::from),
        Type::Priority => priority(written).map(Reading::from),
    }
}

fn expected(what: &str, written: &Written) -> Fault {
    Fault::new(written.span, format!("expected {what}, found {}", shown(&written.text)))
}

fn truth(written: &Written) -> Result<Literal, Fault> {
    let text = &*written.text;
    match text {
        "true" => return Ok(Literal::Bool(true)),
        "false" => return Ok(Literal::Bool(false)),
        _ => {}
    }
    let fault = expected("`true` or `false`", written);
    Err(match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "1" | "on" => fault.hint("write `true`"),
        "false" | "no" | "0" | "off" => fault.hint("write `false`"),
        _ => fault,
    })
}

/// Reads decimal digits with or without a sign as C's `scanf` does, which Falco uses: a number too
/// great for its type is cut, and a negative one wraps where there is no sign.
fn number(written: &Written, kind: Kind) -> Result<Reading, Fault> {
    let text = written.text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_number(written));
    }
    let magnitude = digits.parse::<u64>();
    let is_signed = kind.value_type == Type::Signed;
    let sign = |magnitude: i128| if negative { -magnitude } else { magnitude };
    let value: i128 = match magnitude {
        Ok(magnitude) if is_signed => {
            cut(sign(magnitude.into()).clamp(i64::MIN.into(), i64::MAX.into()), kind)
        }
        Ok(magnitude) => cut(sign(magnitude.into()), kind),
        Err(_) if is_signed => cut(if negative { i64::MIN.into() } else { i64::MAX.into() }, kind),
        Err(_) => cut(u64::MAX.into(), kind),
    };
    let meant = magnitude.ok().map(|magnitude| sign(magnitude.into()));
    let low = -(1_i128 << (kind.bits - 1));
    let wraps = !is_signed && negative && meant.is_some_and(|meant| meant >= low);
    let oddity = (meant != Some(value) && !wraps).then(|| {
        let message = format!("{} does not fit in {} bits", shown(text), kind.bits);
        Fault::new(written.span, message).hint(format!("it is read as {value}, as in Falco"))
    });
    Ok(Reading { literal: Literal::Number(value), oddity })
}

fn cut(value: i128, kind: Kind) -> i128 {
    let low = value & ((1 << kind.bits) - 1);
    let is_negative = kind.value_type == Type::Signed && low >> (kind.bits - 1) == 1;
    if is_negative { low - (1 << kind.bits) } else { low }
}

fn no_number(written: &Written) -> Fault {
    let text = &*written.text;
    let fault = expected("a decimal number", written);
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    match hexadecimal.map(|digits| u64::from_str_radix(digits, 16)) {
        Some(Ok(value)) => fault.hint(format!("write `{value}`: fields take no hexadecimal")),
        _ if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            fault.hint("numbers have no fraction and no exponent")
        }
        _ => fault,
    }
}

fn port(written: &Written) -> Result<Reading, Fault> {
    let text = &*written.text;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // No digits at all are port 0.
        let number = if text.is_empty() { Ok(0) } else { text.parse::<u32>() };
        let number = number.ok().filter(|number| i32::try_from(*number).is_ok());
        let Some(number) = number else { return Err(no_port(written)) };
        let port = number & u32::from(u16::MAX);
        let oddity = (port != number).then(|| {
            let message = format!("{} is no port, the greatest is 65535", shown(text));
            Fault::new(written.span, message).hint(format!("it is read as {port}, as in Falco"))
        });
        return Ok(Reading { literal: Literal::Number(port.into()), oddity });
    }
    match service(text) {
        Some(port) => Ok(Literal::Number(port.into()).into()),
        None => Err(no_port(written)),
    }
}

fn no_port(written: &Written) -> Fault {
    let fault = expected("a port from 0 to 65535 or the name of a service", written);
    match nearest(&written.text, services().map(|(name, _)| name)) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// Names of services and their ports, as systems commonly have them in `/etc/services`.
fn services() -> impl Iterator<Item = (&'static str, u16)> {
    const SERVICES: &str = include_str!("services.txt");
    SERVICES.lines().filter_map(|line| {
        let (name, port) = line.split_once(' ')?;
        Some((name, port.parse().ok()?))
    })
}

fn service(name: &str) -> Option<u16> {
    services().find(|(known, _)| *known == name).map(|(_, port)| port)
}

/// A dot makes it an IPv4 address, so that `::ffff:1.2.3.4` is none.
fn address(written: &Written) -> Result<Literal, Fault> {
    let text = &*written.text;
    let read = match text.contains('.') {
        true => text.parse::<Ipv4Addr>().map(IpAddr::from),
        false => text.parse::<Ipv6Addr>().map(IpAddr::from),
    };
    read.map(Literal::Ip).map_err(|_| {
        let fault = expected("an IP address", written);
        if text.parse::<IpNet>().is_ok() {
            fault.hint("networks are compared with the `net` fields: `fd.snet`, `fd.cnet`, …")
        } else if text.parse::<Ipv6Addr>().is_ok() {
            fault.hint("write the IPv4 address alone")
        } else if text.bytes().any(|byte| byte.is_ascii_alphabetic()) && !text.contains(':') {
            fault.hint("names are compared with `fd.sip.name` and its like")
        } else {
            fault
        }
    })
}

fn network(written: &Written) -> Result<Literal, Fault> {
    let text = &*written.text;
    let read = match text.contains('.') {
        true => text.parse::<IpNet>().ok().filter(|net| matches!(net, IpNet::V4(_))),
        false => text.parse::<IpNet>().ok().or_else(|| {
            let address = text.parse::<Ipv6Addr>().ok()?;
            Some(IpNet::from(IpAddr::V6(address)))
        }),
    };
    read.map(Literal::Net).ok_or_else(|| {
        let fault = expected("a network such as `10.0.0.0/8`", written);
        match text.parse::<Ipv4Addr>() {
            Ok(address) => fault.hint(format!("a single address is written `{address}/32`")),
            Err(_) => fault,
        }
    })
}

fn priority(written: &Written) -> Result<Literal, Fault> {
    if let Ok(priority) = written.text.parse() {
        return Ok(Literal::Priority(priority));
    }
    let names = Priority::ALL.map(|priority| priority.name().to_ascii_lowercase());
    let fault = expected("a priority", written);
    let text = written.text.to_ascii_lowercase();
    let mut all = names.iter().map(|name| &**name);
    let begun = all.clone().find(|name| text.len() > 1 && name.starts_with(&text));
    let near = begun.or_else(|| nearest(&text, &mut all));
    Err(match near {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!("the priorities are {}", names.join(" "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, value_type: Type, bits: u32) -> (i128, bool) {
        let written = Written { text: text.into(), span: Default::default() };
        let reading = match value_type {
            Type::Port => port(&written),
            _ => super::number(&written, Kind { value_type, bits }),
        };
        match reading {
            Ok(Reading { literal: Literal::Number(number), oddity }) => (number, oddity.is_some()),
            _ => panic!("{text} is no number"),
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_cut_and_said_to_be_odd() {
        let (greatest, least) = (i128::from(i64::MAX), i128::from(i64::MIN));
        for (text, value_type, bits, expected) in [
            ("3", Type::Signed, 64, (3, false)),
            ("-3", Type::Signed, 64, (-3, false)),
            ("+007", Type::Signed, 64, (7, false)),
            ("9223372036854775808", Type::Signed, 64, (greatest, true)),
            ("-9223372036854775809", Type::Signed, 64, (least, true)),
            ("-99999999999999999999", Type::Signed, 64, (least, true)),
            ("40000", Type::Signed, 16, (40000 - 65536, true)),
            ("-1", Type::Unsigned, 32, (4_294_967_295, false)),
            ("-2147483648", Type::Unsigned, 32, (2_147_483_648, false)),
            ("-4294967295", Type::Unsigned, 32, (1, true)),
            ("4294967295", Type::Unsigned, 32, (4_294_967_295, false)),
            ("4294967296", Type::Unsigned, 32, (0, true)),
            ("99999999999999999999", Type::Unsigned, 32, (4_294_967_295, true)),
            ("-1", Type::Unsigned, 64, (u64::MAX.into(), false)),
            ("18446744073709551616", Type::Unsigned, 64, (u64::MAX.into(), true)),
            ("65535", Type::Port, 16, (65535, false)),
            ("65536", Type::Port, 16, (0, true)),
            ("70000", Type::Port, 16, (4464, true)),
            ("", Type::Port, 16, (0, false)),
            ("https", Type::Port, 16, (443, false)),
        ] {
            assert_eq!(number(text, value_type, bits), expected, "{text} {value_type:?} {bits}");
        }
    }

    #[test]
    fn every_service_has_a_name_of_its_own_and_a_port() {
        let lines = include_str!("services.txt").lines().count();
        let names: std::collections::BTreeSet<_> = services().map(|(name, _)| name).collect();
        assert_eq!(names.len(), lines);
        assert!(services().all(|(_, port)| port > 0));
        for (name, port) in [("ssh", 22), ("domain", 53), ("mysql", 3306), ("imap2", 143)] {
            assert_eq!(service(name), Some(port));
        }
    }
}
