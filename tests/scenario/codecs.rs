//! Stories of compression.type: what comes in another codec than its topic's is packed anew, and nothing else changes.

use bytes::Bytes;
use callboard_model::{
    BatchHeader, Batches, Compression, ErrorCode, HEADER_LEN, PartitionIndex, ProducerEpoch, Records, Timestamp,
};
use callboard_test_client::{Acks, Client, Idempotence, PartitionBatch};
use callboard_wire::compression::decompress;

use crate::calls::{append, batch, compressed, configure, connect, fetch, now, refusal, timed};
use crate::rig::Rig;

const CODECS: [(Compression, i16, &str); 5] = [
    (Compression::None, 0, "uncompressed"),
    (Compression::Gzip, 1, "gzip"),
    (Compression::Snappy, 2, "snappy"),
    (Compression::Lz4, 3, "lz4"),
    (Compression::Zstd, 4, "zstd"),
];

/// Offsets, times and values of one batch.
type Contents = Vec<(i64, Timestamp, Vec<u8>)>;

/// The batches from an offset on, their checksums verified, their records decompressed.
fn stored(client: &mut Client, topic: &str, offset: i64) -> Vec<(BatchHeader, Contents)> {
    let fetched = fetch(client, topic, offset);
    assert_eq!(fetched.error, ErrorCode::None);
    Batches::verified(&fetched.batches)
        .map(|batch| {
            let (header, bytes) = batch.expect("legal, with its checksum");
            let codec = header.compression().expect("a known codec");
            let plain = decompress(codec, &bytes[HEADER_LEN..]).expect("a legal stream");
            let records = Records::new(header, &plain).map(|record| {
                let record = record.expect("legal");
                (record.offset.get(), record.timestamp, record.value.unwrap_or_default().to_vec())
            });
            let records = records.collect();
            (header, records)
        })
        .collect()
}

fn packed(plain: &Bytes, (codec, number, _): (Compression, i16, &str)) -> Bytes {
    if number == 0 { plain.clone() } else { compressed(plain, codec, number) }
}

#[test]
fn every_codec_becomes_the_one_of_its_topic_and_keeps_offsets_times_and_numbers() {
    let mut rig = Rig::start();
    let mut client = connect(&rig);
    let id = client.init_producer_id().expect("an id").producer_id;
    let at = now();
    let values: [(&[u8], Timestamp); 3] =
        [(b"one", at), (b"two", Timestamp(at.0 - 5)), (b"three", Timestamp(at.0 + 7))];
    for (wanted, _, name) in CODECS {
        let topic = format!("in-{name}");
        client.create_topic(&topic, 1, &[("compression.type", name)]).expect("a topic");
        let sent = |sequence: i32, codec| {
            let stamp = Idempotence { producer_id: id, producer_epoch: ProducerEpoch(0), base_sequence: sequence };
            packed(&timed(&values, Some(stamp)), codec)
        };
        for (at, codec) in (0..).zip(CODECS) {
            assert_eq!(append(&mut client, &topic, sent(3 * at, codec)), i64::from(3 * at), "{codec:?} into {name}");
            assert_eq!(append(&mut client, &topic, sent(3 * at, codec)), i64::from(3 * at), "sent again");
        }
        let check = |client: &mut Client| {
            let batches = stored(client, &topic, 0);
            assert_eq!(batches.len(), CODECS.len());
            for (number, (header, records)) in (0..).zip(batches) {
                assert_eq!(header.compression(), Ok(wanted));
                assert_eq!((header.producer_id, header.base_sequence), (id, 3 * number));
                assert_eq!(header.max_timestamp, Timestamp(at.0 + 7));
                let expected: Contents = (0..)
                    .zip(values)
                    .map(|(delta, (value, at))| (i64::from(3 * number) + delta, at, value.to_vec()))
                    .collect();
                assert_eq!(records, expected, "{name}");
            }
        };
        check(&mut client);
    }
    rig.restart();
    let mut client = connect(&rig);
    for (wanted, _, name) in CODECS {
        let batches = stored(&mut client, &format!("in-{name}"), 0);
        assert!(batches.len() == CODECS.len() && batches.iter().all(|(header, _)| header.compression() == Ok(wanted)));
    }
    rig.stop();
}

