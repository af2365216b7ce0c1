//! The types that a setting may have, and how each is read and written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use callboard_model::{BrokerId, ClusterId, TopicId};
use config::ValueKind;

use crate::Setting;

/// A number of bytes, written as `64MiB`, `100KB` or bare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const BINARY_UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL_UNITS: [(&str, u64); 5] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("KB", 1_000)];

impl ByteSize {
    /// The bare number of bytes.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; saturates where addresses are narrower.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BINARY_UNITS.iter().find(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            Some((unit, size)) => write!(f, "{}{unit}", self.0 / size),
            None => self.0.fmt(f),
        }
    }
}

/// Splits `10ms` into its number and its unit.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

impl Setting for ByteSize {
    const EXPECTS: &'static str = "a size such as \"64MiB\", or a bare number of bytes";

    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let size = match unit {
            "" | "B" => 1,
            _ => BINARY_UNITS.iter().chain(&DECIMAL_UNITS).find(|(name, _)| *name == unit)?.1,
        };
        number.checked_mul(size).map(Self)
    }

    fn from_number(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    fn amount(&self) -> Option<i128> {
        Some(self.0.into())
    }

    fn to_toml(&self) -> String {
        if BINARY_UNITS.iter().any(|(_, size)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            quote(&self.to_string())
        } else {
            self.0.to_string()
        }
    }
}

const TIME_UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Setting for Duration {
    const EXPECTS: &'static str = "a time such as \"30s\", with one of the units ms, s, m, h, d";

    fn from_text(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let millis = TIME_UNITS.iter().find(|(name, _)| *name == unit)?.1;
        number.checked_mul(millis).map(Self::from_millis)
    }

    fn amount(&self) -> Option<i128> {
        i128::try_from(self.as_millis()).ok()
    }

    fn to_toml(&self) -> String {
        let millis = self.as_millis();
        let fits = |size: u64| millis != 0 && millis.is_multiple_of(u128::from(size));
        let (unit, size) = TIME_UNITS.iter().find(|(_, size)| fits(*size)).copied().unwrap_or(("ms", 1));
        quote(&format!("{}{unit}", millis / u128::from(size)))
    }
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// The two together; the host without the brackets of an IPv6 address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// The name or address, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 stands for "any free one".
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether the host stands for every address of the machine.
    pub fn is_wildcard(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_unspecified())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Setting for HostPort {
    const EXPECTS: &'static str = "a host and a port such as \"127.0.0.1:9092\" or \"[::1]:9092\"";

    fn from_text(text: &str) -> Option<Self> {
        // Kafka writes listeners with the security protocol in front; the only one served is the plain one.
        let text = text.strip_prefix("PLAINTEXT://").unwrap_or(text);
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        if let Some(address) = host.strip_prefix('[') {
            let address = address.strip_suffix(']')?;
            return address.parse::<std::net::Ipv6Addr>().ok().map(|_| Self::new(address, port));
        }
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        (!host.is_empty() && host.chars().all(legal)).then(|| Self::new(host, port))
    }

    fn to_toml(&self) -> String {
        quote(&self.to_string())
    }
}

impl Setting for Option<HostPort> {
    const EXPECTS: &'static str = "a host and a port such as \"broker-1.example.com:9092\", or empty";

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { HostPort::from_text(text).map(Some) }
    }

    fn to_toml(&self) -> String {
        self.as_ref().map_or_else(|| quote(""), Setting::to_toml)
    }
}

impl Setting for Option<ClusterId> {
    const EXPECTS: &'static str = "22 characters of URL-safe base64, or empty";

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(None);
        }
        // The same form as a topic id: 16 bytes as base64.
        TopicId::parse(text).ok().map(|_| Some(ClusterId(text.into())))
    }

    fn to_toml(&self) -> String {
        quote(self.as_ref().map_or("", |id| &id.0))
    }
}

impl Setting for PathBuf {
    const EXPECTS: &'static str = "the path of a folder; \"~\" is not expanded here";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty() && !text.starts_with('~') && !text.contains('\0')).then(|| Self::from(text))
    }

    fn to_toml(&self) -> String {
        quote(&self.to_string_lossy())
    }
}

impl Setting for bool {
    const EXPECTS: &'static str = "true or false";
    const QUOTED: bool = false;

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_bool(flag: bool) -> Option<Self> {
        Some(flag)
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

macro_rules! whole_number {
    ($type:ty, $inner:ty, $wrap:expr, $unwrap:expr) => {
        impl Setting for $type {
            const EXPECTS: &'static str = "a whole number";
            const QUOTED: bool = false;

            fn from_text(text: &str) -> Option<Self> {
                text.parse::<$inner>().ok().map($wrap)
            }

            fn from_number(number: i64) -> Option<Self> {
                <$inner>::try_from(number).ok().map($wrap)
            }

            fn amount(&self) -> Option<i128> {
                Some(i128::from($unwrap(*self)))
            }

            fn to_toml(&self) -> String {
                $unwrap(*self).to_string()
            }
        }
    };
}

whole_number!(u16, u16, std::convert::identity, std::convert::identity::<u16>);
whole_number!(u32, u32, std::convert::identity, std::convert::identity::<u32>);
whole_number!(BrokerId, i32, BrokerId, BrokerId::get);

impl Setting for BTreeMap<String, String> {
    const EXPECTS: &'static str = "a table of names and values such as { \"retention.ms\" = 86400000 }";

    /// Only the empty table has a text form; entries have variables of their own.
    fn from_text(text: &str) -> Option<Self> {
        text.is_empty().then(Self::new)
    }

    /// Without quotes around its name, `retention.ms = 1` is a table in a table: the same is meant.
    fn from_table(table: &config::Map<String, config::Value>) -> Option<Self> {
        let mut entries = Self::new();
        for (name, value) in table {
            let text = match &value.kind {
                ValueKind::String(text) => text.clone(),
                ValueKind::I64(number) => number.to_string(),
                ValueKind::Boolean(flag) => flag.to_string(),
                ValueKind::Float(number) => number.to_string(),
                ValueKind::Table(inner) => {
                    let inner = Self::from_table(inner)?;
                    entries.extend(inner.into_iter().map(|(rest, text)| (format!("{name}.{rest}"), text)));
                    continue;
                }
                _ => return None,
            };
            entries.insert(name.clone(), text);
        }
        Some(entries)
    }

    fn to_toml(&self) -> String {
        if self.is_empty() {
            return "{}".to_owned();
        }
        let entries: Vec<String> =
            self.iter().map(|(name, value)| format!("{} = {}", quote(name), quote(value))).collect();
        format!("{{ {} }}", entries.join(", "))
    }
}

/// A text as a TOML basic string.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", control as u32)),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}
