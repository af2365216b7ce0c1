//! Produces ten records and consumes them: `cargo run --release --example quickstart -- [HOST:PORT]`.
//!
//! Start a node first: `callboard dev`. Any Apache Kafka will do as well.

use std::time::Duration;

use callboard::client::consumer::{Consumer, ConsumerOptions, OffsetReset};
use callboard::client::{Producer, ProducerOptions, ProducerRecord};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = std::env::args().nth(1).unwrap_or_else(|| "localhost:9092".to_owned());

    // A send ends once the record is taken; the delivery, once the broker has acknowledged it.
    let producer = Producer::connect(ProducerOptions::new(&broker)).await?;
    let mut deliveries = Vec::new();
    for number in 1..=10 {
        let record = ProducerRecord::to("greetings").key(format!("key {number}")).value(format!("hello {number}"));
        deliveries.push(producer.send(record).await?);
    }
    for delivery in deliveries {
        let at = delivery.await?;
        println!("sent  partition {} offset {}", at.partition, at.offset.unwrap_or(-1));
    }
    producer.close(Duration::from_secs(10)).await?;

    // A member of a group: it begins at the start of the topic, and goes on where it left off when it is run again.
    let mut options = ConsumerOptions::in_group(&broker, "quickstart");
    options.auto_offset_reset = OffsetReset::Earliest;
    let mut consumer = Consumer::new(options).await?;
    consumer.subscribe(["greetings"])?;
    for _ in 1..=10 {
        let record = consumer.recv().await?;
        let text = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()).into_owned();
        println!("read  partition {} offset {}: {text}", record.partition, record.offset);
    }
    consumer.commit().await?;
    consumer.close(Duration::from_secs(10)).await?;
    Ok(())
}
