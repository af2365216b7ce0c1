//! Values of configs: their types, the rules that they obey, and Kafka's words for breaking one.

/// The type of a config, with its number in DescribeConfigs answers (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i8)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean = 1,
    /// Any text.
    String = 2,
    /// 32 bits, signed.
    Int = 3,
    /// 16 bits, signed.
    Short = 4,
    /// 64 bits, signed.
    Long = 5,
    /// A fraction.
    Double = 6,
    /// Texts with commas between them.
    List = 7,
    /// The name of a class.
    Class = 8,
    /// A secret; never shown.
    Password = 9,
}

impl ConfigType {
    /// The number on the wire.
    pub fn number(self) -> i8 {
        self as i8
    }

    /// Kafka's name in capitals.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// The rule that a config's value obeys beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// No rule.
    Any,
    /// A number from this one on.
    AtLeast(i64),
    /// A number from the first to the second.
    Between(i64, i64),
    /// A number from the first to the second, or the third.
    BetweenOr(i64, i64, i64),
    /// A number that is not 0; a negative one stands for "no bound".
    NotZero,
    /// A fraction from 0 to 1.
    Ratio,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A list of nothing but these texts.
    EachOf(&'static [&'static str]),
    /// `*`, or a list of partition and broker numbers with a colon between.
    Replicas,
}

/// A value that its config takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Boolean(bool),
    /// A number of any width.
    Number(i64),
    /// A fraction.
    Double(f64),
    /// Text, a class name or a secret.
    Text(String),
    /// A list, without repeats.
    List(Vec<String>),
}

impl Value {
    /// The value as Kafka prints it.
    pub fn render(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Number(value) => value.to_string(),
            // As Java has it: with a fraction always, 1.0 and not 1, and 1.0E7 from there on.
            Self::Double(value) if *value == 0.0 || (1e-3..1e7).contains(&value.abs()) => format!("{value:?}"),
            Self::Double(value) => {
                let text = format!("{value:E}");
                if text.contains('.') { text } else { text.replacen('E', ".0E", 1) }
            }
            Self::Text(value) => value.clone(),
            Self::List(values) => values.join(","),
        }
    }
}

/// Why a config cannot have a value. The texts of the first kinds are Kafka's, for the tools that match them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No config has this name.
    #[error("Unknown {of} config name: {name}{hint}")]
    Unknown {
        /// `topic` or `broker`.
        of: &'static str,
        /// As given.
        name: String,
        /// Names the nearest one, if one is near.
        hint: String,
    },
    /// The value is of another type, or breaks the rule.
    #[error("Invalid value {value} for configuration {name}: {why}")]
    Invalid {
        /// The config.
        name: &'static str,
        /// As given, cut to a printable length.
        value: String,
        /// The rule.
        why: String,
    },
    /// Kafka takes the value, this release does not.
    #[error("{name}={value} is not served: {reason}")]
    Refused {
        /// The config.
        name: &'static str,
        /// As given.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// Each value is legal, both together are not.
    #[error("{0}")]
    Conflict(String),
    /// Longer than any legal value.
    #[error("the value of configuration {name} has {given} bytes, at most {max} are taken")]
    TooLong {
        /// The config.
        name: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes allowed.
        max: usize,
    },
}

/// Bytes of one config value; room for thousands of throttled replicas, and small enough to replay at leisure.
pub(crate) const VALUE_LEN_MAX: usize = 64 * 1024;

