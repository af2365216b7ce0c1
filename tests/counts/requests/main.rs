//! What requests cost the node in allocations, held to bounds.

#[allow(dead_code, reason = "others ask it more")]
#[path = "../../scenario/rig.rs"]
mod rig;
mod table;

use std::thread::sleep;
use std::time::Duration;

use bytes::Bytes;
use callboard_counts::{
    Counting, Link, batch, fetch, leave_this_thread_out, produce, read_fetch, read_produce, rounds,
};
use callboard_test_client::Client;

use rig::Rig;
use table::{Row, Table};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ROUNDS: usize = 15;
/// Times within a round, of a request of about a MiB and of a smaller one.
const LARGE_TIMES: usize = 12;
const SMALL_TIMES: usize = 40;
/// The partitions of the request that has many.
const PARTITIONS: i32 = 100;
/// Reads of what is on disk begin as often at another place.
const PLACES: usize = ROUNDS * LARGE_TIMES;

const LARGE: (usize, usize) = (1000, 1036);
const MIDDLE: (usize, usize) = (15, 1080);
const MIB: i32 = 1 << 20;

/// A node's client: a socket, and frames encoded before anything is counted.
struct Asking {
    link: Link,
}

impl Asking {
    fn of(rig: &Rig) -> Self {
        Self { link: Link::open(rig.kafka()).expect("a connection") }
    }

    fn produce(&mut self, frame: &Bytes, partitions: i32) {
        let answer = read_produce(self.link.ask(frame).expect("an answer"));
        assert_eq!((answer.partitions, answer.refused), (partitions as usize, 0), "every batch is appended");
    }

    fn fetch(&mut self, frame: &Bytes, bytes: usize) {
        let read = read_fetch(self.link.ask(frame).expect("an answer"));
        assert_eq!(read.len(), bytes, "whole batches are read");
    }

    /// Costs of producing the same again and again; the first rounds warm it up.
    fn producing(&mut self, row: Row, topic: &str, partitions: i32, batch: &Bytes, times: usize, table: &mut Table) {
        let frame = produce(topic, partitions, batch).expect("a request");
        (0..2 * times).for_each(|_| self.produce(&frame, partitions));
        let (allocations, bytes) = rounds(ROUNDS, times, || self.produce(&frame, partitions));
        let parts = f64::from(partitions);
        table.enter(row, allocations.per(parts), bytes.per(parts));
    }

    /// Costs of reading, in turn, from each of the offsets.
    fn fetching(&mut self, row: Row, topic: &str, offsets: &[i64], bytes: usize, table: &mut Table) {
        let frame = |offset: &i64| fetch(topic, *offset, MIB).expect("a request");
        let frames: Vec<Bytes> = offsets.iter().map(frame).collect();
        (0..LARGE_TIMES).for_each(|_| self.fetch(&frames[0], bytes));
        let mut next = frames.iter().cycle();
        let (allocations, read) =
            rounds(ROUNDS, LARGE_TIMES, || self.fetch(next.next().expect("a circle has no end"), bytes));
        table.enter(row, allocations, read);
    }
}

#[test]
fn requests_allocate_no_more_than_the_table_says() {
    leave_this_thread_out();
    let mut rig = Rig::start();
    let mut table = Table::default();

    let mut client = Client::connect(rig.kafka(), rig::PATIENCE).expect("a connection");
    for (topic, partitions) in [("single", 1), ("middle", 1), ("large", 1), ("tail", 1), ("many", PARTITIONS)] {
        client.create_topic(topic, partitions, &[("retention.ms", "-1")]).expect("a topic");
    }
    drop(client);

    let single = batch(1, 100);
    let middle = batch(MIDDLE.0, MIDDLE.1);
    let large = batch(LARGE.0, LARGE.1);
    assert!((16 << 10..17 << 10).contains(&middle.len()), "{}", middle.len());
    assert!((1020 << 10..1 << 20).contains(&large.len()), "{}", large.len());

    let mut asking = Asking::of(&rig);
    // First, while there is little in the tails: where they are crowded, an idle one is cut every few seconds. What nobody
    // waits for at the end does not stay.
    asking.fetch(&fetch("tail", 0, MIB).expect("a request"), 0);
    asking.produce(&produce("tail", 1, &large).expect("a request"), 1);
    asking.fetching(Row::FetchTail, "tail", &[0], large.len(), &mut table);
    asking.producing(Row::ProduceSingle, "single", 1, &single, SMALL_TIMES, &mut table);
    asking.producing(Row::ProduceMiddle, "middle", 1, &middle, SMALL_TIMES, &mut table);
    asking.producing(Row::ProduceMany, "many", PARTITIONS, &single, SMALL_TIMES, &mut table);
    asking.producing(Row::ProduceLarge, "large", 1, &large, LARGE_TIMES, &mut table);
    drop(asking);

    rig.restart();
    let mut asking = Asking::of(&rig);
    let places: Vec<i64> = (0..PLACES).map(|at| (at * LARGE.0) as i64).collect();
    asking.fetching(Row::FetchDiskLarge, "large", &places, large.len(), &mut table);
    let together = MIB as usize / middle.len();
    let places: Vec<i64> = (0..(SMALL_TIMES * ROUNDS) - together).map(|at| (at * MIDDLE.0) as i64).collect();
    asking.fetching(Row::FetchDiskMiddle, "middle", &places, together * middle.len(), &mut table);

    let (allocations, bytes) = rounds(5, 1, || sleep(Duration::from_secs(1)));
    table.enter(Row::IdleSecond, allocations, bytes);
    drop(asking);
    rig.stop();
    table.judge();
}
