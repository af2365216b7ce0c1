use bytes::BytesMut;
use callboard_model::{CheckedBatch, ProducerEpoch, ProducerId};
use callboard_wire::compression::decompress;
use proptest::prelude::*;

use super::*;

type Content = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

fn filled(contents: &[Content]) -> OpenBatch {
    let pool = Pool::new(0);
    let mut open = OpenBatch::new(Completion::new("t".into(), 0), Instant::now());
    for (timestamp, key, value, headers) in contents {
        let headers: Vec<Header> = headers
            .iter()
            .map(|(key, value)| Header { key: key.as_str().into(), value: value.clone().map(Bytes::from) })
            .collect();
        let parts =
            Parts { timestamp: Timestamp(*timestamp), key: key.as_deref(), value: value.as_deref(), headers: &headers };
        let before = open.size();
        open.push(parts, &pool);
        assert!(open.size() - before <= parts.size_bound());
    }
    open
}

/// What a broker reads in it.
fn read(batch: &Batch, sequenced: Option<Sequenced>) -> (BatchHeader, Vec<Content>) {
    let whole = BytesMut::from(&batch.whole(sequenced)[..]);
    let checked = CheckedBatch::new(whole).expect("length, format, codec, count and checksum are right");
    let header = *checked.header();
    let codec = header.compression().expect("known");
    let plain = decompress(codec, checked.records()).expect("legal");
    let contents = Records::new(header, &plain).map(|record| {
        let record = record.expect("legal");
        let bytes = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        let headers = record.headers.iter().map(|h| (String::from_utf8(h.key.to_vec()).expect("text"), bytes(h.value)));
        (record.timestamp.0, bytes(record.key), bytes(record.value), headers.collect())
    });
    (header, contents.collect())
}

fn content() -> impl Strategy<Value = Content> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let headers = prop::collection::vec(("[a-zä]{0,10}", bytes()), 0..4);
    (0i64..=i64::from(u32::MAX) * 4000, bytes(), bytes(), headers)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_what_a_broker_reads(
        contents in prop::collection::vec(content(), 1..40),
        codec in prop::sample::select(&CODECS[..]),
        sequence in 0..i32::MAX,
    ) {
        let batch = filled(&contents).seal(codec, None).expect("it packs");
        let sequenced = Sequenced { id: ProducerId(70), epoch: ProducerEpoch(3), base_sequence: sequence };
        for sequenced in [None, Some(sequenced)] {
            let (header, back) = read(&batch, sequenced);
            prop_assert_eq!(&back, &contents);
            prop_assert_eq!(header.compression().expect("known"), codec);
            prop_assert_eq!(header.max_timestamp.0, contents.iter().map(|one| one.0).max().expect("some"));
            prop_assert_eq!(header.base_timestamp.0, contents[0].0);
            prop_assert_eq!(header.base_sequence, sequenced.map_or(-1, |it| it.base_sequence));
            prop_assert_eq!(header.producer_id.0, sequenced.map_or(-1, |it| it.id.0));
            prop_assert_eq!(header.producer_epoch.0, sequenced.map_or(-1, |it| it.epoch.0));
        }
    }

    #[test]
    fn both_halves_of_a_split_batch_together_are_the_whole_kip_126(
        contents in prop::collection::vec(content(), 2..40),
        codec in prop::sample::select(&CODECS[..]),
    ) {
        let mut open = filled(&contents);
        open.charged = 1001;
        let batch = open.seal(codec, None).expect("it packs");
        let [first, second] = batch.split().expect("two records at least");
        prop_assert_eq!(first.charged + second.charged, 1001);
        let (mut both, second_part) = (read(&first, None).1, read(&second, None).1);
        prop_assert!(!both.is_empty() && !second_part.is_empty());
        both.extend(second_part);
        prop_assert_eq!(both, contents);
    }
}

#[test]
fn one_record_cannot_be_split() {
    let batch = filled(&[(1, None, Some(vec![0; 100]), vec![])]).seal(Compression::None, None).expect("plain");
    assert!(batch.split().is_none());
}

#[test]
fn the_length_of_a_varint_is_what_is_written() {
    for value in [0, -1, 1, 63, 64, -64, -65, 8191, 8192, i64::from(i32::MAX), i64::MAX, i64::MIN] {
        let mut small = Small { bytes: [0; 50], len: 0 };
        small.varint(value);
        assert_eq!(small.len, varint_len(value), "{value}");
    }
}
