//! The tree as people see it.

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use crate::{ActorState, FailureInfo, Path, record::Record};

/// One actor at one moment; read without disturbing it, so the numbers may be a message apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActorInfo {
    pub path: Path,
    /// type of the actor
    pub kind: &'static str,
    pub state: ActorState,
    pub incarnation: u64,
    pub restarts: u32,
    /// messages queued or in hand
    pub mailbox_messages: usize,
    pub mailbox_bytes: usize,
    pub limit_messages: usize,
    pub limit_bytes: usize,
    /// age of the oldest waiting message, in milliseconds (resolution 20 ms); `None` when none waits
    pub oldest_message_age_ms: Option<u64>,
    pub handled: u64,
    /// messages refused for want of credits
    pub refused: u64,
    pub dead_letters: u64,
    pub last_failure: Option<FailureInfo>,
    /// what is being handled now, and for how long
    pub current: Option<Current>,
    /// 0 is the system arbiter, data arbiters follow
    pub arbiter: usize,
    /// of a supervisor
    pub strategy: Option<&'static str>,
}

/// The message in hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Current {
    pub message: &'static str,
    /// resolution 20 ms
    pub for_ms: u64,
}

impl ActorInfo {
    pub(crate) fn of(record: &Record) -> ActorInfo {
        let now_ms = record.system.clock().coarse_ms();
        let messages = record.credits.messages();
        let limits = record.credits.limits();
        let busy_ms = record.busy_ms.load(Relaxed);
        ActorInfo {
            path: record.path.clone(),
            kind: record.kind,
            state: record.state(),
            incarnation: record.incarnation(),
            restarts: record.restarts.load(Relaxed),
            mailbox_messages: messages,
            mailbox_bytes: record.credits.bytes(),
            limit_messages: limits.messages,
            limit_bytes: limits.bytes,
            oldest_message_age_ms: (messages > 0)
                .then(|| u64::from((now_ms as u32).wrapping_sub(record.oldest_ms.load(Relaxed)))),
            handled: record.handled.load(Relaxed),
            refused: record.refused.load(Relaxed),
            dead_letters: record.dead_letters.load(Relaxed),
            last_failure: record.last_failure(),
            current: (busy_ms > 0)
                .then(|| Current { message: record.current(), for_ms: now_ms.saturating_sub(busy_ms - 1) }),
            arbiter: record.arbiter,
            strategy: record.strategy,
        }
    }
}
