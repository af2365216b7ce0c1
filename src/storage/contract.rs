//! What every journal keeps, whichever it is: run against RocksDB and against the double in memory.
//!
//! Each function is given an empty journal and panics where it breaks the contract. `contract_tests!` makes a test of
//! each; [`walk`] holds a journal against a plain model through random calls.

pub mod walk;

use bytes::Bytes;
use callboard_model::{
    BatchHeader, Durability, JournalWrite, LogId, LogWrite, Offset, PartitionIndex, StateFamily, StoredBatch,
    Timestamp, TopicId,
};

use crate::{NewLog, RetentionClass, Storage, StorageError};

/// A legal batch of `count` records at `base`; storage does not look into the body.
pub fn batch(base: i64, count: i32, body: &[u8]) -> StoredBatch {
    let mut bytes = vec![0; callboard_model::HEADER_LEN];
    bytes.extend_from_slice(body);
    let len = i32::try_from(bytes.len() - 12).expect("test batches are small");
    bytes[0..8].copy_from_slice(&base.to_be_bytes());
    bytes[8..12].copy_from_slice(&len.to_be_bytes());
    bytes[16] = 2;
    bytes[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    bytes[43..51].copy_from_slice(&(-1i64).to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    let header = BatchHeader::read(&bytes).expect("made legal");
    StoredBatch { header, bytes: Bytes::from(bytes) }
}

/// A topic made up from a number.
pub fn topic(number: u8) -> TopicId {
    TopicId::from_bytes([number; 16])
}

/// A synced write.
pub fn write(log: LogId, writes: Vec<LogWrite>) -> JournalWrite {
    JournalWrite { log, durability: Durability::Synced, writes }
}

/// Appends batches of the given record counts one after another; gives them back.
pub fn append(storage: &dyn Storage, log: LogId, counts: &[i32]) -> Vec<StoredBatch> {
    let mut base = storage.end_offset(log).expect("the log is there").0;
    let mut made = Vec::new();
    for count in counts {
        made.push(batch(base, *count, format!("{log} {base}").as_bytes()));
        base += i64::from(*count);
    }
    apply(storage, write(log, made.iter().cloned().map(LogWrite::Append).collect()));
    made
}

fn apply(storage: &dyn Storage, write: JournalWrite) {
    assert_eq!(storage.apply(&[write]), vec![Ok(())]);
}

fn one_log(storage: &dyn Storage) -> LogId {
    storage.create_log(topic(1), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates")
}

fn joined(batches: &[StoredBatch]) -> Bytes {
    batches.iter().flat_map(|batch| batch.bytes.to_vec()).collect::<Vec<u8>>().into()
}

const ALL: usize = usize::MAX;
const END: Offset = Offset(i64::MAX);

pub fn every_offset_is_read_from_the_batch_that_holds_it(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[1, 5, 1, 3]);
    assert_eq!(storage.end_offset(log), Ok(Offset(10)));
    for (from, first) in [0, 1, 1, 1, 1, 1, 2, 3, 3, 3].into_iter().enumerate() {
        let read = storage.read(log, Offset(from as i64), END, ALL, true).expect("reads");
        assert_eq!((read.bytes, read.next), (joined(&batches[first..]), Offset(10)), "from {from}");
    }
    let read = storage.read(log, Offset(10), END, ALL, true).expect("the end may be asked for");
    assert!(read.bytes.is_empty());
    assert_eq!(read.next, Offset(10));
}

pub fn until_bounds_the_base_offsets(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[1, 5, 1, 3]);
    for (until, last, next) in [(0, 0, 0), (1, 1, 1), (2, 2, 6), (6, 2, 6), (7, 3, 7), (8, 4, 10)] {
        let read = storage.read(log, Offset(0), Offset(until), ALL, true).expect("reads");
        assert_eq!((read.bytes, read.next), (joined(&batches[..last]), Offset(next)), "until {until}");
    }
}

pub fn max_bytes_holds_unless_one_batch_must_come(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[2, 2, 2]);
    let one = batches[0].bytes.len();
    for (max, min_one, count) in [
        (0, false, 0),
        (0, true, 1),
        (one - 1, false, 0),
        (one - 1, true, 1),
        (one, false, 1),
        (2 * one - 1, true, 1),
        (2 * one, true, 2),
        (3 * one, false, 3),
    ] {
        let read = storage.read(log, Offset(0), END, max, min_one).expect("reads");
        let next = Offset(2 * count as i64);
        assert_eq!((read.bytes, read.next), (joined(&batches[..count]), next), "{max} bytes, {min_one}");
    }
}

