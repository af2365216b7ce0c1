//! What `callboard bench` shows.

use std::time::Duration;

use super::Measured;
use crate::moment::{show_bytes, show_count};
use crate::output::{Answer, Cell, Doc, Mood, Sheet};

const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50_ms", 0.5),
    ("p90", "p90_ms", 0.9),
    ("p99", "p99_ms", 0.99),
    ("p99.9", "p99_9_ms", 0.999),
    ("max", "max_ms", 1.0),
];

fn millis(span: Duration) -> f64 {
    (span.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

pub(super) fn measured(measured: &Measured) -> Answer {
    let seconds = measured.took.as_secs_f64().max(0.000_001);
    let records_per_second = (measured.records as f64 / seconds).round();
    let bytes_per_second = (measured.bytes as f64 / seconds).round();
    let mut doc = vec![
        ("bench", Doc::from(measured.what)),
        ("topic", Doc::from(measured.topic.as_str())),
        ("records", Doc::from(measured.records)),
        ("bytes", Doc::from(measured.bytes)),
        ("failed", Doc::from(measured.failed)),
        ("seconds", Doc::from((seconds * 1000.0).round() / 1000.0)),
        ("records_per_second", Doc::from(records_per_second)),
        ("bytes_per_second", Doc::from(bytes_per_second)),
    ];
    let mut facts: Vec<(String, Cell)> = vec![
        ("topic".to_owned(), Cell::from(&measured.topic)),
        ("records".to_owned(), show_count(measured.records).into()),
        ("bytes".to_owned(), show_bytes(measured.bytes).into()),
        ("time".to_owned(), format!("{seconds:.2} s").into()),
        ("rate".to_owned(), format!("{} records/s", show_count(records_per_second as u64)).into()),
        ("throughput".to_owned(), format!("{}/s", show_bytes(bytes_per_second as u64)).into()),
    ];
    if measured.failed > 0 {
        facts.push(("failed".to_owned(), Cell::mood(show_count(measured.failed), Mood::Bad)));
    }
    if let Some(latencies) = measured.latencies.as_ref().filter(|latencies| latencies.count() > 0) {
        let mut quantiles = vec![("mean_ms".to_owned(), Doc::from(millis(latencies.mean())))];
        let mut words = vec![format!("mean {:.2}", millis(latencies.mean()))];
        for (name, key, part) in QUANTILES {
            let at = millis(if part < 1.0 { latencies.quantile(part) } else { latencies.most() });
            quantiles.push((key.to_owned(), Doc::from(at)));
            words.push(format!("{name} {at:.2}"));
        }
        facts.push(("latency, ms".to_owned(), words.join("  ").into()));
        doc.push(("latency", Doc::Map(quantiles)));
    }
    if let Some(sent) = measured.sent.as_ref().filter(|sent| sent.requests > 0) {
        let averages = [
            ("records_per_batch", sent.records_per_batch()),
            ("bytes_per_batch", sent.bytes_per_batch()),
            ("batches_per_request", sent.batches_per_request()),
            ("bytes_per_request", sent.bytes_per_request()),
            ("requests_under_way", sent.requests_under_way()),
        ];
        let totals = [("requests", sent.requests), ("batches", sent.batches)];
        let totals = totals.map(|(key, count)| (key.to_owned(), Doc::from(count)));
        let averages = averages.map(|(key, average)| (key.to_owned(), Doc::from((average * 100.0).round() / 100.0)));
        doc.push(("sent", Doc::Map(totals.into_iter().chain(averages).collect())));
        let words = format!(
            "{} of {}, with {:.1} batches of {}; {:.1} under way",
            show_count(sent.requests),
            show_bytes(sent.bytes_per_request() as u64),
            sent.batches_per_request(),
            show_bytes(sent.bytes_per_batch() as u64),
            sent.requests_under_way()
        );
        facts.push(("requests".to_owned(), words.into()));
    }
    Answer::One(Sheet::new(measured.topic.as_str(), Doc::map(doc)).facts(facts))
}
