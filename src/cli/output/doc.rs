//! A document: an ordered tree of values, printed as JSON or YAML.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// A value of a document. Maps keep the order in which they were written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Doc {
    /// Nothing is known.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Doc>),
    Map(Vec<(String, Doc)>),
}

impl Doc {
    pub(crate) fn map<K: Into<String>>(pairs: impl IntoIterator<Item = (K, Doc)>) -> Self {
        Self::Map(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(crate) fn list<T: Into<Doc>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }

    pub(crate) fn json_line(&self) -> String {
        serde_json::to_string(self).expect("keys are texts, so every document is JSON")
    }

    pub(crate) fn json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).expect("keys are texts, so every document is JSON")
    }

    /// A document out of JSON that a node sent.
    pub(crate) fn of_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(it) => Self::Bool(*it),
            serde_json::Value::Number(it) => it
                .as_i64()
                .map_or_else(|| Self::Float(it.as_f64().expect("a number that is no i64 is an u64 or f64")), Self::Int),
            serde_json::Value::String(it) => Self::Text(it.clone()),
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(pairs) => Self::map(pairs.iter().map(|(key, it)| (key, Self::of_json(it)))),
        }
    }
}

impl Serialize for Doc {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(it) => to.serialize_bool(*it),
            Self::Int(it) => to.serialize_i64(*it),
            Self::Float(it) => to.serialize_f64(*it),
            Self::Text(it) => to.serialize_str(it),
            Self::List(items) => {
                let mut list = to.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(item)?;
                }
                list.end()
            }
            Self::Map(pairs) => {
                let mut map = to.serialize_map(Some(pairs.len()))?;
                for (key, value) in pairs {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

impl From<bool> for Doc {
    fn from(it: bool) -> Self {
        Self::Bool(it)
    }
}

impl From<i64> for Doc {
    fn from(it: i64) -> Self {
        Self::Int(it)
    }
}

impl From<i32> for Doc {
    fn from(it: i32) -> Self {
        Self::Int(it.into())
    }
}

impl From<u64> for Doc {
    fn from(it: u64) -> Self {
        i64::try_from(it).map_or(Self::Float(it as f64), Self::Int)
    }
}

impl From<usize> for Doc {
    fn from(it: usize) -> Self {
        Self::from(it as u64)
    }
}

impl From<f64> for Doc {
    fn from(it: f64) -> Self {
        Self::Float(it)
    }
}

impl From<&str> for Doc {
    fn from(it: &str) -> Self {
        Self::Text(it.to_owned())
    }
}

impl From<String> for Doc {
    fn from(it: String) -> Self {
        Self::Text(it)
    }
}

impl<T: Into<Doc>> From<Option<T>> for Doc {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Null, Into::into)
    }
}
