//! `callboard consume`: reads records, alone or as a member of a group, and prints each as it was asked.

mod template;
mod until;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use callboard_client::consumer::{Consumer, ConsumerError, ConsumerOptions, ConsumerRecord, OffsetReset};
use callboard_client::{Admin, OffsetSpec, Topic, TopicPartition};
use tokio::time::{Instant, sleep_until, timeout};

use super::topic::{ends, find_topics, now_ms, partitions_of};
use crate::arguments::{Consume, Place as LogPlace, Reach, Shown};
use crate::connection::{Client, Place};
use crate::fault::{Exit, Fault};
use crate::run::complain;
use template::Template;
use until::{Span, Until};

/// How long the last words to the group may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// Bytes that are gathered before they are written.
const GATHERED: usize = 64 * 1024;

pub(crate) async fn run(asked: &Consume) -> Result<Exit, Fault> {
    let place = Place::find(&asked.link, None)?.running(&[Client::Consumer]);
    let template = template(asked)?;
    let admin = place.admin().await?;
    let (topics, faults) = find_topics(&place, &admin, &asked.topics).await;
    if let Some(fault) = faults.into_iter().next() {
        return Err(fault);
    }
    let options = options(&place, asked)?;
    let failed = |error: ConsumerError| fault(&place, &error);
    let mut consumer = Consumer::new(options).await.map_err(failed)?;
    let until = match &asked.group {
        Some(_) => join(&place, &admin, asked, &topics, &mut consumer).await?,
        None => assign(&place, &admin, asked, &topics, &mut consumer).await?,
    };
    let read = print(asked, &template, &mut consumer, until).await;
    let exit = match read {
        Ok(exit) => exit,
        Err(Stop::Gone) => Exit::Ok,
        Err(Stop::Fault(fault)) => {
            consumer.close(FAREWELL).await.ok();
            return Err(fault);
        }
        Err(Stop::Consumer(error)) => {
            consumer.close(FAREWELL).await.ok();
            return Err(fault(&place, &error));
        }
    };
    consumer.close(FAREWELL).await.map_err(|error| fault(&place, &error))?;
    Ok(exit)
}

/// A failure of the consumer, for a person.
pub(crate) fn fault(place: &Place, error: &ConsumerError) -> Fault {
    match error {
        ConsumerError::Client(error) => place.fault(error),
        other => {
            let fault = Fault::failed(other.to_string());
            match other.kafka_code() {
                Some(code) => fault.kafka(code.name()),
                None => fault,
            }
        }
    }
}

fn options(place: &Place, asked: &Consume) -> Result<ConsumerOptions, Fault> {
    let mut options = ConsumerOptions::new(&place.brokers);
    options.cluster = place.plain_options();
    options.group_id.clone_from(&asked.group);
    options.enable_auto_commit = asked.group.is_some() && !asked.no_commit;
    if asked.offset.is_some_and(|reach| reach.from == LogPlace::Start) {
        options.auto_offset_reset = OffsetReset::Earliest;
    }
    place.apply(|key, value| options.set(key, value))?;
    Ok(options)
}

fn template(asked: &Consume) -> Result<Template, Fault> {
    let delimiter = &asked.delimiter;
    let text = match (&asked.format, &asked.key_delimiter) {
        (Some(format), _) => {
            return Template::parse(format, asked.null).map_err(|why| {
                Fault::usage(format!("-f: {why}")).hint("callboard consume --help lists what a template understands")
            });
        }
        (None, Some(between)) => format!("%k{}%v{}", Template::escape(between), Template::escape(delimiter)),
        (None, None) => format!("%v{}", Template::escape(delimiter)),
    };
    Template::parse(&text, asked.null).map_err(Fault::usage)
}

/// As a member of a group: it says itself what it gets.
async fn join(
    place: &Place,
    admin: &Admin,
    asked: &Consume,
    topics: &[Arc<Topic>],
    consumer: &mut Consumer,
) -> Result<Until, Fault> {
    if let Some(reach) = asked.offset
        && (reach.to.is_some() || !matches!(reach.from, LogPlace::Start | LogPlace::End | LogPlace::Stored))
    {
        return Err(Fault::usage(
            "with --group, -o is start, end or stored: where the group begins if it has no offset yet",
        )
        .hint("callboard group seek sets where a group reads on"));
    }
    consumer.subscribe(topics.iter().map(|topic| topic.name.clone())).map_err(|error| fault(place, &error))?;
    let mut until = Until::new(asked.count);
    if asked.exit {
        // The ends of all partitions; other members may get to some of them.
        let (ends, failed) = ends(admin, topics).await;
        if let Some(error) = failed.first() {
            return Err(place.fault(error));
        }
        for (topic, of_topic) in ends {
            for (index, (start, end)) in of_topic {
                let (start, end) = (start.unwrap_or(0), end.unwrap_or(0));
                until.watch_end(TopicPartition::new(topic.as_str(), index), Span { from: start, to: end });
            }
        }
        until.in_group();
    }
    Ok(until)
}

