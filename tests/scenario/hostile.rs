//! Stories of bad clients: they harm themselves and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::Bytes;
use callboard::settings::ByteSize;
use callboard_model::{ErrorCode, Offset, PartitionIndex};
use callboard_test_client::{Acks, FetchFrom, FetchLimits, PartitionBatch};
use callboard_wire::{ApiKey, api};

use crate::calls::{all, append, batch, connect, describe, large, produce};
use crate::rig::{PATIENCE, Rig, eventually, resident_bytes};

/// A small generator of bytes that a seed repeats.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 27)
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 40) as u8).collect()
    }
}

fn dial(rig: &Rig) -> TcpStream {
    let socket = TcpStream::connect(rig.kafka()).expect("a connection");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// Whether the node ends the connection, whatever it answers before.
fn is_closed(mut socket: TcpStream) -> bool {
    let mut scrap = [0; 4096];
    loop {
        match socket.read(&mut scrap) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// Sends a frame; a connection that is closed meanwhile is no fault of ours.
fn frame(mut socket: &TcpStream, body: &[u8]) {
    let mut bytes = (body.len() as i32).to_be_bytes().to_vec();
    bytes.extend_from_slice(body);
    drop(socket.write_all(&bytes));
}

fn header(key: ApiKey, version: i16) -> Vec<u8> {
    let mut header = key.code().to_be_bytes().to_vec();
    header.extend_from_slice(&version.to_be_bytes());
    header.extend_from_slice(&7i32.to_be_bytes());
    header.extend_from_slice(&(-1i16).to_be_bytes());
    header.extend_from_slice(if key.request_header_version(version) == 2 { &[0] } else { &[] });
    header
}

#[test]
fn hostile_frames_close_their_own_connection_and_nothing_else() {
    let rig = Rig::start();
    let mut good = connect(&rig);
    good.create_topic("orders", 1, &[]).expect("a topic");
    append(&mut good, "orders", batch(&[b"a"]));
    let before = resident_bytes();
    let mut noise = Noise(42);

    for length in [-1, i32::MIN, i32::MAX, 200 << 20, 0, 3] {
        let mut socket = dial(&rig);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.extend_from_slice(&noise.bytes(64));
        drop(socket.write_all(&bytes));
        assert!(is_closed(socket), "a frame of {length} bytes");
    }
    for len in [1, 8, 100, 100_000] {
        let mut socket = dial(&rig);
        drop(socket.write_all(&noise.bytes(len)));
        drop(socket.shutdown(std::net::Shutdown::Write));
        assert!(is_closed(socket), "{len} random bytes");
    }
    // Frames that announce much and never come: no memory is taken for them, and the others go on.
    let waiting: Vec<TcpStream> = (0..8).map(|_| announce(&rig)).collect();
    for key in ApiKey::ALL {
        for version in api::range(*key) {
            // Ten rounds of garbage behind a legal header, and one of counts that claim two thousand millions.
            for round in 0..11 {
                let socket = dial(&rig);
                let mut body = header(*key, version);
                match round {
                    10 => body.extend_from_slice(&[0x7f, 0xff, 0xff, 0xff].repeat(64)),
                    _ => {
                        let len = (noise.next() % 300) as usize;
                        body.extend_from_slice(&noise.bytes(len));
                    }
                }
                frame(&socket, &body);
                // What happens to be legal is answered; then the end of the connection is the client's own.
                drop(socket.shutdown(std::net::Shutdown::Write));
                assert!(is_closed(socket), "{} {version}", key.name());
            }
        }
    }
    for (key, version) in [(0, 2), (0, 99), (3, 77), (4, 0), (-1, 0), (i16::MAX, i16::MAX)] {
        let socket = dial(&rig);
        let mut body = i16::to_be_bytes(key).to_vec();
        body.extend_from_slice(&i16::to_be_bytes(version));
        body.extend_from_slice(&[0; 40]);
        frame(&socket, &body);
        assert!(is_closed(socket), "API {key} in version {version} is not served");
    }
    append(&mut good, "orders", batch(&[b"b"]));
    assert_eq!(all(&mut good, "orders", 0).len(), 2, "a connection from before has seen nothing of it");
    drop(waiting);
    let after = resident_bytes();
    assert!(after < before + (64 << 20), "{before} bytes resident before, {after} after");
    assert_eq!(describe(&mut connect(&rig), "orders", false).error_code, 0);
    rig.stop();
}

/// A connection that announces 50 MiB and sends 100 bytes.
fn announce(rig: &Rig) -> TcpStream {
    let mut socket = dial(rig);
    socket.write_all(&(50i32 << 20).to_be_bytes()).expect("sent");
    socket.write_all(&[0; 100]).expect("sent");
    socket
}

#[test]
fn requests_that_are_announced_and_never_come_hold_up_the_others_for_a_moment_at_most() {
    let rig = Rig::start();
    let mut good = connect(&rig);
    good.create_topic("orders", 1, &[]).expect("a topic");
    // Together they announce more than all requests in flight may hold.
    let silent: Vec<TcpStream> = (0..12).map(|_| announce(&rig)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    append(&mut good, "orders", batch(&[b"a"]));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(silent.into_iter().all(is_closed), "the silent ones are closed");
    rig.stop();
}

#[test]
fn a_client_that_never_reads_holds_little_and_disturbs_nobody() {
    let rig = Rig::start();
    let mut good = connect(&rig);
    good.create_topic("orders", 1, &[("max.message.bytes", "2000000")]).expect("a topic");
    for _ in 0..8 {
        append(&mut good, "orders", large(1_000_000));
    }
    let before = resident_bytes();
    let mut lazy: Vec<_> = (0..4).map(|_| connect(&rig)).collect();
    for client in &mut lazy {
        client.set_deadline(Duration::from_millis(200));
        // Eight megabytes a time, a thousand times over, and none of it is taken.
        for _ in 0..1000 {
            let fetch = whole_fetch(client.connection().next_correlation_id());
            if client.connection().send(ApiKey::Fetch, 11, &fetch, true).is_err() {
                break;
            }
        }
    }
    let began = Instant::now();
    for _ in 0..50 {
        append(&mut good, "orders", batch(&[b"x"]));
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes are held for clients that do not read");
    drop(lazy);
    rig.stop();
}

#[test]
fn answers_that_nobody_reads_take_a_bounded_memory_and_hold_others_up_for_a_while_only() {
    let rig = Rig::with(|settings| {
        settings.storage.tail_cache_bytes = ByteSize(0);
        settings.kafka.answers_max_bytes = ByteSize(16 << 20);
    });
    let mut good = connect(&rig);
    good.create_topic("orders", 1, &[("max.message.bytes", "2000000")]).expect("a topic");
    for _ in 0..8 {
        append(&mut good, "orders", large(1_000_000));
    }
    let before = resident_bytes();
    let mut lazy: Vec<_> = (0..40).map(|_| connect(&rig)).collect();
    for client in &mut lazy {
        for _ in 0..20 {
            let fetch = whole_fetch(client.connection().next_correlation_id());
            client.connection().send(ApiKey::Fetch, 11, &fetch, true).expect("sent");
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes are held for clients that do not read");
    // It has to wait until some of the others are closed.
    assert_eq!(all(&mut good, "orders", 0).len(), 8);
    rig.stop();
}

/// A fetch of everything in `orders`, version 11.
fn whole_fetch(correlation_id: i32) -> Bytes {
    use callboard_wire::messages::client::{FetchRequest, encode_fetch, fetch_request};
    let mut partition = fetch_request::FetchPartition::default();
    partition.current_leader_epoch = -1;
    partition.log_start_offset = -1;
    partition.partition_max_bytes = 8 << 20;
    let mut topic = fetch_request::FetchTopic::default();
    topic.topic = "orders".into();
    topic.partitions = vec![partition];
    let mut request = FetchRequest::default();
    request.replica_id = -1;
    request.max_bytes = 8 << 20;
    request.session_epoch = -1;
    request.topics = vec![topic];
    encode_fetch(correlation_id, None, 11, &request).expect("a frame")
}

#[test]
fn requests_beyond_the_budgets_wait_and_all_are_answered() {
    let rig = Rig::with(|settings| {
        settings.kafka.socket_request_max_bytes = ByteSize(1 << 20);
        settings.kafka.connection_in_flight_max_bytes = ByteSize(64 << 10);
        settings.kafka.in_flight_max_bytes = ByteSize(1 << 20);
    });
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let mut client = connect(&rig);
            std::thread::spawn(move || {
                // Each batch is larger than its connection's budget, and all of them than everyone's.
                let batches = [PartitionBatch { topic: "orders", partition: PartitionIndex(0), batch: large(400_000) }];
                for _ in 0..5 {
                    client.send_produce(Acks::All, &batches).expect("sent");
                }
                for _ in 0..5 {
                    assert_eq!(client.receive_produce().expect("an answer")[0].error, ErrorCode::None);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().expect("all were answered");
    }
    assert_eq!(crate::calls::offset_at(&mut client, "orders", 0, callboard_model::Timestamp(-1)).0, 20);
    let socket = dial(&rig);
    frame(&socket, &vec![0; (1 << 20) + 1]);
    assert!(is_closed(socket), "larger than any request may be");
    assert_eq!(produce(&mut client, "orders", 0, batch(&[b"x"])).error, ErrorCode::None);
    rig.stop();
}

#[test]
fn a_silent_connection_is_closed_and_one_that_waits_for_an_answer_is_not() {
    let rig = Rig::with(|settings| settings.kafka.connections_max_idle = Duration::from_secs(1));
    let mut client = connect(&rig);
    client.create_topic("orders", 1, &[]).expect("a topic");
    let silent = dial(&rig);
    let began = Instant::now();
    let from = [FetchFrom { topic: "orders", partition: PartitionIndex(0), offset: Offset(0), max_bytes: 1 << 20 }];
    let limits = FetchLimits { max_wait: Duration::from_secs(4), min_bytes: 1, max_bytes: 1 << 20 };
    assert_eq!(client.fetch(&from, limits).expect("a long poll is not silence")[0].error, ErrorCode::None);
    assert!(began.elapsed() >= Duration::from_secs(4));
    assert!(is_closed(silent));
    let metrics = || rig.get("/metrics").map(|(_, body)| body).unwrap_or_default();
    let told = eventually(PATIENCE, || metrics().contains("callboard_connections_closed_total{reason=\"idle\"}"));
    assert!(told, "{}", metrics());
    rig.stop();
}

#[test]
fn connections_beyond_the_limit_are_closed_and_others_may_come_when_some_have_gone() {
    let rig = Rig::with(|settings| settings.kafka.max_connections = 3);
    let clients: Vec<_> = (0..3).map(|_| describe_on(&rig)).collect();
    assert!(is_closed(dial(&rig)), "one too many");
    drop(clients);
    assert!(eventually(PATIENCE, || {
        let mut client = connect(&rig);
        client.metadata(None).is_ok()
    }));
    rig.stop();
}

fn describe_on(rig: &Rig) -> callboard_test_client::Client {
    let mut client = connect(rig);
    client.metadata(None).expect("an answer");
    client
}
