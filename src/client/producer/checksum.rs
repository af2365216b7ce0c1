//! The checksum of bytes that are summed apart: records as they are written, what stands before them when it is known.
//!
//! A CRC is a polynomial over GF(2) modulo another; to put bytes behind others is to multiply by a power of x and to add.

/// CRC-32C's polynomial without its highest term, lowest power first: bit 31 is 1, bit 30 is x.
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// x to the power of two to the power of the index, which is enough for any power.
const SQUARES: [u32; 64] = squares();

const fn squares() -> [u32; 64] {
    let mut squares = [1 << 30; 64];
    let mut at = 1;
    while at < squares.len() {
        squares[at] = times(squares[at - 1], squares[at - 1]);
        at += 1;
    }
    squares
}

/// The product of two polynomials.
const fn times(one: u32, mut other: u32) -> u32 {
    let (mut product, mut power) = (0, 0);
    while power < 32 {
        if one & (1 << (31 - power)) != 0 {
            product ^= other;
        }
        let carried = if other & 1 == 1 { CASTAGNOLI } else { 0 };
        other = (other >> 1) ^ carried;
        power += 1;
    }
    product
}

/// The CRC-32C of bytes with that of `first`, followed by `len` bytes with that of `second`. Takes half a microsecond, as
/// long as to sum ten kilobytes.
pub(crate) fn join(first: u32, second: u32, len: usize) -> u32 {
    // Eight powers a byte: from the third square on. No memory holds more bytes than there are squares for.
    let powers = SQUARES[3..].iter().enumerate().filter(|(bit, _)| len as u64 & (1 << bit) != 0);
    powers.fold(first, |crc, (_, power)| times(*power, crc)) ^ second
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_summed_apart_is_the_sum_of_the_whole(
            first in prop::collection::vec(any::<u8>(), 0..300),
            second in prop::collection::vec(any::<u8>(), 0..5000),
        ) {
            let whole = crc32c::crc32c(&[&first[..], &second].concat());
            prop_assert_eq!(join(crc32c::crc32c(&first), crc32c::crc32c(&second), second.len()), whole);
        }
    }

    #[test]
    fn lengths_of_large_batches_count_too() {
        for len in [1 << 16, 1_000_000, (1 << 24) + 1] {
            let (first, second) = (vec![7; 40], vec![9; len]);
            let whole = crc32c::crc32c_append(crc32c::crc32c(&first), &second);
            assert_eq!(join(crc32c::crc32c(&first), crc32c::crc32c(&second), len), whole, "{len}");
        }
    }
}
