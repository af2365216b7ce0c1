//! A consumer at the tail that remembers what it has seen, and looks again now and then.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use callboard_model::{ErrorCode, Offset, Record};
use callboard_test_client::{Client, ClientError, FetchFrom, FetchLimits, Fetched};

use crate::checks::Check;
use crate::random::Random;
use crate::stage::Stage;
use crate::workload::{PLACES, Place};

const LIMITS: FetchLimits =
    FetchLimits { max_wait: Duration::from_millis(100), min_bytes: 1, max_bytes: 8 * 1024 * 1024 };
const PARTITION_BYTES: i32 = 1024 * 1024;
/// Records that are read again at most after the node was killed.
const REWIND_MAX: u64 = 400;
/// What marks its random numbers.
const DECISIONS: u64 = 0x72656164;

/// What was seen: by place, then by offset, a digest of the record.
pub(crate) type Seen = Vec<Vec<u64>>;

/// Tells one record from another.
pub(crate) fn digest(record: &Record<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (record.offset.get(), record.timestamp.0, record.key, record.value).hash(&mut hasher);
    hasher.finish()
}

/// Reads until the story is over.
pub(crate) fn run(stage: &Stage) -> Seen {
    let mut seen: Seen = vec![Vec::new(); PLACES];
    let mut random = Random::new(stage.workload.seed, &[DECISIONS]);
    while let Some((mut client, life)) = stage.connect() {
        let mut at: Vec<Offset> = seen
            .iter()
            .map(|seen| Offset((seen.len() as u64).saturating_sub(random.between(0, REWIND_MAX)) as i64))
            .collect();
        while !stage.is_over() {
            if let Err(error) = read_on(stage, &mut client, &mut random, &mut at, &mut seen) {
                stage.judge("the reader", &error, life);
                break;
            }
        }
    }
    seen
}

fn read_on(
    stage: &Stage,
    client: &mut Client,
    random: &mut Random,
    at: &mut [Offset],
    seen: &mut Seen,
) -> Result<(), ClientError> {
    // An answer is filled in the order of the request: a different first place each time is fair to all.
    let first = random.below(PLACES as u64) as usize;
    let places = Place::all().cycle().skip(first).take(PLACES);
    let from: Vec<_> = places
        .map(|place| FetchFrom {
            topic: place.topic(),
            partition: place.partition(),
            offset: at[usize::from(place.0)],
            max_bytes: PARTITION_BYTES,
        })
        .collect();
    let mut not_yet = false;
    for fetched in client.fetch(&from, LIMITS)? {
        let Some(place) = Place::of(&fetched.topic, fetched.partition) else {
            stage.checks.wrong(Check::Seen, format!("{}-{} was not asked for", fetched.topic, fetched.partition));
            continue;
        };
        let index = usize::from(place.0);
        match fetched.error {
            ErrorCode::None => at[index] = look(stage, place, &fetched, at[index], &mut seen[index])?,
            error if error.is_retriable() => not_yet = true,
            error => {
                let told =
                    format!("{place}: reading at {} ends in {error}, {} were seen", at[index], seen[index].len());
                stage.checks.wrong(Check::Seen, told);
                stage.pause();
            }
        }
    }
    if not_yet {
        stage.pause();
    }
    Ok(())
}

/// Compares what was fetched with what was seen before; gives the offset to go on at.
fn look(
    stage: &Stage,
    place: Place,
    fetched: &Fetched,
    at: Offset,
    seen: &mut Vec<u64>,
) -> Result<Offset, ClientError> {
    let mut next = at;
    let mut looked = 0;
    let mut wrong = None;
    fetched.walk(at, |_, record| {
        looked += 1;
        let digest = digest(&record);
        let before = seen.get(record.offset.get() as usize);
        if record.offset != next {
            wrong.get_or_insert_with(|| format!("{place}: offset {} follows {}", record.offset, next.get() - 1));
        } else if before.is_some_and(|before| *before != digest) {
            wrong.get_or_insert_with(|| format!("{place}: the record at {} has changed", record.offset));
        } else if before.is_none() {
            seen.push(digest);
        }
        next = record.offset.plus(1);
    })?;
    if fetched.high_watermark.get() < seen.len() as i64 {
        let told = format!("{place}: the high watermark is {}, {} were seen", fetched.high_watermark, seen.len());
        wrong.get_or_insert(told);
    }
    stage.seen.fetch_add(looked, SeqCst);
    stage.checks.looked(Check::Seen, looked);
    if let Some(told) = wrong {
        stage.checks.wrong(Check::Seen, told);
    }
    Ok(next)
}