/// Alone: exactly what was asked for.
async fn assign(
    place: &Place,
    admin: &Admin,
    asked: &Consume,
    topics: &[Arc<Topic>],
    consumer: &mut Consumer,
) -> Result<Until, Fault> {
    let wanted: Vec<TopicPartition> = match &asked.partition {
        None => partitions_of(topics),
        Some(partitions) => {
            let mut wanted = Vec::new();
            for topic in topics {
                for index in &partitions.0 {
                    if topic.partition(*index).is_none() {
                        let (name, count) = (&topic.name, topic.partitions.len());
                        let message =
                            format!("topic '{name}' has {count} partitions, number {index} is not one of them");
                        return Err(Fault::not_found(message));
                    }
                    wanted.push(TopicPartition::new(topic.name.clone(), *index));
                }
            }
            wanted
        }
    };
    let reach = asked.offset.unwrap_or(Reach { from: LogPlace::End, to: None });
    let (ends, failed) = ends(admin, topics).await;
    if let Some(error) = failed.first() {
        return Err(place.fault(error));
    }
    let limits = |partition: &TopicPartition| {
        let (start, end) = ends.get(&*partition.topic).and_then(|of| of.get(&partition.partition)).copied()?;
        Some(Span { from: start?, to: end? })
    };
    let from = places(place, admin, &wanted, reach.from, &limits).await?;
    let to = match reach.to {
        Some(to) => Some(places(place, admin, &wanted, to, &limits).await?),
        None => None,
    };
    let failed = |error: ConsumerError| fault(place, &error);
    consumer.assign(wanted.iter().cloned()).map_err(failed)?;
    let mut until = Until::new(asked.count);
    for partition in &wanted {
        let Some(begin) = from.get(partition).copied() else { continue };
        consumer.seek(partition, begin).map_err(failed)?;
        let end = match &to {
            Some(to) => to.get(partition).copied(),
            None if asked.exit => limits(partition).map(|limits| limits.to),
            None => None,
        };
        if let Some(end) = end {
            until.watch_end(partition.clone(), Span { from: begin, to: end });
        }
    }
    Ok(until)
}

/// The offset that a place stands for in each partition.
async fn places(
    place: &Place,
    admin: &Admin,
    wanted: &[TopicPartition],
    at: LogPlace,
    limits: &impl Fn(&TopicPartition) -> Option<Span>,
) -> Result<BTreeMap<TopicPartition, i64>, Fault> {
    let mut found = BTreeMap::new();
    let mut times = BTreeMap::new();
    if let LogPlace::Time(when) = at {
        let spec = OffsetSpec::Timestamp(when.millis(now_ms()));
        let questions: Vec<_> = wanted.iter().map(|partition| (partition.clone(), spec)).collect();
        let listed = admin.list_offsets(&questions, false).await.all().map_err(|error| place.fault(&error))?;
        times.extend(listed.into_iter().map(|(partition, listed)| (partition, listed.offset)));
    }
    for partition in wanted {
        let Some(limits) = limits(partition) else { continue };
        let offset = match at {
            LogPlace::Start => limits.from,
            LogPlace::End => limits.to,
            LogPlace::Offset(offset) => offset,
            LogPlace::BeforeEnd(back) => (limits.to - back).max(limits.from),
            LogPlace::AfterStart(on) => (limits.from.saturating_add(on)).min(limits.to),
            LogPlace::Time(_) => times.get(partition).copied().flatten().unwrap_or(limits.to),
            LogPlace::Stored => {
                return Err(Fault::usage("-o stored needs --group: only a group has stored where it is"));
            }
        };
        found.insert(partition.clone(), offset);
    }
    Ok(found)
}

/// Why reading ended without an end.
enum Stop {
    /// Whoever read standard output has gone away.
    Gone,
    Fault(Fault),
    Consumer(ConsumerError),
}

async fn print(asked: &Consume, template: &Template, consumer: &mut Consumer, mut until: Until) -> Result<Exit, Stop> {
    let idle = asked.idle.map(|span| span.0);
    let mut out = Vec::new();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut quiet_since = Instant::now();
    let exit = loop {
        if until.is_reached() {
            break Exit::Ok;
        }
        // Whatever is at hand is printed before waiting for more.
        let wait = if out.is_empty() { Duration::from_millis(250) } else { Duration::ZERO };
        let polled = tokio::select! {
            _ = &mut interrupted => break Exit::Interrupted,
            polled = timeout(wait.max(Duration::from_millis(1)), consumer.recv()) => polled,
        };
        match polled {
            Ok(Ok(record)) => {
                quiet_since = Instant::now();
                if until.takes(&record) {
                    show(asked, template, &record, &mut out);
                    if out.len() >= GATHERED {
                        flush(&mut out)?;
                    }
                }
            }
            Ok(Err(ConsumerError::Client(error))) if error.is_retriable() => {
                if !asked.quiet {
                    let shown = Shown { color: asked.color, ..Shown::default() };
                    complain(&shown, &Fault::failed(error.to_string()).hint("it is tried again"));
                }
                sleep_until(Instant::now() + Duration::from_millis(500)).await;
            }
            Ok(Err(error)) => {
                flush(&mut out)?;
                return Err(Stop::Consumer(error));
            }
            Err(_) => {
                flush(&mut out)?;
                // What was compacted away or belongs to control batches shows only in the position.
                until.note_positions(|partition| consumer.known_position(partition).ok().flatten());
                if idle.is_some_and(|idle| quiet_since.elapsed() >= idle) {
                    break Exit::Ok;
                }
            }
        }
    };
    flush(&mut out)?;
    if !asked.quiet && asked.exit && exit == Exit::Ok {
        eprintln!("{} records, the end is reached", until.count());
    }
    Ok(exit)
}

fn show(asked: &Consume, template: &Template, record: &ConsumerRecord, out: &mut Vec<u8>) {
    if asked.json {
        out.extend_from_slice(template::json(record).json_line().as_bytes());
        out.push(b'\n');
    } else {
        template.write(record, out);
    }
}

fn flush(out: &mut Vec<u8>) -> Result<(), Stop> {
    if out.is_empty() {
        return Ok(());
    }
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(out).and_then(|()| stdout.flush());
    out.clear();
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Stop::Gone,
        _ => Stop::Fault(Fault::failed("standard output cannot be written").because(error.to_string())),
    })
}