pub fn offsets_outside_the_log_are_refused(storage: &dyn Storage) {
    let log = one_log(storage);
    append(storage, log, &[4, 4]);
    apply(storage, write(log, vec![LogWrite::SetStart(Offset(5))]));
    for given in [Offset(-1), Offset(4), Offset(9)] {
        let error = StorageError::OutOfRange { log, start: Offset(5), end: Offset(8), given };
        assert_eq!(storage.read(log, given, END, ALL, true), Err(error));
    }
    let unknown = LogId(log.0 + 77);
    assert_eq!(storage.read(unknown, Offset(0), END, ALL, true), Err(StorageError::UnknownLog(unknown)));
    assert_eq!(storage.end_offset(unknown), Err(StorageError::UnknownLog(unknown)));
    assert_eq!(storage.apply(&[write(unknown, Vec::new())]), vec![Err(StorageError::UnknownLog(unknown))]);
    assert_eq!(storage.state(unknown, StateFamily::Index), Err(StorageError::UnknownLog(unknown)));
}

pub fn a_batch_that_does_not_continue_the_log_is_refused_alone(storage: &dyn Storage) {
    let log = one_log(storage);
    let other = storage.create_log(topic(2), PartitionIndex(0), RetentionClass::UNBOUNDED).expect("creates");
    let put = LogWrite::Put { family: StateFamily::Index, key: b"k".to_vec(), value: b"v".to_vec() };
    let group = [
        write(log, vec![LogWrite::Append(batch(0, 3, b"good"))]),
        write(log, vec![put.clone(), LogWrite::Append(batch(3, 1, b"good")), LogWrite::Append(batch(3, 1, b"bad"))]),
        write(other, vec![put, LogWrite::Append(batch(0, 1, b"good"))]),
        write(log, vec![LogWrite::Append(batch(3, 2, b"good"))]),
    ];
    let refused = Err(StorageError::NotContiguous { log, expected: Offset(4), given: Offset(3) });
    assert_eq!(storage.apply(&group), vec![Ok(()), refused, Ok(()), Ok(())]);
    assert_eq!(storage.end_offset(log), Ok(Offset(5)));
    assert_eq!(storage.end_offset(other), Ok(Offset(1)));
    assert_eq!(storage.state(log, StateFamily::Index), Ok(Vec::new()), "the refused write left nothing");
    assert_eq!(storage.headers(log, Offset(0)).expect("reads").len(), 2);
}

pub fn a_start_moves_up_and_never_down(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[4, 4]);
    apply(storage, write(log, vec![LogWrite::SetStart(Offset(6)), LogWrite::SetStart(Offset(2))]));
    assert_eq!(storage.start_offset(log), Ok(Offset(6)));
    assert_eq!(storage.logs()[0].start, Offset(6));
    let read = storage.read(log, Offset(6), END, ALL, true).expect("reads");
    assert_eq!(read.bytes, joined(&batches[1..]), "the batch that holds the start stays whole");
}

pub fn a_start_beyond_the_end_moves_the_end_along(storage: &dyn Storage) {
    let log = one_log(storage);
    append(storage, log, &[4]);
    apply(storage, write(log, vec![LogWrite::SetStart(Offset(100))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(100)));
    assert_eq!(storage.headers(log, Offset(0)), Ok(Vec::new()));
    let batches = append(storage, log, &[2, 2]);
    assert_eq!(batches[0].header.base_offset, Offset(100));
    let read = storage.read(log, Offset(101), END, ALL, true).expect("reads");
    assert_eq!((read.bytes, read.next), (joined(&batches), Offset(104)));
}

pub fn a_truncation_cuts_at_a_batch_s_edge(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[2, 5, 2]);
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(9))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(9)), "at the end there is nothing to cut");
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(7))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(7)));
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(4))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(2)), "a batch that holds the offset goes whole");
    assert_eq!(storage.read(log, Offset(0), END, ALL, true).expect("reads").bytes, joined(&batches[..1]));
    let after = batch(2, 9, b"another history");
    apply(storage, write(log, vec![LogWrite::Append(after.clone())]));
    assert_eq!(storage.read(log, Offset(5), END, ALL, true).expect("reads").bytes, after.bytes);
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(0))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(0)));
    assert_eq!(storage.headers(log, Offset(0)), Ok(Vec::new()));
}

