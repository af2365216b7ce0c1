//! Brokers joining, and blocks of producer ids.

use callboard_model::{BrokerId, ErrorCode, ProducerId};

use super::{ApiError, Controller, Outcome};
use crate::record::{BrokerEpoch, Endpoint, IncarnationId, Record};

/// A broker that is ready to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id.
    pub broker: BrokerId,
    /// Which run of its process.
    pub incarnation: IncarnationId,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// Its failure domain.
    pub rack: Option<String>,
}

/// What a registration came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// The broker is new in the cluster.
    Joined(BrokerEpoch),
    /// It was known from an earlier run; everything that it leads got a new leader epoch.
    Restarted(BrokerEpoch),
    /// It is the same run with another address or rack.
    Updated(BrokerEpoch),
    /// It is the same run and nothing is new.
    Unchanged(BrokerEpoch),
}

impl Registered {
    /// The epoch that fences its older registrations.
    pub fn epoch(self) -> BrokerEpoch {
        match self {
            Self::Joined(epoch) | Self::Restarted(epoch) | Self::Updated(epoch) | Self::Unchanged(epoch) => epoch,
        }
    }
}

/// Producer ids that one broker may give out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerIdBlock {
    /// The first.
    pub first: ProducerId,
    /// How many.
    pub count: u32,
}

impl ProducerIdBlock {
    /// The ids in it.
    pub fn ids(self) -> impl Iterator<Item = ProducerId> {
        (self.first.0..).take(self.count as usize).map(ProducerId)
    }
}

impl Controller {
    /// Registers a broker. A new run of a known broker keeps what it leads, in a new leader epoch, so that whatever
    /// the old run left behind is fenced.
    pub fn register_broker(&self, registration: Registration) -> Outcome<Registered> {
        let Registration { broker, incarnation, endpoints, rack } = registration;
        let epoch = BrokerEpoch(i64::try_from(self.image.applied().saturating_add(1)).unwrap_or(i64::MAX));
        let (reply, restarted) = match self.image.broker(broker) {
            None => (Registered::Joined(epoch), false),
            Some(known) if known.incarnation != incarnation => (Registered::Restarted(epoch), true),
            Some(known) if known.endpoints == endpoints && known.rack == rack && !known.fenced => {
                return Outcome { records: Vec::new(), reply: Registered::Unchanged(known.epoch) };
            }
            Some(_) => (Registered::Updated(epoch), false),
        };
        let mut records = vec![Record::RegisterBroker { broker, incarnation, epoch, endpoints, rack, fenced: false }];
        if restarted {
            records.push(Record::BrokerRestarted { broker });
        }
        Outcome { records, reply }
    }

    /// Takes `count` producer ids that nobody was ever given (KIP-730). Ids of a block that is lost stay unused.
    pub fn allocate_producer_ids(&self, count: u32) -> Outcome<Result<ProducerIdBlock, ApiError>> {
        let first = self.image.next_producer_id();
        let Some(next) = first.0.checked_add(i64::from(count)) else {
            let error = ApiError::new(ErrorCode::UnknownServerError, "Exhausted all producerIds.");
            return Outcome { records: Vec::new(), reply: Err(error) };
        };
        let records = if count == 0 { Vec::new() } else { vec![Record::ProducerIds { next: ProducerId(next) }] };
        Outcome { records, reply: Ok(ProducerIdBlock { first, count }) }
    }
}