#[test]
fn what_needs_no_packing_does_not_overtake_what_does() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("t", 1, &[("compression.type", "zstd"), ("compression.zstd.level", "19")]).expect("a topic");
    let slow = vec![b"a sentence that takes its time to be packed; ".repeat(4000); 2].concat();
    let zstd = (Compression::Zstd, 4, "zstd");
    let sent: Vec<Bytes> = (0..40)
        .map(|number: usize| match number % 4 {
            0 => batch(&[&slow[number..]]),
            _ => packed(&batch(&[number.to_string().as_bytes()]), zstd),
        })
        .collect();
    for one in &sent {
        let batches = [PartitionBatch { topic: "t", partition: PartitionIndex(0), batch: one.clone() }];
        client.send_produce(Acks::All, &batches).expect("sent");
    }
    for number in 0..sent.len() {
        let answer = client.receive_produce().expect("an answer").remove(0);
        assert_eq!((answer.error, answer.base_offset.get()), (ErrorCode::None, number as i64), "in the order sent");
    }
    for (number, (header, records)) in stored(&mut client, "t", 0).into_iter().enumerate() {
        assert_eq!(header.compression(), Ok(Compression::Zstd));
        let value = &records[0].2;
        let expected = if number % 4 == 0 { slow[number..].to_vec() } else { number.to_string().into_bytes() };
        assert!(*value == expected, "batch {number}");
    }
    rig.stop();
}

#[test]
fn a_changed_codec_holds_for_what_comes_after() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client.create_topic("t", 1, &[]).expect("a topic");
    append(&mut client, "t", batch(&[b"as it came"]));
    let codecs = |client: &mut Client| -> Vec<Compression> {
        stored(client, "t", 0).iter().map(|(header, _)| header.compression().expect("known")).collect()
    };
    for name in ["gzip", "snappy", "producer", "uncompressed"] {
        assert_eq!(configure(&mut client, "t", "compression.type", Some(name)), 0);
        append(&mut client, "t", compressed(&batch(&[name.as_bytes()]), Compression::Lz4, 3));
    }
    let expected = [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::None];
    assert_eq!(codecs(&mut client), expected);
    rig.stop();
}

#[test]
fn a_higher_level_makes_smaller_batches() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    let text = (0..5000).map(|number| format!("flight {number} of carrier {}\n", number % 7)).collect::<String>();
    let mut len = |topic: &str, configs: &[(&str, &str)]| {
        client.create_topic(topic, 1, configs).expect("a topic");
        append(&mut client, topic, batch(&[text.as_bytes()]));
        stored(&mut client, topic, 0)[0].0.len
    };
    let gzip = len("g1", &[("compression.type", "gzip"), ("compression.gzip.level", "1")]);
    assert!(len("g9", &[("compression.type", "gzip"), ("compression.gzip.level", "9")]) < gzip);
    let zstd = len("z1", &[("compression.type", "zstd"), ("compression.zstd.level", "-50")]);
    assert!(len("z19", &[("compression.type", "zstd"), ("compression.zstd.level", "19")]) < zstd);
    rig.stop();
}

#[test]
fn what_cannot_be_unpacked_or_grows_too_large_is_refused_and_holds_nobody_up() {
    let rig = Rig::start();
    let mut client = connect(&rig);
    client
        .create_topic("t", 1, &[("compression.type", "uncompressed"), ("max.message.bytes", "2000")])
        .expect("a topic");
    let mut broken = compressed(&batch(&[b"v"]), Compression::Gzip, 1).to_vec();
    broken.truncate(HEADER_LEN);
    broken.extend_from_slice(b"this is no gzip");
    let len = broken.len();
    let broken = crate::calls::altered(&Bytes::from(broken), len - 1, b"!");
    assert_eq!(refusal(&mut client, "t", broken), ErrorCode::InvalidRecord);
    let grows = compressed(&batch(&[&[b'x'; 5000]]), Compression::Zstd, 4);
    assert!(grows.len() < 2000);
    assert_eq!(refusal(&mut client, "t", grows), ErrorCode::MessageTooLarge);
    assert_eq!(append(&mut client, "t", compressed(&batch(&[b"good"]), Compression::Gzip, 1)), 0);
    rig.stop();
}
