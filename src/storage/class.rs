//! Which logs share generations: those whose data is about equally long-lived.

use std::time::Duration;

use callboard_model::LogConfig;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longest retention of each bucket, its name, and how long one generation of it takes appends.
const BUCKETS: [(Option<Duration>, &str, Duration); 7] = [
    (Some(Duration::from_secs(10 * 60)), "10m", MINUTE),
    (Some(HOUR), "1h", Duration::from_secs(6 * 60)),
    (Some(Duration::from_secs(6 * 60 * 60)), "6h", Duration::from_secs(30 * 60)),
    (Some(DAY), "1d", Duration::from_secs(2 * 60 * 60)),
    (Some(Duration::from_secs(7 * 24 * 60 * 60)), "7d", Duration::from_secs(12 * 60 * 60)),
    (Some(Duration::from_secs(30 * 24 * 60 * 60)), "30d", Duration::from_secs(2 * 24 * 60 * 60)),
    (None, "unbounded", Duration::from_secs(7 * 24 * 60 * 60)),
];

/// Set in [`RetentionClass::code`] for compacted logs.
const COMPACT: u8 = 0x80;

/// A group of logs that share generations. A generation's space comes back when all of its logs have moved past it, so
/// logs that keep data for very different times do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetentionClass {
    bucket: u8,
    compact: bool,
}

impl RetentionClass {
    /// Data that no time bounds, not compacted.
    pub const UNBOUNDED: Self = Self { bucket: BUCKETS.len() as u8 - 1, compact: false };

    /// The class of a topic's partitions.
    pub fn of(config: &LogConfig) -> Self {
        let retention = if config.cleanup_policy.delete { config.retention } else { None };
        Self { compact: config.cleanup_policy.compact, ..Self::of_retention(retention) }
    }

    /// The class of logs that keep data this long, not compacted.
    pub fn of_retention(retention: Option<Duration>) -> Self {
        let fits = |longest: Option<Duration>| match (longest, retention) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(longest), Some(retention)) => retention <= longest,
        };
        let bucket = BUCKETS.iter().position(|(longest, ..)| fits(*longest)).unwrap_or(BUCKETS.len() - 1);
        Self { bucket: bucket as u8, compact: false }
    }

    /// How long one generation takes appends before a new one is begun: a fraction of the retention, so that little
    /// outlives it.
    pub fn generation_age(self) -> Duration {
        BUCKETS[usize::from(self.bucket)].2
    }

    /// Its number in storage.
    pub fn code(self) -> u8 {
        self.bucket | if self.compact { COMPACT } else { 0 }
    }

    /// The class of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        let bucket = code & !COMPACT;
        (usize::from(bucket) < BUCKETS.len()).then_some(Self { bucket, compact: code & COMPACT != 0 })
    }

    /// The class of a name, as [`std::fmt::Display`] writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        let (bucket, compact) = match name.strip_suffix("-compact") {
            Some(bucket) => (bucket, true),
            None => (name, false),
        };
        let bucket = BUCKETS.iter().position(|(_, known, _)| *known == bucket)?;
        Some(Self { bucket: bucket as u8, compact })
    }
}

impl std::fmt::Display for RetentionClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(BUCKETS[usize::from(self.bucket)].1)?;
        if self.compact { f.write_str("-compact") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_model::CleanupPolicy;

    #[test]
    fn topics_of_very_different_retention_get_different_classes() {
        let names: Vec<_> = [Some(MINUTE), Some(10 * MINUTE), Some(11 * MINUTE), Some(7 * DAY), Some(8 * DAY), None]
            .map(|retention| RetentionClass::of_retention(retention).to_string())
            .to_vec();
        assert_eq!(names, ["10m", "10m", "1h", "7d", "30d", "unbounded"]);
    }

    #[test]
    fn a_compacted_log_that_deletes_nothing_is_unbounded() {
        let policy = CleanupPolicy { delete: false, compact: true };
        let class = RetentionClass::of(&LogConfig { cleanup_policy: policy, ..LogConfig::default() });
        assert_eq!(class.to_string(), "unbounded-compact");
    }

    #[test]
    fn every_class_is_found_by_its_number_and_by_its_name() {
        for code in 0..=u8::MAX {
            if let Some(class) = RetentionClass::from_code(code) {
                assert_eq!(class.code(), code);
                assert_eq!(RetentionClass::from_name(&class.to_string()), Some(class));
            }
        }
        assert_eq!((0..=u8::MAX).filter_map(RetentionClass::from_code).count(), 2 * BUCKETS.len());
        assert_eq!(RetentionClass::from_name("1w"), None);
    }
}