/// Reads a value as its type and checks the rule.
pub(crate) fn parse(name: &'static str, of: ConfigType, valid: Valid, raw: &str) -> Result<Value, ConfigError> {
    if raw.len() > VALUE_LEN_MAX {
        return Err(ConfigError::TooLong { name, given: raw.len(), max: VALUE_LEN_MAX });
    }
    let text = raw.trim();
    let invalid = |why: String| ConfigError::Invalid { name, value: printable(text), why };
    let value = match of {
        ConfigType::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        ConfigType::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        ConfigType::Boolean => return Err(invalid("Expected value to be either true or false".to_owned())),
        ConfigType::Int | ConfigType::Short | ConfigType::Long => {
            let bounds = match of {
                ConfigType::Int => i64::from(i32::MIN)..=i64::from(i32::MAX),
                ConfigType::Short => i64::from(i16::MIN)..=i64::from(i16::MAX),
                _ => i64::MIN..=i64::MAX,
            };
            let number = text.parse::<i64>().ok().filter(|number| bounds.contains(number));
            Value::Number(number.ok_or_else(|| invalid(format!("Not a number of type {}", of.name())))?)
        }
        ConfigType::Double => {
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            Value::Double(number.ok_or_else(|| invalid("Not a number of type DOUBLE".to_owned()))?)
        }
        ConfigType::String | ConfigType::Class | ConfigType::Password => Value::Text(text.to_owned()),
        // Only the empty list may be the empty text where the elements are known words.
        ConfigType::List if matches!(valid, Valid::EachOf(_)) && !text.is_empty() && has_gap(text) => {
            return Err(ConfigError::Conflict(format!("Configuration '{name}' values must not be empty.")));
        }
        ConfigType::List => Value::List(split(text)),
    };
    match breaks(name, valid, &value) {
        None => Ok(value),
        Some(why) => Err(invalid(why)),
    }
}

/// The elements of a list, without repeats; the empty text is the empty list.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for element in text.split(',').map(str::trim) {
        if !element.is_empty() && seen.insert(element) {
            list.push(element.to_owned());
        }
    }
    list
}

fn has_gap(text: &str) -> bool {
    text.split(',').any(|element| element.trim().is_empty())
}

/// What a value breaks, in Kafka's words.
fn breaks(name: &str, valid: Valid, value: &Value) -> Option<String> {
    match (valid, value) {
        (Valid::AtLeast(least), Value::Number(number)) if *number < least => {
            Some(format!("Value must be at least {least}"))
        }
        (Valid::Between(least, most), Value::Number(number)) if !(least..=most).contains(number) => {
            Some(outside(*number < least, least, most))
        }
        (Valid::BetweenOr(least, most, or), Value::Number(number))
            if !(least..=most).contains(number) && *number != or =>
        {
            Some(format!("Value must be between {least} and {most} or equal to {or}"))
        }
        (Valid::NotZero, Value::Number(0)) => {
            Some("Value must be unlimited (-1) or greater than or equal to 1".to_owned())
        }
        (Valid::Ratio, Value::Double(number)) if !(0.0..=1.0).contains(number) => Some(outside(*number < 0.0, 0, 1)),
        (Valid::OneOf(texts), Value::Text(text)) if !texts.contains(&text.as_str()) => Some(one_of(texts)),
        (Valid::EachOf(texts), Value::List(list)) if !list.iter().all(|text| texts.contains(&text.as_str())) => {
            Some(one_of(texts))
        }
        (Valid::Replicas, Value::List(list)) if !names_replicas(list) => Some(format!(
            "{name} must be the literal '*' or a list of replicas in the following format: \
             [partitionId]:[brokerId],[partitionId]:[brokerId],..."
        )),
        _ => None,
    }
}

fn outside(below: bool, least: i64, most: i64) -> String {
    if below { format!("Value must be at least {least}") } else { format!("Value must be no more than {most}") }
}

fn one_of(texts: &[&str]) -> String {
    format!("String must be one of: {}", texts.join(", "))
}

fn names_replicas(list: &[String]) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let replica = |text: &String| text.split_once(':').is_some_and(|(left, right)| number(left) && number(right));
    matches!(list, [all] if all == "*") || list.iter().all(replica)
}

/// A text for a message, cut where it gets too long to read.
pub(crate) fn printable(text: &str) -> String {
    const CHARACTERS: usize = 128;
    match text.char_indices().nth(CHARACTERS) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}

/// The error for a name that no config has; names the nearest one.
pub(crate) fn unknown(of: &'static str, name: &str, names: impl Iterator<Item = &'static str>) -> ConfigError {
    const EDITS: usize = 3;
    let name = printable(name);
    // Names that differ more in length cannot be near; not comparing them keeps hostile requests cheap.
    let alike = names.filter(|known| known.len().abs_diff(name.len()) <= EDITS);
    let near = alike.map(|known| (distance(&name, known), known)).min().filter(|(edits, _)| *edits <= EDITS);
    let hint = near.map(|(_, known)| format!("; did you mean {known}?")).unwrap_or_default();
    ConfigError::Unknown { of, name, hint }
}

