//! One member of a classic group, and the moment by which it must have been heard of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use callboard_model::Tick;
use callboard_shard::Caller;

use crate::record::MemberMetadata;
use crate::{GroupProtocol, InstanceId, MemberId};

/// When something is due, and when its timer fires. The timer is left alone when the moment is put off, so a heartbeat
/// costs a store; it fires early then and is started again for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Alarm {
    due: Tick,
    fires: Option<Tick>,
}

/// What to do about a timer that has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    /// The moment has come.
    Due,
    /// It was put off: fire again after this time.
    Later(Duration),
}

impl Alarm {
    /// Moves the moment; the timer is to be started if that is returned.
    pub(crate) fn set(&mut self, now: Tick, after: Duration) -> Option<Duration> {
        self.due = now.after(after);
        if self.fires.is_some_and(|fires| fires <= self.due) {
            return None;
        }
        self.fires = Some(self.due);
        Some(after)
    }

    /// Notes that the timer has fired.
    pub(crate) fn fired(&mut self, now: Tick) -> Fired {
        self.fires = None;
        if now >= self.due {
            return Fired::Due;
        }
        self.fires = Some(self.due);
        Fired::Later(self.due.since(now))
    }
}

/// A member and what it waits for.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) client_id: Arc<str>,
    pub(crate) client_host: Arc<str>,
    pub(crate) session_timeout_ms: i32,
    pub(crate) rebalance_timeout_ms: i32,
    /// In the order of its preference, each name once.
    pub(crate) protocols: Vec<GroupProtocol>,
    pub(crate) assignment: Bytes,
    /// Waits for the next generation.
    pub(crate) joining: Option<Caller>,
    /// Waits for its assignment.
    pub(crate) syncing: Option<Caller>,
    /// It has not been in a generation yet, so it may not know its id and counts as gone though it waits.
    pub(crate) is_new: bool,
    pub(crate) session: Alarm,
}

/// Milliseconds as they came, negative for none.
pub(crate) fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Each name once; the first one counts. A client may send very many.
pub(crate) fn each_once(mut protocols: Vec<GroupProtocol>) -> Vec<GroupProtocol> {
    let mut known = BTreeSet::new();
    protocols.retain(|protocol| known.insert(protocol.name.clone()));
    protocols
}

impl Member {
    /// A member as it was written down; it knows one protocol until it joins again.
    pub(crate) fn recorded(record: &MemberMetadata, protocol: &Arc<str>) -> Self {
        Self {
            instance: record.instance.clone(),
            client_id: record.client_id.clone(),
            client_host: record.client_host.clone(),
            session_timeout_ms: record.session_timeout_ms,
            rebalance_timeout_ms: record.rebalance_timeout_ms,
            protocols: vec![GroupProtocol { name: protocol.clone(), metadata: record.subscription.clone() }],
            assignment: record.assignment.clone(),
            joining: None,
            syncing: None,
            is_new: false,
            session: Alarm::default(),
        }
    }

    /// What is written down of it.
    pub(crate) fn metadata(&self, id: &MemberId, protocol: Option<&str>) -> MemberMetadata {
        MemberMetadata {
            member: id.clone(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.subscription(protocol),
            assignment: self.assignment.clone(),
        }
    }

    /// What it says under a protocol; nothing if it does not know that.
    pub(crate) fn subscription(&self, protocol: Option<&str>) -> Bytes {
        let known = |name| self.protocols.iter().find(|known| &*known.name == name);
        protocol.and_then(known).map(|known| known.metadata.clone()).unwrap_or_default()
    }

    /// Whether silence is no sign of death: it waits for us.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }
}
