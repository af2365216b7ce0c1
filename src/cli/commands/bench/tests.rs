use super::*;
use crate::snapshot::check_answer;

#[test]
fn a_measurement() {
    let mut latencies = Latencies::default();
    (1..=1000).for_each(|n| latencies.add(Duration::from_micros(n * 10)));
    let measured = Measured {
        what: "produce",
        topic: "load".to_owned(),
        records: 1000,
        bytes: 1_024_000,
        took: Duration::from_millis(2500),
        failed: 3,
        latencies: Some(latencies),
        sent: None,
    };
    check_answer("bench", &show::measured(&measured));
    let mut sent = ProducerCounts::default();
    (sent.requests, sent.batches, sent.records, sent.bytes, sent.under_way) = (40, 120, 1000, 1_060_000, 150);
    let without = Measured { latencies: None, failed: 0, ..measured };
    check_answer("bench-without-latency", &show::measured(&without));
    check_answer("bench-requests", &show::measured(&Measured { sent: Some(sent), ..without }));
}

#[test]
fn payloads_have_their_size_and_are_the_same_every_time() {
    assert_eq!(payload(100, 1).len(), 100);
    assert_eq!(payload(100, 1), payload(100, 1));
    assert!(payload(0, 1).is_empty());
}
