//! Numbers as hex digits: every decision names several.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The last `N` hex digits of a number.
pub(crate) struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    pub(crate) fn of(number: u128) -> Self {
        let mut rest = number;
        let mut digits = [0; N];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(rest & 15) as usize];
            rest >>= 4;
        }
        Self(digits)
    }

    pub(crate) fn as_str(&self) -> &str {
        // They are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard_library() {
        for number in [0, 1, 0x1f, 0xdead_beef, u128::from(u64::MAX), u128::MAX, 1 << 127] {
            assert_eq!(Hex::<32>::of(number).as_str(), format!("{number:032x}"));
            let short = number as u64;
            assert_eq!(Hex::<16>::of(short.into()).as_str(), format!("{short:016x}"));
        }
    }
}
