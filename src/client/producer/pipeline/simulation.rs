//! The machine against a model of a broker and a hostile network, seeded: once and in order, whatever happens.

use std::time::Duration;

use super::*;

/// A batch of records that are numbers.
#[derive(Clone, Debug)]
struct Numbers {
    records: Vec<u32>,
    created: Instant,
}

impl Payload for Numbers {
    fn count(&self) -> u32 {
        self.records.len() as u32
    }
    fn created(&self) -> Instant {
        self.created
    }
    fn split(&self) -> Option<[Self; 2]> {
        let (one, two) = self.records.split_at(self.records.len() / 2);
        let half = |records: &[u32]| Self { records: records.to_vec(), created: self.created };
        (!one.is_empty()).then(|| [half(one), half(two)])
    }
}

/// A request on the wire; it may reach the broker long after the client has given it up.
#[derive(Clone, Debug)]
struct Request {
    key: u64,
    sequenced: Sequenced,
    records: Vec<u32>,
    /// When its connection was cut, if it was: nobody reads the answer then, and soon it can arrive no more.
    cut_at: Option<Instant>,
}

/// First number, last number, offset.
type Taken = (i32, i32, i64);

/// One partition's leader by Kafka's rules (`ProducerAppendInfo`, `ProducerStateEntry`).
#[derive(Default)]
struct Broker {
    log: Vec<u32>,
    /// Id, epoch, and the first and last number of the last five batches.
    producers: std::collections::BTreeMap<i64, (i16, VecDeque<Taken>)>,
    largest: usize,
}

impl Broker {
    fn append(&mut self, request: &Request) -> Result<i64, ErrorCode> {
        if request.records.len() > self.largest && request.records.len() > 1 {
            return Err(ErrorCode::MessageTooLarge);
        }
        // A record that the topic does not allow.
        if request.records.iter().any(|record| record % 97 == 0) {
            return Err(ErrorCode::InvalidRecord);
        }
        let it = request.sequenced;
        let first = it.base_sequence;
        let last = following(first, request.records.len() as u32 - 1);
        let (epoch, batches) = self.producers.entry(it.id.0).or_insert((it.epoch.0, VecDeque::new()));
        if it.epoch.0 < *epoch {
            return Err(ErrorCode::InvalidProducerEpoch);
        }
        if it.epoch.0 > *epoch {
            if first != 0 {
                return Err(ErrorCode::OutOfOrderSequenceNumber);
            }
            *epoch = it.epoch.0;
            batches.clear();
        }
        if let Some((_, _, offset)) = batches.iter().find(|(from, to, _)| (*from, *to) == (first, last)) {
            return Ok(*offset);
        }
        if batches.back().is_some_and(|(_, to, _)| following(*to, 1) != first) {
            return Err(ErrorCode::OutOfOrderSequenceNumber);
        }
        let offset = self.log.len() as i64;
        self.log.extend(&request.records);
        batches.push_back((first, last, offset));
        if batches.len() > 5 {
            batches.pop_front();
        }
        Ok(offset)
    }
}