pub fn a_truncation_and_what_follows_it_may_be_one_write_or_one_group(storage: &dyn Storage) {
    let log = one_log(storage);
    append(storage, log, &[2, 2, 2]);
    let (one, two, three) = (batch(2, 3, b"one"), batch(5, 1, b"two"), batch(5, 2, b"three"));
    let group = [
        write(log, vec![LogWrite::Truncate(Offset(3)), LogWrite::Append(one.clone()), LogWrite::Append(two)]),
        write(log, vec![LogWrite::Truncate(Offset(5)), LogWrite::Append(three.clone())]),
    ];
    assert_eq!(storage.apply(&group), vec![Ok(()), Ok(())]);
    assert_eq!(storage.end_offset(log), Ok(Offset(7)));
    let read = storage.read(log, Offset(2), END, ALL, true).expect("reads");
    assert_eq!(read.bytes, joined(&[one, three]));
}

/// A write that puts batches in the place of those from one offset to another.
pub fn replace(log: LogId, from: i64, until: i64, batches: &[StoredBatch]) -> JournalWrite {
    let (from, until, batches) = (Offset(from), Offset(until), batches.to_vec());
    write(log, vec![LogWrite::Replace { from, until, batches }])
}

pub fn survivors_take_the_place_of_batches_and_holes_are_read_across(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[2, 3, 1, 4, 2]);
    let survivor = batch(2, 3, b"less");
    let put = LogWrite::Put { family: StateFamily::Index, key: b"k".to_vec(), value: b"v".to_vec() };
    let mut group = replace(log, 0, 6, std::slice::from_ref(&survivor));
    group.writes.push(put);
    apply(storage, group);
    let expected = [survivor, batches[3].clone(), batches[4].clone()];
    for (from, first) in [(0, 0), (1, 0), (2, 0), (4, 0), (5, 1), (6, 1), (9, 1), (10, 2)] {
        let read = storage.read(log, Offset(from), END, ALL, true).expect("reads");
        assert_eq!((read.bytes, read.next), (joined(&expected[first..]), Offset(12)), "from {from}");
    }
    for (from, until) in [(0, 1), (0, 2), (5, 6)] {
        let read = storage.read(log, Offset(from), Offset(until), ALL, true).expect("a hole is no damage");
        assert_eq!((read.bytes.len(), read.next), (0, Offset(from)), "{from} to {until}");
    }
    let headers = storage.headers(log, Offset(0)).expect("reads");
    assert_eq!(headers, expected.iter().map(|batch| batch.header).collect::<Vec<_>>());
    assert_eq!((storage.start_offset(log), storage.end_offset(log)), (Ok(Offset(0)), Ok(Offset(12))));
    assert_eq!(storage.state(log, StateFamily::Index).expect("reads").len(), 1, "state goes with them");
    let more = append(storage, log, &[1]);
    let read = storage.read(log, Offset(11), END, ALL, true).expect("reads");
    assert_eq!(read.bytes, joined(&[batches[4].clone(), more[0].clone()]));
}

pub fn survivors_may_be_replaced_again_and_cut_and_nothing_old_comes_back(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[1; 10]);
    apply(storage, replace(log, 0, 6, &[batches[1].clone(), batches[4].clone()]));
    apply(storage, replace(log, 0, 8, &[batches[4].clone(), batches[7].clone()]));
    apply(storage, replace(log, 4, 5, &[]));
    let bases = || {
        let headers = storage.headers(log, Offset(0)).expect("reads");
        headers.iter().map(|header| header.base_offset.0).collect::<Vec<_>>()
    };
    assert_eq!(bases(), [7, 8, 9]);
    apply(storage, replace(log, 0, 10, &[batches[9].clone()]));
    assert_eq!(bases(), [9]);
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(5))]));
    assert_eq!((bases(), storage.end_offset(log)), (vec![], Ok(Offset(0))));
    append(storage, log, &[3]);
    assert_eq!(bases(), [0], "what was appended before is not there again");
    let group = [
        write(log, vec![LogWrite::Append(batch(3, 1, b"x")), LogWrite::Append(batch(4, 1, b"y"))]),
        replace(log, 0, 3, &[]),
        write(log, vec![LogWrite::Truncate(Offset(4)), LogWrite::Append(batch(4, 2, b"z"))]),
    ];
    assert_eq!(storage.apply(&group), vec![Ok(()); 3]);
    assert_eq!((bases(), storage.end_offset(log)), (vec![3, 4], Ok(Offset(6))));
}