/// How many characters must be put in, taken out or changed to make one text the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, against) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *against);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(of: ConfigType, valid: Valid, raw: &str) -> String {
        parse("some.key", of, valid, raw).expect_err("illegal").to_string()
    }

    #[test]
    fn a_broken_rule_is_told_in_kafka_s_words() {
        let invalid = |why: &str, value: &str| format!("Invalid value {value} for configuration some.key: {why}");
        let cases = [
            (ConfigType::Long, Valid::Any, "abc", "Not a number of type LONG"),
            (ConfigType::Int, Valid::Any, "2147483648", "Not a number of type INT"),
            (ConfigType::Short, Valid::Any, "32768", "Not a number of type SHORT"),
            (ConfigType::Boolean, Valid::Any, "x", "Expected value to be either true or false"),
            (ConfigType::Long, Valid::AtLeast(-1), "-2", "Value must be at least -1"),
            (ConfigType::Int, Valid::Between(1, 17), "99", "Value must be no more than 17"),
            (ConfigType::Int, Valid::Between(1, 17), "0", "Value must be at least 1"),
            (ConfigType::Int, Valid::BetweenOr(1, 9, -1), "0", "Value must be between 1 and 9 or equal to -1"),
            (ConfigType::Double, Valid::Ratio, "2.0", "Value must be no more than 1"),
            (ConfigType::Double, Valid::Ratio, "NaN", "Not a number of type DOUBLE"),
            (ConfigType::List, Valid::EachOf(&["compact", "delete"]), "foo", "String must be one of: compact, delete"),
        ];
        for (of, valid, raw, why) in cases {
            assert_eq!(message(of, valid, raw), invalid(why, raw));
        }
    }

    #[test]
    fn fractions_are_printed_as_java_prints_them() {
        for (value, text) in
            [(0.0, "0.0"), (1.0, "1.0"), (0.5, "0.5"), (1e7, "1.0E7"), (0.0001, "1.0E-4"), (1.5e300, "1.5E300")]
        {
            assert_eq!(Value::Double(value).render(), text);
        }
    }

    #[test]
    fn throttled_replicas_are_a_star_or_pairs_of_numbers() {
        for (raw, legal) in [("", true), ("*", true), ("0:1,2:3", true), ("0", false), ("*,0:1", false), ("a:1", false)]
        {
            assert_eq!(parse("k", ConfigType::List, Valid::Replicas, raw).is_ok(), legal, "{raw}");
        }
    }

    #[test]
    fn a_list_is_trimmed_and_loses_its_repeats() {
        let value = parse("k", ConfigType::List, Valid::Any, " a , b,a,, ");
        assert_eq!(value, Ok(Value::List(vec!["a".into(), "b".into()])));
        let policy = |raw: &str| parse("k", ConfigType::List, Valid::EachOf(&["compact", "delete"]), raw).is_ok();
        assert!(policy("") && policy("delete, compact") && policy("delete,delete"));
        assert!(!policy("delete,") && !policy(",") && !policy("delete,,compact"));
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let names = || ["retention.ms", "segment.ms"].into_iter();
        let text = |name| unknown("topic", name, names()).to_string();
        assert_eq!(text("retenion.ms"), "Unknown topic config name: retenion.ms; did you mean retention.ms?");
        assert_eq!(text("nope"), "Unknown topic config name: nope");
    }

    #[test]
    fn a_huge_value_is_refused_and_not_repeated() {
        let error = parse("k", ConfigType::Long, Valid::Any, &"9".repeat(VALUE_LEN_MAX + 1)).expect_err("too long");
        assert!(error.to_string().len() < 200);
        let error = parse("k", ConfigType::Long, Valid::Any, &"x".repeat(1000)).expect_err("no number");
        assert!(error.to_string().len() < 300);
    }
}
