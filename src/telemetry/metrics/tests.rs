//! The page as a scraper reads it: a small strict parser of the text format, and what must stand on the page.

use std::collections::{BTreeMap, BTreeSet};

use super::page::PARTITIONS_LISTED_MAX;
use super::*;
use crate::{ActorClass, ActorState, BrokerSnapshot, CATALOGUE, PartitionSnapshot, Snapshot};

/// One line: name, labels in order, value.
#[derive(Debug, PartialEq)]
struct Line {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// One announced metric with its lines.
#[derive(Debug)]
struct Announced {
    name: String,
    kind: String,
    lines: Vec<Line>,
}

/// Reads the text format as its description demands, and refuses everything that it does not allow.
fn parse(page: &str) -> Result<Vec<Announced>, String> {
    if !page.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut families: Vec<Announced> = Vec::new();
    let mut names = BTreeSet::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').ok_or_else(|| format!("no help: {line}"))?;
            if text.is_empty() || !names.insert(name.to_owned()) {
                return Err(format!("help is empty, or given twice: {line}"));
            }
            let kind =
                lines.next().and_then(|next| next.strip_prefix("# TYPE ")?.strip_prefix(name)?.strip_prefix(' '));
            let kind = kind.ok_or_else(|| format!("no type after {line}"))?;
            if !matches!(kind, "counter" | "gauge" | "histogram") {
                return Err(format!("unknown type {kind}"));
            }
            families.push(Announced { name: name.to_owned(), kind: kind.to_owned(), lines: Vec::new() });
            continue;
        }
        let family = families.last_mut().ok_or_else(|| format!("not announced: {line}"))?;
        let sample = parse_line(line)?;
        let suffix = sample.name.strip_prefix(&family.name).ok_or_else(|| format!("below {}: {line}", family.name))?;
        let legal = if family.kind == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[""] };
        if !legal.contains(&suffix) {
            return Err(format!("{} is a {}: {line}", family.name, family.kind));
        }
        if family.lines.iter().any(|other| other.name == sample.name && other.labels == sample.labels) {
            return Err(format!("twice: {line}"));
        }
        family.lines.push(sample);
    }
    match families.iter().find(|family| family.lines.is_empty()) {
        Some(empty) => Err(format!("{} is announced and has no line", empty.name)),
        None => Ok(families),
    }
}

fn parse_line(line: &str) -> Result<Line, String> {
    let wrong = |what: &str| format!("{what}: {line}");
    let name_end = line.find(['{', ' ']).ok_or_else(|| wrong("no value"))?;
    let (name, mut rest) = line.split_at(name_end);
    if !is_name(name) {
        return Err(wrong("not a name"));
    }
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or_else(|| wrong("no label"))?;
            if !is_name(label) || label.contains(':') {
                return Err(wrong("not a label"));
            }
            let (value, after) = quoted(after).ok_or_else(|| wrong("no end of a label's value"))?;
            labels.push((label.to_owned(), value));
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').ok_or_else(|| wrong("no comma"))?;
        }
    }
    let value = rest.strip_prefix(' ').ok_or_else(|| wrong("no blank before the value"))?;
    let value = value.parse().map_err(|_| wrong("not a number"))?;
    Ok(Line { name: name.to_owned(), labels, value })
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
    !text.is_empty() && text.chars().all(legal) && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// A quoted value up to its closing sign, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                same @ ('\\' | '"') => value.push(same),
                _ => return None,
            },
            plain => value.push(plain),
        }
    }
    None
}

fn metrics() -> Metrics {
    Metrics::new(MetricsOptions { version: "1.2.3", apis: vec![(0, "Produce"), (1, "Fetch"), (3, "Metadata")] })
}

fn partition(topic: &str, number: i32) -> PartitionSnapshot {
    PartitionSnapshot {
        topic: topic.into(),
        partition: number,
        leader: 1,
        leads_here: true,
        online: true,
        replicas: vec![1, 2],
        in_sync: 1,
        min_in_sync: 2,
        log_start: 5,
        high_watermark: 10 + i64::from(number),
        log_bytes: Some(1 << 20),
    }
}

fn snapshot() -> Snapshot {
    let class = |class: &str, state, count| ActorClass {
        class: class.to_owned(),
        state,
        count,
        mailbox_sum: 4 * count,
        mailbox_max: count,
    };
    Snapshot {
        brokers: vec![BrokerSnapshot { id: 1, address: "127.0.0.1:9092".to_owned() }],
        partitions: vec![partition("flights", 0), partition("flights", 1), partition("trains", 0)],
        actors: vec![class("partition", ActorState::Running, 3), class("partition", ActorState::Restarting, 1)],
    }
}

