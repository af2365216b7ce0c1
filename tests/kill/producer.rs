//! A producer: several batches per request, several requests under way, and an exact book of what became of each.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use callboard_model::{ErrorCode, Offset};
use callboard_test_client::{Acks, Client, ClientError, Idempotence, OffsetAt, PartitionBatch, Produced};

use crate::checks::Check;
use crate::ledger::{Kind, Ledger};
use crate::random::Random;
use crate::stage::Stage;
use crate::workload::{BatchId, PLACES, Place};

/// Requests under way at most. A node remembers five batches of an idempotent producer (KIP-98).
const IDEMPOTENT_DEPTH: u64 = 5;
const PLAIN_DEPTH: u64 = 8;
/// What marks a producer's own random numbers.
const DECISIONS: u64 = 0x70726f64;

/// A batch of a request.
#[derive(Clone, Debug)]
struct Sent {
    place: Place,
    number: u32,
    records: usize,
    bytes: Bytes,
    /// The log's end just before it was sent again: acknowledged below it, it was recognised.
    end_before: Option<Offset>,
}

type Request = Vec<Sent>;

/// One producer.
struct Producer<'a> {
    stage: &'a Stage,
    number: u16,
    ledger: Ledger,
    random: Random,
    /// The next sequence number by place.
    sequences: Vec<i32>,
    under_way: VecDeque<Request>,
    /// To be sent before anything new, as it was sent before.
    again: VecDeque<Request>,
    /// Refused for now; sent again when nothing is under way.
    refused: Vec<Sent>,
}

/// Produces until the story finishes, or is over; gives what it knows.
pub(crate) fn run(stage: &Stage, number: u16, kind: Kind) -> Ledger {
    // Every other producer soon passes the largest sequence number, after which comes 0.
    let first_sequence = if number.is_multiple_of(2) { 0 } else { i32::MAX - 300 };
    let mut producer = Producer {
        stage,
        number,
        ledger: Ledger::new(kind),
        random: Random::new(stage.workload.seed, &[DECISIONS, u64::from(number)]),
        sequences: vec![first_sequence; PLACES],
        under_way: VecDeque::new(),
        again: VecDeque::new(),
        refused: Vec::new(),
    };
    while let Some((mut client, life)) = stage.connect() {
        match producer.converse(&mut client) {
            Ok(()) => break,
            Err(error) => {
                producer.disconnected();
                stage.judge(&format!("producer {number}"), &error, life);
            }
        }
    }
    producer.ledger
}