struct World {
    random: fastrand::Rng,
    now: Instant,
    pipeline: Pipeline<Numbers>,
    broker: Broker,
    wire: VecDeque<Request>,
    answers: VecDeque<(u64, Result<i64, ErrorCode>)>,
    acked: Vec<u32>,
    failed: Vec<u32>,
    expired: Vec<u32>,
    next_record: u32,
    next_id: i64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let broker = Broker { largest: random.usize(2..12), ..Broker::default() };
        let pipeline = Pipeline::new(true, u32::MAX);
        let (wire, answers) = (VecDeque::new(), VecDeque::new());
        let (acked, failed, expired) = (Vec::new(), Vec::new(), Vec::new());
        let now = Instant::now();
        Self { random, now, pipeline, broker, wire, answers, acked, failed, expired, next_record: 1, next_id: 1 }
    }

    fn step(&mut self, calm: bool) {
        self.now += Duration::from_millis(self.random.u64(1..20));
        self.pipeline.settle(self.now);
        let now = self.now;
        self.wire.retain(|request| request.cut_at.is_none_or(|at| now < at + LATE_ARRIVAL));
        match self.random.u32(0..if calm { 60 } else { 100 }) {
            0..=19 if !calm => self.offer(),
            0..=39 => self.send(),
            40..=49 => self.arrive(),
            50..=59 => self.hear(),
            60..=69 => self.offer(),
            70..=74 => self.cut(),
            75..=77 => self.refuse(),
            78..=80 => self.expire(),
            81 => self.now += Duration::from_secs(1),
            _ => self.arrive(),
        }
        if self.pipeline.lacks_identity() {
            // Near the end of the epochs now and then.
            let epoch = if self.random.bool() { 0 } else { i16::MAX - 1 };
            self.pipeline.adopt(Identity { id: ProducerId(self.next_id), epoch: ProducerEpoch(epoch) });
            self.next_id += 1;
        }
    }

    fn offer(&mut self) {
        if self.pipeline.wants_new() {
            let count = self.random.u32(1..15);
            let records = (self.next_record..self.next_record + count).collect();
            self.next_record += count;
            self.pipeline.admit(Numbers { records, created: self.now });
        }
        self.send();
    }

    fn send(&mut self) {
        if let Some((key, batch, sequenced)) = self.pipeline.send(self.now) {
            let sequenced = sequenced.expect("numbered");
            self.wire.push_back(Request { key, sequenced, records: batch.records.clone(), cut_at: None });
        }
    }

    /// The broker works on the oldest request of the connection that lives, or on one of a connection that is cut.
    fn arrive(&mut self) {
        let zombie = self.random.bool();
        let at = self.wire.iter().position(|request| request.cut_at.is_some() == zombie);
        let Some(request) = at.and_then(|at| self.wire.remove(at)) else { return };
        let result = self.broker.append(&request);
        if request.cut_at.is_none() {
            self.answers.push_back((request.key, result));
        }
    }

    fn hear(&mut self) {
        if let Some((key, result)) = self.answers.pop_front() {
            let outcome = match result {
                Ok(base) => Outcome::Acked(Acknowledged { base_offset: Some(base), log_append_time: None }),
                Err(code) => refusal(code),
            };
            self.answered(key, outcome);
        }
    }

    /// The connection is cut: no answer comes any more, and requests may arrive later or never.
    fn cut(&mut self) {
        let mut lost: Vec<u64> = self.answers.drain(..).map(|(key, _)| key).collect();
        for request in self.wire.iter_mut().filter(|request| request.cut_at.is_none()) {
            request.cut_at = Some(self.now);
            lost.push(request.key);
        }
        let vanish = self.random.bool();
        self.wire.retain(|request| request.cut_at.is_none() || !vanish);
        for key in lost {
            self.answered(key, Outcome::Retry { error: error(ErrorCode::NetworkException), uncertain: true });
        }
    }

    /// The broker refuses the oldest request for a while, as when it does not lead.
    fn refuse(&mut self) {
        let Some(at) = self.wire.iter().position(|request| request.cut_at.is_none()) else { return };
        let request = self.wire.remove(at).expect("just found");
        self.answers.push_back((request.key, Err(ErrorCode::NotLeaderOrFollower)));
    }

    fn expire(&mut self) {
        let until = self.now - Duration::from_millis(self.random.u64(100..1500));
        for effect in self.pipeline.expire(until, self.now) {
            self.note(effect);
        }
    }

    fn answered(&mut self, key: u64, outcome: Outcome) {
        let retry_at = self.now + Duration::from_millis(self.random.u64(0..30));
        if let Some(effect) = self.pipeline.answered(key, outcome, self.now, retry_at) {
            self.note(effect);
        }
    }

    fn note(&mut self, effect: Effect<Numbers>) {
        match effect {
            Effect::Acked(batch, done) => {
                if let Some(base) = done.base_offset {
                    let base = base as usize;
                    assert_eq!(self.broker.log[base..base + batch.records.len()], batch.records, "the offset is right");
                }
                self.acked.extend(batch.records);
            }
            Effect::Failed(batch, _) => self.failed.extend(batch.records),
            Effect::Expired { batch, sent: true, .. } => self.expired.extend(batch.records),
            Effect::Expired { batch, sent: false, .. } => self.failed.extend(batch.records),
        }
    }

    fn check(&self, seed: u64) {
        let log = &self.broker.log;
        assert!(log.windows(2).all(|pair| pair[0] < pair[1]), "seed {seed}: once and in order: {log:?}");
        for record in &self.acked {
            assert!(log.binary_search(record).is_ok(), "seed {seed}: acknowledged {record} is not in the log");
        }
        for record in &self.failed {
            assert!(log.binary_search(record).is_err(), "seed {seed}: refused {record} is in the log");
        }
    }
}

fn error(code: ErrorCode) -> ClientError {
    ClientError::from_code(code.code(), "t-0", None).expect("no success")
}

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::of_refusal(code, error(code))
}

#[test]
fn every_record_is_in_the_log_once_and_in_order_whatever_the_network_does() {
    let (mut acked, mut failed, mut expired) = (0, 0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.step(false);
        }
        world.check(seed);
        // In calm weather everything comes to an end.
        for _ in 0..1500 {
            world.step(true);
        }
        world.check(seed);
        assert!(world.pipeline.is_empty(), "seed {seed}: {:?}", world.pipeline);
        assert_eq!(
            world.acked.len() + world.failed.len() + world.expired.len(),
            world.next_record as usize - 1,
            "seed {seed}: everyone is told, once"
        );
        (acked, failed, expired) =
            (acked + world.acked.len(), failed + world.failed.len(), expired + world.expired.len());
    }
    assert!(acked > 10_000 && failed > 1_000 && expired > 1_000, "{acked} {failed} {expired}");
}