pub fn survivors_that_do_not_fit_are_refused(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[2, 3, 1, 4]);
    let refused = |from, until, survivors: &[StoredBatch]| {
        let results = storage.apply(&[replace(log, from, until, survivors)]);
        assert!(matches!(results[..], [Err(StorageError::NotReplaceable { .. })]), "{from} to {until}: {results:?}");
    };
    refused(0, 0, &[]);
    refused(0, 11, &[batches[3].clone()]);
    refused(0, 4, &[]);
    refused(1, 6, &[]);
    refused(0, 5, &[batches[1].clone(), batches[0].clone()]);
    refused(0, 5, &[batches[2].clone()]);
    refused(2, 5, &[batches[0].clone()]);
    refused(0, 10, &[]);
    refused(0, 10, &batches[..3]);
    let mut last = replace(log, 8, 9, &[]).writes;
    last.push(LogWrite::Append(batch(10, 1, b"")));
    let appended = [write(log, last)];
    assert!(matches!(storage.apply(&appended)[..], [Err(StorageError::NotReplaceable { .. })]));
    assert_eq!(storage.read(log, Offset(0), END, ALL, true).expect("reads").bytes, joined(&batches));
}

pub fn what_survivors_left_behind_does_not_come_back_when_the_log_is_cut_there(storage: &dyn Storage) {
    let log = one_log(storage);
    let replace = |from: i64, until: i64, batches: &[StoredBatch]| {
        let (from, until) = (Offset(from), Offset(until));
        apply(storage, write(log, vec![LogWrite::Replace { from, until, batches: batches.to_vec() }]));
    };
    let mut batches = append(storage, log, &[1; 6]);
    replace(0, 6, &batches);
    batches.extend(append(storage, log, &[1; 4]));
    // They cannot stand where the first ones still are, and take the log's middle elsewhere.
    replace(4, 8, &batches[4..8]);
    apply(storage, write(log, vec![LogWrite::Truncate(Offset(4))]));
    assert_eq!(storage.end_offset(log), Ok(Offset(4)));
    let headers: Vec<_> = batches[..4].iter().map(|batch| batch.header).collect();
    assert_eq!(storage.headers(log, Offset(0)), Ok(headers));
}

pub fn state_is_kept_by_log_and_kind_in_the_order_of_keys(storage: &dyn Storage) {
    let log = one_log(storage);
    let other = storage.create_log(topic(1), PartitionIndex(1), RetentionClass::UNBOUNDED).expect("creates");
    let put = |family, key: &[u8], value: &[u8]| LogWrite::Put { family, key: key.to_vec(), value: value.to_vec() };
    let family = StateFamily::Producers;
    let writes =
        vec![put(family, b"b", b"2"), put(family, b"a", b"1"), put(family, b"c", b""), put(family, b"b", b"3")];
    apply(storage, write(log, writes));
    apply(storage, write(other, vec![put(family, b"x", b"9"), put(StateFamily::Epochs, b"e", b"8")]));
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(storage.state(log, family), Ok(vec![entry(b"a", b"1"), entry(b"b", b"3"), entry(b"c", b"")]));
    assert_eq!(storage.state_range(log, family, b"b", 1), Ok(vec![entry(b"b", b"3")]));
    assert_eq!(storage.state_range(log, family, b"bb", 9), Ok(vec![entry(b"c", b"")]));
    assert_eq!(storage.first_state(log, family), Ok(Some(entry(b"a", b"1"))));
    assert_eq!(storage.last_state(log, family), Ok(Some(entry(b"c", b""))));
    assert_eq!(storage.state_before(log, family, b"b"), Ok(Some(entry(b"b", b"3"))));
    assert_eq!(storage.state_before(log, family, b"bz"), Ok(Some(entry(b"b", b"3"))));
    assert_eq!(storage.state_before(log, family, b"A"), Ok(None));
    assert_eq!(storage.last_state(log, StateFamily::Epochs), Ok(None));
    assert_eq!(storage.state(other, StateFamily::Epochs), Ok(vec![entry(b"e", b"8")]));
    apply(storage, write(log, vec![LogWrite::Delete { family, key: b"c".to_vec() }]));
    assert_eq!(storage.last_state(log, family), Ok(Some(entry(b"b", b"3"))));
    assert_eq!(storage.state(other, family), Ok(vec![entry(b"x", b"9")]));
}