/// Everything that a node can do, once.
fn busy() -> Metrics {
    let metrics = metrics();
    metrics.request(0, ErrorCode::None, Duration::from_millis(3));
    metrics.request(0, ErrorCode::NotLeaderOrFollower, Duration::from_millis(1));
    metrics.request(1, ErrorCode::None, Duration::from_secs(1));
    metrics.connection_opened();
    metrics.connection_opened();
    metrics.connection_closed(CloseReason::BadRequest);
    metrics.connection_refused(Refusal::Limit);
    metrics.fetch_read(ReadSource::Disk);
    metrics.committed(3, 900, Duration::from_micros(40), Some(Duration::from_millis(4)));
    metrics.produce_records.add(7);
    metrics.actor_failures.increment("partition");
    metrics.actor_restarts.increment("partition");
    metrics.escalations.increment("partitions");
    metrics.dead_letters.increment("stopped");
    metrics
}

fn value(families: &[Announced], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let same = |line: &&Line| {
        line.name == name && line.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(labels.iter().copied())
    };
    families.iter().flat_map(|family| &family.lines).find(same).map(|line| line.value)
}

#[test]
fn the_page_is_valid_text_format_and_holds_all_that_is_declared() {
    let families = parse(&busy().render(&snapshot())).unwrap();
    let rendered: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
    let declared: Vec<&str> = CATALOGUE.iter().map(|family| family.name).collect();
    assert_eq!(rendered, declared);
    for (family, declared) in families.iter().zip(CATALOGUE) {
        assert_eq!(family.kind, declared.kind.name());
        for line in &family.lines {
            let names: Vec<&str> =
                line.labels.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le").collect();
            assert_eq!(names, declared.labels, "{}", line.name);
        }
    }
}

#[test]
fn the_page_of_a_node_that_did_nothing_is_valid_too() {
    let families = parse(&metrics().render(&Snapshot::default())).unwrap();
    assert_eq!(value(&families, "callboard_build_info", &[("version", "1.2.3")]), Some(1.0));
    assert_eq!(value(&families, "callboard_connections", &[]), Some(0.0));
}

#[test]
fn what_was_counted_is_on_the_page() {
    let families = parse(&busy().render(&snapshot())).unwrap();
    let is = |name: &str, labels: &[(&str, &str)], expected: f64| {
        assert_eq!(value(&families, name, labels), Some(expected), "{name} {labels:?}");
    };
    is("callboard_requests_total", &[("api", "Produce"), ("code", "NONE")], 1.0);
    is("callboard_requests_total", &[("api", "Produce"), ("code", "NOT_LEADER_OR_FOLLOWER")], 1.0);
    is("callboard_requests_total", &[("api", "Metadata"), ("code", "NONE")], 0.0);
    is("callboard_connections", &[], 1.0);
    is("callboard_connections_accepted_total", &[], 2.0);
    is("callboard_connections_closed_total", &[("reason", "bad_request")], 1.0);
    is("callboard_connections_refused_total", &[("reason", "limit")], 1.0);
    is("callboard_fetch_reads_total", &[("source", "disk")], 1.0);
    is("callboard_commit_writes_total", &[], 3.0);
    is("callboard_partitions", &[("state", "online")], 3.0);
    is("callboard_actors", &[("class", "partition"), ("state", "restarting")], 1.0);
    is("callboard_actor_mailbox_messages", &[("class", "partition"), ("stat", "max")], 3.0);
    is("callboard_actor_mailbox_messages", &[("class", "partition"), ("stat", "sum")], 16.0);
    is("callboard_actor_restarts_total", &[("class", "partition")], 1.0);
    is("kafka_topic_partitions", &[("topic", "flights")], 2.0);
    is("kafka_topic_partition_current_offset", &[("topic", "flights"), ("partition", "1")], 11.0);
    is("kafka_topic_partition_oldest_offset", &[("topic", "trains"), ("partition", "0")], 5.0);
    is("kafka_topic_partition_leader_is_preferred", &[("topic", "trains"), ("partition", "0")], 1.0);
    is("kafka_server_brokertopicmetrics_messagesin_total", &[], 7.0);
    is("kafka_server_brokertopicmetrics_totalproducerequests_total", &[], 2.0);
    is("kafka_server_brokertopicmetrics_failedproducerequests_total", &[], 1.0);
    is("kafka_server_replicamanager_underreplicatedpartitions", &[], 3.0);
    is("kafka_server_replicamanager_underminisrpartitioncount", &[], 3.0);
    is("callboard_commit_sync_duration_seconds_sum", &[], 0.004);
}

