//! Whether a client's batch may be stored as it is (Kafka: `LogValidator`, `ProduceRequest.validateRecords`).
//!
//! Format, length, checksum and codec were verified when the batch was cut ([`CheckedBatch`]). The records themselves
//! are looked at only where the header cannot tell.

use bytes::Bytes;
use callboard_model::{BatchHeader, CheckedBatch, Compression, LogConfig, Offset, Records, Timestamp, TimestampType};

use crate::append::{Rules, Unpacked};
use crate::error::{ProduceError, RecordFailure, RecordReason};

/// Refused records named in one answer: a batch can hold millions.
const FAILURES_MAX: usize = 1000;

/// Whether a client's batch must be decompressed before it is appended: its topic keeps records by key, or its header
/// does not prove that all timestamps are in range.
///
/// A batch that is packed anew is looked at too: its checksum becomes ours, so what it covers must be sound.
pub fn needs_records(batch: &CheckedBatch, config: &LogConfig, now: Timestamp) -> bool {
    let max = batch.header().max_timestamp;
    let by_time = match config.timestamp_type {
        TimestampType::LogAppendTime => false,
        // Some clients leave the largest timestamp out. The smallest is in no header.
        TimestampType::CreateTime => {
            max.millis() < 0 || config.timestamp_before_max.is_some() || max > range(config, now).1
        }
    };
    config.cleanup_policy.compact || by_time || wants_codec(batch, config).is_some()
}

/// The codec that a client's batch has to be packed in before it is appended, if it has another one than the topic's.
/// Kafka leaves a batch of the right codec as it is, whatever level it was packed at.
pub fn wants_codec(batch: &CheckedBatch, config: &LogConfig) -> Option<Compression> {
    config.compression_type.codec().filter(|wanted| batch.header().compression().as_ref() != Ok(wanted))
}

/// Checks a batch, and sets its timestamps where that is the broker's part.
pub(crate) fn validate(
    batch: &mut CheckedBatch,
    unpacked: &Unpacked,
    config: &LogConfig,
    rules: Rules,
    now: Timestamp,
) -> Result<(), ProduceError> {
    check_len(batch, config)?;
    if !rules.internal {
        validate_header(batch.header(), rules)?;
        if needs_records(batch, config, now) {
            let max = validate_records(batch, unpacked.records.as_ref(), config, now)?;
            if config.timestamp_type == TimestampType::CreateTime && max != batch.header().max_timestamp {
                batch.set_max_timestamp(max);
            }
        }
        match (wants_codec(batch, config), &unpacked.packed) {
            (None, _) => {}
            (Some(wanted), Some((codec, records))) if *codec == wanted => {
                batch.replace_records(wanted, records);
                // It may have grown.
                check_len(batch, config)?;
            }
            // Its settings changed while it was packed, or it could not be packed.
            (Some(_), _) => return Err(ProduceError::NotPacked),
        }
    }
    if config.timestamp_type == TimestampType::LogAppendTime {
        batch.set_log_append_time(now);
    }
    Ok(())
}

fn check_len(batch: &CheckedBatch, config: &LogConfig) -> Result<(), ProduceError> {
    if batch.len() > config.max_message_bytes {
        return Err(ProduceError::TooLarge { given: batch.len(), max: config.max_message_bytes });
    }
    Ok(())
}

fn validate_header(header: &BatchHeader, rules: Rules) -> Result<(), ProduceError> {
    let BatchHeader { count, last_offset_delta: last_delta, base_offset, producer_id: producer, .. } = *header;
    if base_offset != Offset::ZERO {
        return Err(ProduceError::BaseOffset { given: base_offset });
    }
    if count <= 0 || last_delta != count - 1 {
        return Err(ProduceError::Count { count, last_delta });
    }
    if header.is_control() {
        return Err(ProduceError::Control);
    }
    if header.is_transactional() {
        return Err(ProduceError::Transactional { producer });
    }
    let (sequence, epoch) = (header.base_sequence, header.producer_epoch);
    if header.has_producer() && (sequence < 0 || !epoch.is_known()) {
        return Err(ProduceError::Sequence { producer, sequence, epoch });
    }
    if header.compression() == Ok(Compression::Zstd) && !rules.zstd_allowed {
        return Err(ProduceError::UnsupportedCompression);
    }
    if header.is_log_append_time() {
        return Err(ProduceError::TimestampType);
    }
    Ok(())
}

/// The oldest and newest time that a record may have now.
fn range(config: &LogConfig, now: Timestamp) -> (Timestamp, Timestamp) {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let earliest = config.timestamp_before_max.map_or(i64::MIN, |before| now.millis().saturating_sub(millis(before)));
    let latest = config.timestamp_after_max.map_or(i64::MAX, |after| now.millis().saturating_add(millis(after)));
    (Timestamp(earliest), Timestamp(latest))
}

/// Looks at every record; gives the largest timestamp.
fn validate_records(
    batch: &CheckedBatch,
    decompressed: Option<&Bytes>,
    config: &LogConfig,
    now: Timestamp,
) -> Result<Timestamp, ProduceError> {
    let header = *batch.header();
    let bytes: &[u8] = match (header.compression(), decompressed) {
        (Ok(Compression::None), _) => batch.records(),
        (_, Some(bytes)) => bytes,
        (_, None) => return Err(ProduceError::Unreadable),
    };
    let (earliest, latest) = range(config, now);
    let mut failures = Vec::new();
    let mut max = Timestamp::NONE;
    for (index, record) in (0..).zip(Records::new(header, bytes)) {
        let record = record?;
        let given = record.timestamp;
        let timed = config.timestamp_type == TimestampType::CreateTime && given != Timestamp::NONE;
        let reason = if record.offset != Offset(i64::from(index)) {
            Some(RecordReason::Offset { given: record.offset.get() })
        } else if config.cleanup_policy.compact && record.key.is_none() {
            Some(RecordReason::MissingKey)
        } else if timed && !(earliest <= given && given <= latest) {
            Some(RecordReason::Timestamp { given, earliest, latest })
        } else {
            None
        };
        max = max.max(given);
        failures.extend(reason.map(|reason| RecordFailure { index, reason }));
        if failures.len() == FAILURES_MAX {
            break;
        }
    }
    if failures.is_empty() { Ok(max) } else { Err(ProduceError::Records { failures }) }
}

#[cfg(test)]
mod tests;
