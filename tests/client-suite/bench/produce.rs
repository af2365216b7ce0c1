//! Sends records as fast as they are taken, and waits until the last is acknowledged.

use std::error::Error;

use bytes::Bytes;
use callboard_client::{Delivery, Producer, ProducerCounts, ProducerOptions, ProducerRecord};

use crate::arguments::Arguments;

/// Bytes of values that were acknowledged, and what was sent for that.
pub(crate) async fn run(arguments: &Arguments) -> Result<(u64, ProducerCounts), Box<dyn Error>> {
    let mut options = ProducerOptions::new(&arguments.bootstrap);
    for (name, value) in &arguments.options {
        options.set(name, value)?;
    }
    let producer = Producer::connect(options).await?;
    let mut value = vec![0; arguments.size];
    fastrand::fill(&mut value);
    let record = ProducerRecord::to(arguments.topic.as_str()).value(Bytes::from(value));
    // Sending is a task of its own, as in a program; this one waits for the acknowledgements, in order.
    let (sent, mut deliveries) = tokio::sync::mpsc::unbounded_channel::<Vec<Delivery>>();
    let sending = tokio::spawn({
        let (producer, records) = (producer.clone(), arguments.records);
        async move {
            let mut some = Vec::with_capacity(1024);
            for _ in 0..records {
                some.push(producer.send(record.clone()).await?);
                if some.len() == some.capacity() {
                    let _ = sent.send(std::mem::replace(&mut some, Vec::with_capacity(1024)));
                }
            }
            let _ = sent.send(some);
            Ok::<(), callboard_client::ClientError>(())
        }
    });
    let mut acknowledged = 0;
    while let Some(some) = deliveries.recv().await {
        for delivery in some {
            delivery.await?;
            acknowledged += 1;
        }
    }
    sending.await??;
    if acknowledged != arguments.records {
        return Err(format!("{acknowledged} of {} records were acknowledged", arguments.records).into());
    }
    producer.close(std::time::Duration::from_secs(10)).await?;
    Ok((acknowledged * arguments.size as u64, producer.counts()))
}