impl Producer<'_> {
    /// Talks until all is done or the connection is lost.
    fn converse(&mut self, client: &mut Client) -> Result<(), ClientError> {
        if self.ledger.kind == Kind::Idempotent && self.ledger.identity.is_none() {
            self.ledger.identity = Some(client.init_producer_id()?);
        }
        self.note_ends(client)?;
        let depth = match self.ledger.kind {
            Kind::Idempotent => self.random.between(1, IDEMPOTENT_DEPTH),
            Kind::Plain(_) => self.random.between(1, PLAIN_DEPTH),
        };
        loop {
            while (self.under_way.len() as u64) < depth {
                if let Some(request) = self.again.pop_front() {
                    self.stage.repeated.fetch_add(request.len() as u64, SeqCst);
                    self.send(client, request)?;
                } else if self.refused.is_empty() && !self.stage.is_finishing() {
                    let request = self.plan();
                    self.send(client, request)?;
                } else {
                    break;
                }
            }
            if !self.under_way.is_empty() {
                let produced = client.receive_produce()?;
                self.answered(produced);
            } else if !self.refused.is_empty() {
                self.stage.pause();
                // One batch each, so that their order holds.
                self.again = std::mem::take(&mut self.refused).into_iter().map(|sent| vec![sent]).collect();
            } else if self.again.is_empty() && self.stage.is_finishing() {
                return Ok(());
            }
            if self.stage.is_over() {
                return Ok(());
            }
        }
    }

    /// Where the logs end before anything is sent again.
    fn note_ends(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let mut again: Vec<&mut Sent> = self.again.iter_mut().flatten().collect();
        if again.is_empty() {
            return Ok(());
        }
        let at: Vec<_> = Place::all()
            .filter(|place| again.iter().any(|sent| sent.place == *place))
            .map(|place| OffsetAt { topic: place.topic(), partition: place.partition(), timestamp: OffsetAt::LATEST })
            .collect();
        for listed in client.list_offsets(&at)?.into_iter().filter(|listed| listed.error == ErrorCode::None) {
            let place = Place::of(&listed.topic, listed.partition);
            again
                .iter_mut()
                .filter(|sent| Some(sent.place) == place)
                .for_each(|sent| sent.end_before = Some(listed.offset));
        }
        Ok(())
    }

    /// A new request: batches for one to four different places.
    fn plan(&mut self) -> Request {
        let count = if self.random.one_in(2) { 1 } else { self.random.between(2, 4) };
        let mut request = Request::new();
        for _ in 0..count {
            let place = Place::choose(&mut self.random);
            if request.iter().all(|sent| sent.place != place) {
                request.push(self.batch(place));
            }
        }
        request
    }

    fn batch(&mut self, place: Place) -> Sent {
        let idempotence = self.ledger.identity.map(|identity| Idempotence {
            producer_id: identity.producer_id,
            producer_epoch: identity.producer_epoch,
            base_sequence: self.sequences[usize::from(place.0)],
        });
        let number = self.ledger.sending(place, idempotence.map_or(-1, |stamp| stamp.base_sequence));
        let records = self.stage.workload.records(BatchId { producer: self.number, place, number });
        let sequence = &mut self.sequences[usize::from(place.0)];
        *sequence = ((i64::from(*sequence) + records.len() as i64) & i64::from(i32::MAX)) as i32;
        Sent { place, number, records: records.len(), bytes: records.encode(idempotence), end_before: None }
    }

    fn send(&mut self, client: &mut Client, request: Request) -> Result<(), ClientError> {
        let acks = match self.ledger.kind {
            Kind::Idempotent => Acks::All,
            Kind::Plain(acks) => acks,
        };
        let batches: Vec<_> = request
            .iter()
            .map(|sent| PartitionBatch {
                topic: sent.place.topic(),
                partition: sent.place.partition(),
                batch: sent.bytes.clone(),
            })
            .collect();
        // Noted first: part of it may arrive even if sending fails.
        self.under_way.push_back(request);
        self.stage.under_way.fetch_add(1, SeqCst);
        client.send_produce(acks, &batches)
    }

    /// Takes the answer to the oldest request.
    fn answered(&mut self, produced: Vec<Produced>) {
        let request = self.under_way.pop_front().expect("an answer is received only if a request is under way");
        self.stage.under_way.fetch_sub(1, SeqCst);
        self.stage.checks.looked(Check::Answers, 1);
        for sent in request {
            let answer =
                produced.iter().find(|one| one.topic == sent.place.topic() && one.partition == sent.place.partition());
            match answer {
                Some(answer) if answer.error == ErrorCode::None => self.acknowledged(&sent, answer.base_offset),
                Some(answer) => self.refused(sent, answer),
                None => self.complain(&sent, "is not named in the answer"),
            }
        }
    }

    fn acknowledged(&mut self, sent: &Sent, base: Offset) {
        if base.get() < 0 {
            return self.complain(sent, &format!("is acknowledged at offset {base}"));
        }
        self.ledger.acknowledged(sent.place, sent.number, base);
        self.stage.acknowledge_to(sent.place, base.plus(sent.records as i64));
        self.stage.checks.looked(Check::Recognised, u64::from(sent.end_before.is_some_and(|end| base < end)));
        self.stage.acknowledged.fetch_add(1, SeqCst);
        self.stage.acknowledged_bytes.fetch_add(sent.bytes.len() as u64, SeqCst);
    }

    /// An idempotent producer tries again; for another, the batch stays unknown.
    fn refused(&mut self, sent: Sent, answer: &Produced) {
        let one_before_was_refused = self.refused.iter().any(|other| other.place == sent.place);
        let follows = answer.error == ErrorCode::OutOfOrderSequenceNumber && one_before_was_refused;
        if !answer.error.is_retriable() && !follows {
            return self.complain(&sent, &format!("is refused: {} {:?}", answer.error, answer.message));
        }
        if self.ledger.kind == Kind::Idempotent {
            self.refused.push(sent);
        } else {
            self.stage.pause();
        }
    }

    fn complain(&self, sent: &Sent, what: &str) {
        let id = BatchId { producer: self.number, place: sent.place, number: sent.number };
        self.stage.checks.wrong(Check::Answers, format!("after {} kills: {id} {what}", self.stage.kills()));
    }

    /// What was under way has no answer any more.
    fn disconnected(&mut self) {
        self.stage.under_way.fetch_sub(self.under_way.len(), SeqCst);
        if self.ledger.kind != Kind::Idempotent {
            self.under_way.clear();
            return;
        }
        // In the order in which they were first sent, per place.
        let mut again: VecDeque<Request> =
            std::mem::take(&mut self.refused).into_iter().map(|sent| vec![sent]).collect();
        again.append(&mut self.under_way);
        again.append(&mut self.again);
        self.again = again;
    }
}
