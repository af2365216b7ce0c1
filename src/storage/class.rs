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

/// What kind of batches a generation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// Of logs that are not compacted.
    Plain,
    /// Of compacted logs, as they were appended.
    Compact,
    /// Of compacted logs, as compaction left them. Apart from the others, so that what was just appended and what
    /// survived do not hold each other up, and so that a batch and its survivor never meet under one key.
    Cleaned,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Plain, Self::Compact, Self::Cleaned];

    /// The upper bits of [`RetentionClass::code`].
    fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Compact => 0x80,
            Self::Cleaned => 0xc0,
        }
    }

    /// The end of the class's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Compact => "-compact",
            Self::Cleaned => "-cleaned",
        }
    }
}

/// A group of logs that share generations. A generation's space comes back when all of its logs have moved past it, so
/// logs that keep data for very different times do not belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RetentionClass {
    bucket: u8,
    kind: Kind,
}

impl RetentionClass {
    /// Data that no time bounds, not compacted.
    pub const UNBOUNDED: Self = Self { bucket: BUCKETS.len() as u8 - 1, kind: Kind::Plain };

    /// The class of a topic's partitions.
    pub fn of(config: &LogConfig) -> Self {
        let retention = if config.cleanup_policy.delete { config.retention } else { None };
        let kind = if config.cleanup_policy.compact { Kind::Compact } else { Kind::Plain };
        Self { kind, ..Self::of_retention(retention) }
    }

    /// The class of logs that keep data this long, not compacted.
    pub fn of_retention(retention: Option<Duration>) -> Self {
        let fits = |longest: Option<Duration>| match (longest, retention) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(longest), Some(retention)) => retention <= longest,
        };
        let bucket = BUCKETS.iter().position(|(longest, ..)| fits(*longest)).unwrap_or(BUCKETS.len() - 1);
        Self { bucket: bucket as u8, kind: Kind::Plain }
    }

    /// Whether its logs are compacted.
    pub fn is_compacted(self) -> bool {
        self.kind != Kind::Plain
    }

    /// Whether it holds what compaction left.
    pub(crate) fn is_cleaned(self) -> bool {
        self.kind == Kind::Cleaned
    }

    /// Where compaction puts what is left of the logs of this class.
    pub(crate) fn cleaned(self) -> Self {
        Self { kind: Kind::Cleaned, ..self }
    }

    /// How long one generation takes appends before a new one is begun: a fraction of the retention, so that little
    /// outlives it.
    pub fn generation_age(self) -> Duration {
        BUCKETS[usize::from(self.bucket)].2
    }

    /// Its number in storage.
    pub fn code(self) -> u8 {
        self.bucket | self.kind.code()
    }

    /// The class of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.code() == code & Kind::Cleaned.code())?;
        let bucket = code & !Kind::Cleaned.code();
        (usize::from(bucket) < BUCKETS.len()).then_some(Self { bucket, kind })
    }

    /// The class of a name, as [`std::fmt::Display`] writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        let strip = |kind: Kind| Some((name.strip_suffix(kind.suffix())?, kind));
        let (bucket, kind) = Kind::ALL.into_iter().rev().find_map(strip)?;
        let bucket = BUCKETS.iter().position(|(_, known, _)| *known == bucket)?;
        Some(Self { bucket: bucket as u8, kind })
    }
}

impl std::fmt::Display for RetentionClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(BUCKETS[usize::from(self.bucket)].1)?;
        f.write_str(self.kind.suffix())
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
        assert_eq!((0..=u8::MAX).filter_map(RetentionClass::from_code).count(), 3 * BUCKETS.len());
        assert_eq!(RetentionClass::from_name("1w"), None);
    }
}
