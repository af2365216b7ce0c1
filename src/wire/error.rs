//! Why bytes are no request, and why a value has no bytes.

use std::fmt;

/// Why bytes are no legal message. Kafka closes the connection on any of these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// An API or a version outside the table of [`crate::api`].
    #[error("api key {api_key} version {version} is not served")]
    NotServed {
        /// As in the request header.
        api_key: i16,
        /// As in the request header.
        version: i16,
    },
    /// An API that has its own decoder: [`crate::produce`], [`crate::fetch`].
    #[error("{0} requests are not decoded here")]
    OwnDecoder(&'static str),
    /// A body larger than its API may have.
    #[error("a {api} request of {given} bytes, at most {max} are read")]
    TooLarge {
        /// The API's name.
        api: &'static str,
        /// Bytes given.
        given: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The bytes end inside a field.
    #[error("{what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// The field.
        what: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes left.
        left: usize,
    },
    /// A length that no bytes can have.
    #[error("{what} declares a length of {declared}")]
    Length {
        /// The field.
        what: &'static str,
        /// The impossible number.
        declared: i64,
    },
    /// More elements than the remaining bytes can hold.
    #[error("{what} declares {declared} elements, {left} bytes are left")]
    Count {
        /// The array.
        what: &'static str,
        /// Elements declared.
        declared: usize,
        /// Bytes left.
        left: usize,
    },
    /// More elements in all arrays together than a message may have.
    #[error("{what} bring a request above {max} elements")]
    TooMany {
        /// The array that is one too many.
        what: &'static str,
        /// Elements allowed.
        max: usize,
    },
    /// A number that stands for nothing.
    #[error("{what} {given} is unknown")]
    Unknown {
        /// The field.
        what: &'static str,
        /// The number.
        given: i64,
    },
    /// Null where a value must be.
    #[error("{0} is null")]
    Null(&'static str),
    /// Text that is none.
    #[error("{0} is not UTF-8")]
    Utf8(&'static str),
    /// A varint of more than five bytes or 32 bits.
    #[error("{0} is no varint")]
    Varint(&'static str),
    /// Tags that do not rise.
    #[error("tagged field {tag} follows {previous}")]
    TagOrder {
        /// The tag before it.
        previous: u32,
        /// The offending tag.
        tag: u32,
    },
    /// The codec of the control plane refused the body.
    #[error("{api} version {version}: {reason}")]
    Body {
        /// The API's name.
        api: &'static str,
        /// Its version.
        version: i16,
        /// What the codec says.
        reason: CodecError,
    },
}

/// Why a value has no bytes: a bug or a limit on our side, never the peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A version outside the API's range.
    #[error("{api} version {version} cannot be written")]
    Version {
        /// The API's name.
        api: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// More bytes than a frame's length field can say.
    #[error("a frame of {0} bytes is too large")]
    TooLarge(usize),
    /// A topic's name where the version has its id, or the other way round.
    #[error("Fetch version {version} does not name topics this way")]
    TopicKey {
        /// The version asked for.
        version: i16,
    },
    /// A text longer than its length field can say.
    #[error("{what} of {given} bytes does not fit its length field")]
    Text {
        /// The field.
        what: &'static str,
        /// Its bytes.
        given: usize,
    },
    /// The codec of the control plane refused the value.
    #[error("{api} version {version}: {reason}")]
    Body {
        /// The API's name.
        api: &'static str,
        /// Its version.
        version: i16,
        /// What the codec says.
        reason: CodecError,
    },
}

/// What the codec of the control plane says; opaque, so that no one depends on which codec it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError(Box<str>);

impl CodecError {
    pub(crate) fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}
