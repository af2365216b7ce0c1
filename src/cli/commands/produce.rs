//! `callboard produce`: records from standard input, from files, or as JSON, each acknowledged or told of.

mod input;

use std::collections::VecDeque;
use std::io::Write as _;
use std::time::Duration;

use callboard_client::model::Timestamp;
use callboard_client::{ClientError, Delivery, Header, Producer, ProducerOptions, ProducerRecord, RecordMetadata};
use tokio::time::Instant;

use super::topic::now_ms;
use crate::arguments::{Produce, Shown};
use crate::connection::{Client, Place};
use crate::fault::{Exit, Fault};
use crate::run::{complain, emit};
use input::{Input, Taken};

/// Deliveries that are waited for behind those that are sent.
const OUTSTANDING: usize = 10_000;
/// Failures that are told one by one.
const TOLD: u64 = 5;
/// How long the last records may take, beyond `delivery.timeout.ms`.
const GRACE: Duration = Duration::from_secs(5);

pub(crate) async fn run(asked: &Produce) -> Result<Exit, Fault> {
    let place = Place::find(&asked.link, None)?.running(&[Client::Producer]);
    let mut options = ProducerOptions::new(&place.brokers);
    options.cluster = place.plain_options();
    options.cluster.allow_auto_create_topics = true;
    options.cluster.request_timeout = Duration::from_secs(30);
    // A topic that nobody may create is told of soon.
    options.max_block = place.timeout;
    if let Some(codec) = asked.compression {
        options.set("compression.type", codec.name()).map_err(|error| crate::connection::option_fault(&error))?;
    }
    place.apply(|key, value| options.set(key, value))?;
    let headers = headers(&asked.headers)?;
    let delivery_timeout = options.delivery_timeout;
    let mut input = Input::open(asked)?;
    let producer = Producer::connect(options).await.map_err(|error| place.fault(&error))?;
    let mut sent = Sent { place: &place, asked, waiting: VecDeque::new(), acknowledged: 0, failed: 0, first: None };
    let pace = asked.rate.map(|rate| Duration::from_secs(1) / rate);
    let mut next = Instant::now();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let exit = loop {
        let taken = tokio::select! {
            _ = &mut interrupted => break Exit::Interrupted,
            taken = input.next() => taken?,
        };
        let Some(taken) = taken else { break Exit::Ok };
        let record = record(asked, &headers, taken);
        match producer.send(record).await {
            Ok(delivery) => sent.waiting.push_back(delivery),
            Err(error) => {
                sent.refused(&error);
                // A topic that is not there will not be there for the next record either.
                if sent.acknowledged == 0 && sent.waiting.is_empty() {
                    break Exit::Ok;
                }
            }
        }
        sent.collect(OUTSTANDING).await?;
        if let Some(pace) = pace {
            next += pace;
            tokio::time::sleep_until(next).await;
        }
    };
    producer.flush().await;
    sent.collect(0).await?;
    producer.close(delivery_timeout + GRACE).await.map_err(|error| place.fault(&error))?;
    sent.end(exit)
}

/// What became of what was sent.
struct Sent<'a> {
    place: &'a Place,
    asked: &'a Produce,
    waiting: VecDeque<Delivery>,
    acknowledged: u64,
    failed: u64,
    first: Option<Fault>,
}

impl Sent<'_> {
    /// Waits until no more than `most` are undecided, oldest first.
    async fn collect(&mut self, most: usize) -> Result<(), Fault> {
        // Whatever is decided anyway need not wait for a full queue.
        while self.waiting.len() > most {
            let Some(delivery) = self.waiting.pop_front() else { break };
            match delivery.await {
                Ok(arrived) => self.arrived(&arrived)?,
                Err(error) => self.refused(&error),
            }
        }
        Ok(())
    }

    fn arrived(&mut self, arrived: &RecordMetadata) -> Result<(), Fault> {
        self.acknowledged += 1;
        if self.asked.verbose {
            let offset = arrived.offset.map_or_else(|| "?".to_owned(), |offset| offset.to_string());
            emit(&format!("{}\t{}\t{offset}\n", arrived.topic, arrived.partition))?;
        }
        Ok(())
    }

    fn refused(&mut self, error: &ClientError) {
        self.failed += 1;
        let fault = self.place.fault(error);
        if self.failed <= TOLD {
            complain(&Shown { color: self.asked.color, ..Shown::default() }, &fault);
        }
        self.first.get_or_insert(fault);
    }

    fn end(self, exit: Exit) -> Result<Exit, Fault> {
        let Some(first) = self.first else { return Ok(exit) };
        if self.failed > TOLD {
            writeln!(std::io::stderr().lock(), "and {} more failures", self.failed - TOLD).ok();
        }
        let counts = format!("{} records were not written, {} were", self.failed, self.acknowledged);
        writeln!(std::io::stderr().lock(), "{counts}").ok();
        Ok(first.exit)
    }
}

fn headers(texts: &[String]) -> Result<Vec<Header>, Fault> {
    let header = |text: &String| match text.split_once('=') {
        Some(("", _)) => Err(Fault::usage(format!("-H '{text}': a header has a name")).hint("write -H name=value")),
        Some((name, value)) => Ok(Header::new(name.to_owned(), value.to_owned())),
        None => Ok(Header { key: text.as_str().into(), value: None }),
    };
    texts.iter().map(header).collect()
}

fn record(asked: &Produce, headers: &[Header], taken: Taken) -> ProducerRecord {
    let mut record = ProducerRecord::to(asked.topic.as_str());
    record.partition = asked.partition;
    record.key = taken.key.or_else(|| asked.key.clone().map(Into::into));
    record.value = taken.value;
    if asked.null {
        record.key = record.key.filter(|key| !key.is_empty());
        record.value = record.value.filter(|value| !value.is_empty());
    }
    record.headers = headers.iter().cloned().chain(taken.headers).collect();
    let asked_time = asked.timestamp.map(|when| Timestamp(when.millis(now_ms())));
    record.timestamp = asked_time.or(taken.timestamp.map(Timestamp));
    record
}
