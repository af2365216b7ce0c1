//! Reads records as fast as they come, from the start of a topic: with `group.id` as a member of a group, else alone.
//!
//! `consume` walks whole batches, `consume-records` takes every record by itself, to be kept. The clock starts with the first
//! record, as that of `rdkafka_performance` does: joining a group takes seconds.

use std::error::Error;
use std::time::{Duration, Instant};

use callboard_client::consumer::{Consumer, ConsumerOptions};

use crate::Moved;
use crate::arguments::Arguments;

pub(crate) async fn run(arguments: &Arguments, by_record: bool) -> Result<Moved, Box<dyn Error>> {
    let mut options = ConsumerOptions::new(&arguments.bootstrap);
    options.set("auto.offset.reset", "earliest")?;
    for (name, value) in &arguments.options {
        options.set(name, value)?;
    }
    let alone = options.group_id.is_none();
    let mut consumer = Consumer::new(options).await?;
    let topic = arguments.topic.as_str();
    if alone {
        let deadline = consumer.cluster().default_deadline();
        let metadata = consumer.cluster().topics(&[topic], deadline).await?;
        let known = metadata.topic(topic).ok_or_else(|| format!("there is no topic '{topic}'"))?;
        consumer.assign(known.partitions.iter().map(|partition| (topic, partition.index)))?;
    } else {
        consumer.subscribe([topic])?;
    }
    let mut moved = Moved { records: 0, bytes: 0, since: Instant::now(), counts: None };
    let mut begun = false;
    while moved.records < arguments.records {
        if by_record {
            let record = consumer.recv().await?;
            start(&mut begun, &mut moved);
            moved.records += 1;
            moved.bytes += record.value.map_or(0, |value| value.len() as u64);
        } else {
            let batch = consumer.recv_batch().await?;
            start(&mut begun, &mut moved);
            for record in batch.iter() {
                moved.records += 1;
                moved.bytes += record?.value.map_or(0, |value| value.len() as u64);
            }
        }
    }
    let read = moved.since.elapsed();
    consumer.close(Duration::from_secs(10)).await?;
    moved.since = Instant::now() - read;
    Ok(moved)
}

fn start(begun: &mut bool, moved: &mut Moved) {
    if !*begun {
        *begun = true;
        moved.since = Instant::now();
    }
}
