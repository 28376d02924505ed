//! Ids for alerts that come without one of ours: made of what names them where they come from, so
//! that the same alert has the same id when it is sent again.

use alert::AlertId;
use aws_lc_rs::digest::{Context, SHA256};

/// Returns the id of what these parts name. Other parts, or the same parts cut elsewhere, give
/// another.
pub(super) fn derived(parts: &[&[u8]]) -> AlertId {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut id = 0_u128;
    for byte in &context.finish().as_ref()[..16] {
        id = id << 8 | u128::from(*byte);
    }
    // A UUID of version 8, whose bits are its maker's matter.
    id = id & !(0xf << 76) | 8 << 76;
    id = id & !(0b11 << 62) | 0b10 << 62;
    AlertId::from_u128(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_are_the_same_alert() {
        let id = derived(&[b"a", b"bc"]);
        assert_eq!(id, derived(&[b"a", b"bc"]));
        assert_ne!(id, derived(&[b"ab", b"c"]));
        assert_ne!(id, derived(&[b"a", b"bc", b""]));
        let text = id.to_string();
        assert_eq!(&text[14..15], "8");
        assert!("89ab".contains(&text[19..20]), "{text}");
    }
}
