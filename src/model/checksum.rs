//! The checksum of bytes that were summed apart: a batch's records before its header is known, many batches of which each
//! carries its own.
//!
//! A CRC is a polynomial over GF(2) modulo another; to put bytes behind others is to multiply by a power of x and to add.

use crate::record_batch::CRC_START;

/// From so many bytes on a checksum that is there is worth putting together with another.
const JOIN_LEAST: usize = 16 << 10;
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
pub fn join_checksums(first: u32, second: u32, len: usize) -> u32 {
    // Eight powers a byte: from the third square on. No memory holds more bytes than there are squares for.
    let powers = SQUARES[3..].iter().enumerate().filter(|(bit, _)| len as u64 & (1 << bit) != 0);
    powers.fold(first, |crc, (_, power)| times(*power, crc)) ^ second
}

/// The CRC-32C of bytes with that of `before`, followed by a verified batch: the checksum that it carries is taken, where that
/// is faster than to compute one.
pub fn checksum_with(before: u32, batch: &[u8]) -> u32 {
    match batch.split_first_chunk::<CRC_START>() {
        Some((head, summed)) if summed.len() >= JOIN_LEAST => {
            let own = u32::from_be_bytes([head[17], head[18], head[19], head[20]]);
            join_checksums(crc32c::crc32c_append(before, head), own, summed.len())
        }
        _ => crc32c::crc32c_append(before, batch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::batch_of;

    #[test]
    fn what_is_summed_apart_is_the_sum_of_the_whole() {
        let bytes: Vec<u8> = (0..(1u32 << 24) + 8).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let lens = (0..70).chain([255, 4097, 1 << 16, 1_000_000, (1 << 24) + 1]);
        for (first, len) in lens.flat_map(|len| [(0, len), (7, len)]) {
            let (first, second) = bytes[..first + len].split_at(first);
            let whole = crc32c::crc32c_append(crc32c::crc32c(first), second);
            assert_eq!(join_checksums(crc32c::crc32c(first), crc32c::crc32c(second), len), whole, "{len}");
        }
    }

    #[test]
    fn the_checksum_of_many_batches_takes_theirs_into_it() {
        let large = vec![7; JOIN_LEAST];
        let batches =
            [batch_of(&[(b"k", b"v", 1)]), batch_of(&[(b"k", &large, 1)]), batch_of(&[(b"l", &large[7..], 2)])];
        let together = batches.iter().fold(11, |crc, batch| checksum_with(crc, batch));
        assert_eq!(together, crc32c::crc32c_append(11, &batches.concat()));
        assert_eq!(checksum_with(5, b"short"), crc32c::crc32c_append(5, b"short"));
    }
}