pub fn a_dropped_log_is_gone_and_its_number_stays_unused(storage: &dyn Storage) {
    let classes = [RetentionClass::UNBOUNDED; 3];
    let new: Vec<_> = (0..3)
        .map(|partition| NewLog { topic: topic(3), partition: PartitionIndex(partition), class: classes[0] })
        .collect();
    let made = storage.create_logs(&new).expect("creates");
    assert_eq!(storage.create_logs(&new), Ok(made.clone()), "the same partitions, the same logs");
    for log in &made {
        append(storage, *log, &[2, 2]);
        let put = LogWrite::Put { family: StateFamily::Epochs, key: vec![1], value: vec![2] };
        apply(storage, write(*log, vec![put]));
    }
    storage.drop_logs(&[made[0], made[1], LogId(u32::MAX)]).expect("drops");
    assert_eq!(storage.logs().iter().map(|entry| entry.log).collect::<Vec<_>>(), vec![made[2]]);
    assert_eq!(storage.end_offset(made[0]), Err(StorageError::UnknownLog(made[0])));
    let again = storage.create_logs(&new).expect("creates");
    assert!(!made[..2].contains(&again[0]) && !made[..2].contains(&again[1]) && again[2] == made[2]);
    assert_eq!(storage.end_offset(again[0]), Ok(Offset(0)), "a new life begins empty");
    assert_eq!(storage.state(again[0], StateFamily::Epochs), Ok(Vec::new()));
    assert_eq!(storage.end_offset(made[2]), Ok(Offset(4)), "its neighbour is untouched");
    assert_eq!(storage.state(made[2], StateFamily::Epochs), Ok(vec![(vec![1], vec![2])]));
}

pub fn a_log_may_change_its_class_and_stays_readable(storage: &dyn Storage) {
    let log = one_log(storage);
    let short = RetentionClass::of_retention(Some(std::time::Duration::from_secs(60)));
    let mut batches = append(storage, log, &[2, 3]);
    storage.set_class(log, short).expect("changes");
    batches.extend(append(storage, log, &[1, 4]));
    storage.set_class(log, RetentionClass::UNBOUNDED).expect("changes");
    batches.extend(append(storage, log, &[5]));
    assert_eq!(storage.logs()[0].class, RetentionClass::UNBOUNDED);
    for first in 0..batches.len() {
        let read = storage.read(log, batches[first].header.base_offset, END, ALL, true).expect("reads");
        assert_eq!(read.bytes, joined(&batches[first..]));
    }
    assert_eq!(storage.headers(log, Offset(6)).expect("reads").len(), 2);
    let classes: Vec<_> = storage.usage().expect("counts").generations.iter().map(|info| info.class).collect();
    assert!(classes.contains(&RetentionClass::UNBOUNDED));
}

pub fn a_closed_journal_takes_nothing_more(storage: &dyn Storage) {
    let log = one_log(storage);
    append(storage, log, &[1]);
    storage.close().expect("closes");
    storage.close().expect("closes once only");
    assert_eq!(storage.apply(&[write(log, Vec::new())]), vec![Err(StorageError::Closed)]);
    let new = NewLog { topic: topic(9), partition: PartitionIndex(0), class: RetentionClass::UNBOUNDED };
    assert_eq!(storage.create_logs(&[new]), Err(StorageError::Closed));
    assert_eq!(storage.end_offset(log), Ok(Offset(1)), "what it has can be read");
}

pub fn maintenance_of_an_idle_journal_changes_nothing(storage: &dyn Storage) {
    let log = one_log(storage);
    let batches = append(storage, log, &[2, 2]);
    for second in 0..3 {
        storage.maintain(Timestamp(second * 1000)).expect("maintains");
    }
    assert_eq!(storage.read(log, Offset(1), END, ALL, true).expect("reads").bytes, joined(&batches));
}

/// Makes a test of every part of the contract; the argument makes `(guard, storage)`.
#[macro_export]
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::contract_tests!(@each $make,
            every_offset_is_read_from_the_batch_that_holds_it,
            until_bounds_the_base_offsets,
            max_bytes_holds_unless_one_batch_must_come,
            offsets_outside_the_log_are_refused,
            a_batch_that_does_not_continue_the_log_is_refused_alone,
            a_start_moves_up_and_never_down,
            a_start_beyond_the_end_moves_the_end_along,
            a_truncation_cuts_at_a_batch_s_edge,
            a_truncation_and_what_follows_it_may_be_one_write_or_one_group,
            survivors_take_the_place_of_batches_and_holes_are_read_across,
            survivors_may_be_replaced_again_and_cut_and_nothing_old_comes_back,
            survivors_that_do_not_fit_are_refused,
            what_survivors_left_behind_does_not_come_back_when_the_log_is_cut_there,
            state_is_kept_by_log_and_kind_in_the_order_of_keys,
            a_dropped_log_is_gone_and_its_number_stays_unused,
            a_log_may_change_its_class_and_stays_readable,
            a_closed_journal_takes_nothing_more,
            maintenance_of_an_idle_journal_changes_nothing,
        );
    };
    (@each $make:expr, $($name:ident,)*) => {
        $(#[test]
        fn $name() {
            let (_guard, storage) = $make;
            $crate::contract::$name(&storage);
        })*
    };
}
