//! What can go wrong with a load as a whole.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use callboard_wire::{DecodeError, EncodeError};

/// Why a load has no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("the runtime cannot be built: {0}")]
    Runtime(io::Error),
    #[error("connection {number} to {server}: {source}")]
    Connect { number: usize, server: SocketAddr, source: io::Error },
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("{wrong} of {all} connections failed; the first: {first}")]
    Failed { wrong: usize, all: usize, first: LinkError },
    #[error("{0}")]
    Unmet(String),
}

/// Why one connection has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("socket: {0}")]
    Io(#[from] io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("an answer announces {0} bytes")]
    Length(i32),
    #[error("answer {given} came where {expected} was due")]
    MixedUp { given: i32, expected: i32 },
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error("{api} is refused: error {code}")]
    Refused { api: &'static str, code: i16 },
    #[error("{0}")]
    Wrong(String),
}

impl LinkError {
    /// Whether a topic that has just been made is not there yet, which clients wait for: UNKNOWN_TOPIC_OR_PARTITION, or
    /// NOT_LEADER_OR_FOLLOWER.
    pub(crate) fn is_too_early(&self) -> bool {
        matches!(self, Self::Refused { code: 3 | 6, .. })
    }
}
