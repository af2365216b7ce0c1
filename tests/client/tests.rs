use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use callboard_model::{BatchError, CheckedBatch, Offset, PartitionIndex, ProducerEpoch, ProducerId, Timestamp};
use callboard_wire::messages::{self, MetadataResponse, Response};
use callboard_wire::{ApiKey, RequestHeader};

use super::*;

const SOON: Duration = Duration::from_millis(200);

/// A peer that does one thing with one connection.
fn peer(job: impl FnOnce(TcpStream) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    (address, thread::spawn(move || job(listener.accept().expect("one connects").0)))
}

fn request(stream: &mut TcpStream) -> RequestHeader {
    let mut len = [0; 4];
    stream.read_exact(&mut len).expect("a length");
    let mut frame = BytesMut::zeroed(u32::from_be_bytes(len) as usize);
    stream.read_exact(&mut frame).expect("a frame");
    RequestHeader::parse(frame).expect("a legal header").0
}

fn batch(idempotence: Option<Idempotence>) -> bytes::Bytes {
    let headers: &[(&str, &[u8])] = &[("trace", b"7")];
    let records = [
        NewRecord::new(b"a", b"one", Timestamp(1000)),
        NewRecord { key: None, value: Some(&[7; 300]), timestamp: Timestamp(990), headers },
        NewRecord { key: Some(b""), value: None, timestamp: Timestamp(1010), headers: &[] },
    ];
    encode_batch(&records, idempotence)
}

#[test]
fn a_batch_is_legal_and_reads_back() {
    let stamp = Idempotence { producer_id: ProducerId(7), producer_epoch: ProducerEpoch(2), base_sequence: 40 };
    let bytes = batch(Some(stamp));
    let checked = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    let header = checked.header();
    assert_eq!((header.count, header.last_offset_delta, header.last_sequence()), (3, 2, 42));
    assert_eq!((header.base_timestamp, header.max_timestamp), (Timestamp(1000), Timestamp(1010)));
    assert_eq!(
        (header.producer_id, header.producer_epoch, header.base_sequence),
        (ProducerId(7), ProducerEpoch(2), 40)
    );
    let mut seen = Vec::new();
    walk(&bytes, Offset(1), |_, record| {
        let value = record.value.map(<[u8]>::to_vec);
        seen.push((
            record.offset.get(),
            record.timestamp.0,
            record.key.map(<[u8]>::to_vec),
            value,
            record.headers.len(),
        ));
    })
    .expect("legal");
    assert_eq!(
        seen,
        vec![(1, 990, None, Some(vec![7; 300]), 1), (2, 1010, Some(Vec::new()), None, 0)],
        "records before the wanted offset are passed over"
    );
}

#[test]
fn a_batch_without_idempotence_says_so() {
    let bytes = batch(None);
    let checked = CheckedBatch::new(BytesMut::from(&bytes[..])).expect("legal");
    assert!(!checked.header().has_producer());
    assert_eq!(checked.header().base_sequence, -1);
}

#[test]
fn a_changed_byte_is_told_by_the_checksum() {
    let mut bytes = batch(None).to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    let told = walk(&bytes, Offset(0), |_, _| {});
    assert!(matches!(told, Err(ClientError::Batch(BatchError::Crc { .. }))), "{told:?}");
}

#[test]
fn a_silent_peer_ends_in_the_deadline() {
    let (address, peer) = peer(|mut stream| {
        request(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let mut client = Client::connect(address, SOON).expect("connects");
    let started = Instant::now();
    let told = client.metadata(None);
    assert!(matches!(told, Err(ClientError::Deadline { what: "receive", .. })), "{told:?}");
    assert!(started.elapsed() >= SOON && started.elapsed() < 20 * SOON);
    assert!(told.expect_err("as above").is_disconnect());
    drop(client);
    peer.join().expect("no panic");
}

#[test]
fn a_peer_that_closes_is_told_with_the_unanswered() {
    let (address, peer) = peer(|mut stream| {
        request(&mut stream);
        request(&mut stream);
    });
    let mut client = Client::connect(address, 10 * SOON).expect("connects");
    let batches = [PartitionBatch { topic: "t", partition: PartitionIndex(0), batch: batch(None) }];
    client.send_produce(Acks::All, &batches).expect("sent");
    client.send_produce(Acks::All, &batches).expect("sent");
    let told = client.receive_produce();
    assert!(matches!(told, Err(ClientError::Closed { unanswered: 2 })), "{told:?}");
    peer.join().expect("no panic");
}

#[test]
fn nobody_at_the_port_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let told = Client::connect(address, SOON).map(|_| ());
    assert!(matches!(told, Err(ClientError::Connect { .. })), "{told:?}");
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let (address, peer) = peer(|mut stream| {
        let header = request(&mut stream);
        let answer = Response::Metadata(MetadataResponse::default());
        let frame = messages::encode_response(header.correlation_id + 1, header.version, answer).expect("encodes");
        stream.write_all(&frame).expect("written");
        let _ = stream.read(&mut [0]);
    });
    let mut client = Client::connect(address, 10 * SOON).expect("connects");
    let told = client.metadata(Some(&["t"]));
    assert!(matches!(told, Err(ClientError::Correlation { expected: 1, given: 2 })), "{told:?}");
    drop(client);
    peer.join().expect("no panic");
}

#[test]
fn an_answer_in_many_pieces_is_put_together() {
    let (address, peer) = peer(|mut stream| {
        let header = request(&mut stream);
        assert_eq!(header.api(), Some(ApiKey::Metadata));
        let mut answer = MetadataResponse::default();
        answer.controller_id = 5;
        let frame = messages::encode_response(header.correlation_id, header.version, answer.into()).expect("encodes");
        for byte in frame {
            stream.write_all(&[byte]).expect("written");
            stream.flush().expect("flushed");
        }
        let _ = stream.read(&mut [0]);
    });
    let mut client = Client::connect(address, 10 * SOON).expect("connects");
    assert_eq!(client.metadata(None).expect("answered").controller_id, 5);
    drop(client);
    peer.join().expect("no panic");
}

#[test]
fn receiving_what_was_not_asked_is_an_error_and_no_wait() {
    let (address, peer) = peer(|mut stream| {
        let _ = stream.read(&mut [0]);
    });
    let mut client = Client::connect(address, 50 * SOON).expect("connects");
    let told = client.receive_produce();
    assert!(matches!(told, Err(ClientError::NothingAsked("Produce"))), "{told:?}");
    drop(client);
    peer.join().expect("no panic");
}