#[test]
fn buckets_only_rise_and_end_with_the_count() {
    let families = parse(&busy().render(&Snapshot::default())).unwrap();
    let mut histograms = 0;
    for family in families.iter().filter(|family| family.kind == "histogram") {
        let mut by_labels = BTreeMap::<String, Vec<(f64, f64)>>::new();
        for line in family.lines.iter().filter(|line| line.name.ends_with("_bucket")) {
            let (le, others) = line.labels.split_last().unwrap();
            assert_eq!(le.0, "le");
            by_labels.entry(format!("{others:?}")).or_default().push((le.1.parse().unwrap(), line.value));
        }
        for buckets in by_labels.values() {
            histograms += 1;
            assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1), "{buckets:?}");
            assert_eq!(buckets.last().unwrap().0, f64::INFINITY);
        }
        for line in family.lines.iter().filter(|line| line.name.ends_with("_count")) {
            assert_eq!(by_labels[&format!("{:?}", line.labels)].last().unwrap().1, line.value);
        }
    }
    assert_eq!(histograms, 7, "three APIs, the others, write, sync and compaction");
}

#[test]
fn an_api_that_is_not_served_and_a_code_out_of_range_are_counted_all_the_same() {
    let metrics = metrics();
    for key in [i16::MIN, -1, 2, 127, 128, i16::MAX] {
        metrics.request(key, ErrorCode::UnsupportedVersion, Duration::ZERO);
    }
    metrics.request(3, ErrorCode::UnknownServerError, Duration::ZERO);
    let families = parse(&metrics.render(&Snapshot::default())).unwrap();
    let requests = |api, code| value(&families, "callboard_requests_total", &[("api", api), ("code", code)]);
    assert_eq!(requests("other", "UNSUPPORTED_VERSION"), Some(6.0));
    assert_eq!(requests("Metadata", "UNKNOWN_SERVER_ERROR"), Some(1.0));
}

#[test]
fn every_error_code_has_a_line_of_its_own() {
    let metrics = metrics();
    for (times, code) in (1..).zip(ErrorCode::ALL) {
        (0..times).for_each(|_| metrics.request(1, *code, Duration::ZERO));
    }
    let families = parse(&metrics.render(&Snapshot::default())).unwrap();
    for (times, code) in (1..).zip(ErrorCode::ALL) {
        let labels = [("api", "Fetch"), ("code", code.name())];
        assert_eq!(value(&families, "callboard_requests_total", &labels), Some(f64::from(times)), "{code}");
    }
}

#[test]
fn labels_with_quotes_and_line_breaks_do_not_break_the_page() {
    let metrics = metrics();
    let nasty = "a\"b\\c\nd{}=,";
    metrics.dead_letters.increment(nasty);
    let families = parse(&metrics.render(&Snapshot::default())).unwrap();
    assert_eq!(value(&families, "callboard_deadletters_total", &[("reason", nasty)]), Some(1.0));
}

#[test]
fn more_partitions_than_are_listed_are_told_of_and_still_counted() {
    let partitions: Vec<_> = (0..2_100).map(|number| partition("many", number)).collect();
    let families = parse(&metrics().render(&Snapshot { partitions, ..Snapshot::default() })).unwrap();
    let lines = |name: &str| families.iter().find(|family| family.name == name).unwrap().lines.len();
    assert_eq!(lines("kafka_topic_partition_current_offset"), PARTITIONS_LISTED_MAX);
    assert_eq!(value(&families, "callboard_metrics_series_dropped_total", &[]), Some(100.0));
    assert_eq!(value(&families, "kafka_server_replicamanager_partitioncount", &[]), Some(2_100.0));
    assert_eq!(value(&families, "kafka_topic_partitions", &[("topic", "many")]), Some(2_100.0));
}

#[test]
fn the_parser_of_these_tests_refuses_what_is_not_the_format() {
    let announced = "# HELP a b\n# TYPE a gauge\n";
    assert!(parse(&format!("{announced}a 1\n")).is_ok());
    for wrong in [
        "a\n",
        "a 1",
        "b 1\n",
        "a{x=\"1\" 1\n",
        "a{x=\"1\",} 1\n",
        "a one\n",
        "a 1\na 2\n",
        "a_bucket 1\n",
        "a{1x=\"\"} 1\n",
        "",
    ] {
        assert!(parse(&format!("{announced}{wrong}")).is_err(), "{wrong:?}");
    }
    assert!(parse("a 1\n").is_err());
}
