//! What a key is, and the one form in which a section declares its keys.

use config::ValueKind;

use crate::Settings;

/// One setting: all that is known of it.
#[derive(Debug)]
pub struct Key {
    /// The full name, `section.key`.
    pub name: &'static str,
    /// What it means and when to change it; one line per line of source, each with a leading space.
    pub(crate) doc: &'static str,
    /// What one counts: bytes, partitions, connections; empty where the value is no amount.
    pub unit: &'static str,
    /// The default, as it would be written in a variable.
    pub default: &'static str,
    /// What a legal value looks like.
    pub expects: &'static str,
    /// The smallest and the largest legal value, if bounded.
    pub range: Option<(&'static str, &'static str)>,
    /// Kafka's name for the same thing, if it has one.
    pub kafka: Option<&'static str>,
    pub(crate) read: fn(&mut Settings, &ValueKind, Spelling) -> Result<(), Fault>,
    pub(crate) show: fn(&Settings) -> String,
}

/// Why a value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not of the form that the key expects.
    Form,
    /// Of the right form, outside the bounds.
    Range,
}

impl Key {
    /// The section, as in `[kafka]`.
    pub fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// The name within its section.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{}{}", crate::layers::VARIABLE_PREFIX, self.name.replace('.', "__").to_uppercase())
    }

    /// What it means and when to change it, as lines.
    pub fn doc_lines(&self) -> impl Iterator<Item = &'static str> {
        self.doc.lines().map(str::trim)
    }
}

/// A type that a key may have.
pub(crate) trait Setting: Sized {
    /// What a legal value looks like, for a message: "a size such as \"64MiB\"".
    const EXPECTS: &'static str;

    /// Reads what stands in a variable, on the command line, or between quotes in a file.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a bare TOML number; most types take none.
    fn from_number(_number: i64) -> Option<Self> {
        None
    }

    /// Reads a bare TOML `true` or `false`; most types take none.
    fn from_bool(_flag: bool) -> Option<Self> {
        None
    }

    /// Reads a TOML table of names and values; most types take none.
    fn from_table(_table: &config::Map<String, config::Value>) -> Option<Self> {
        None
    }

    /// Whether a quoted text in a file is a legal spelling; numbers and switches want to stand bare there.
    const QUOTED: bool = true;

    /// The amount, for comparing with the bounds; `None` if there is nothing to compare.
    fn amount(&self) -> Option<i128> {
        None
    }

    /// The value as TOML.
    fn to_toml(&self) -> String;
}

/// How a value was written: `id = "1"` is wrong in a file, and `CALLBOARD__NODE__ID=1` right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As TOML, with types.
    Toml,
    /// As bare text: a variable or a flag.
    Text,
}

pub(crate) fn read<T: Setting>(value: &ValueKind, spelling: Spelling, range: Option<(&str, &str)>) -> Result<T, Fault> {
    let taken = match value {
        ValueKind::String(text) if spelling == Spelling::Text => T::from_text(text.trim()),
        ValueKind::String(text) if T::QUOTED => T::from_text(text),
        ValueKind::I64(number) => T::from_number(*number),
        ValueKind::Boolean(flag) => T::from_bool(*flag),
        ValueKind::Table(table) => T::from_table(table),
        _ => None,
    };
    in_range(taken.ok_or(Fault::Form)?, range)
}

fn in_range<T: Setting>(value: T, range: Option<(&str, &str)>) -> Result<T, Fault> {
    let bound = |text| T::from_text(text).and_then(|bound| bound.amount());
    let (Some(amount), Some((low, high))) = (value.amount(), range) else {
        return Ok(value);
    };
    let below = bound(low).is_some_and(|low| amount < low);
    let above = bound(high).is_some_and(|high| amount > high);
    if below || above { Err(Fault::Range) } else { Ok(value) }
}

/// Declares a section: the struct with its documented fields, and the table of its keys.
macro_rules! section {
    (
        $section:ident: $(#[doc = $purpose:literal])+
        $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:literal
                    $(, unit $unit:literal)? $(, from $low:literal to $high:literal)? $(, kafka $kafka:literal)?;
            )+
        }
    ) => {
        $(#[doc = $purpose])+
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $name {
            pub(crate) const PURPOSE: &'static str = concat!($($purpose, "\n"),+);
            pub(crate) const KEYS: &'static [$crate::Key] = &[$(
                $crate::Key {
                    name: concat!(stringify!($section), ".", stringify!($field)),
                    doc: concat!($($doc, "\n"),+),
                    unit: concat!($($unit)?),
                    default: $default,
                    expects: <$type as $crate::Setting>::EXPECTS,
                    range: section!(@option $(($low, $high))?),
                    kafka: section!(@option $($kafka)?),
                    read: |settings, value, spelling| {
                        let range = section!(@option $(($low, $high))?);
                        settings.$section.$field = $crate::key::read::<$type>(value, spelling, range)?;
                        Ok(())
                    },
                    show: |settings| $crate::Setting::to_toml(&settings.$section.$field),
                },
            )+];
        }

        impl Default for $name {
            fn default() -> Self {
                Self {$(
                    $field: <$type as $crate::Setting>::from_text($default).expect("a test reads every default"),
                )+}
            }
        }
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
}

pub(crate) use section;
