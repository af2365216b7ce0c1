//! What each request may cost, what it cost when the bound was set, and what it costs now.

use std::io::Write as _;

use callboard_counts::Spread;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    ProduceSingle,
    ProduceMiddle,
    ProduceLarge,
    ProduceMany,
    FetchTail,
    FetchDiskLarge,
    FetchDiskMiddle,
    IdleSecond,
}

/// Allocations, and KiB allocated: what they were when the bound was set, and what they may be.
struct Bound {
    row: Row,
    what: &'static str,
    allocations: (f64, f64),
    kib: (f64, f64),
}

const KIB: f64 = 1024.0;

/// Per request, the median of rounds: (measured, at most).
///
/// The margin is about two fifths of the allocations, and of the bytes less than one more copy of the batches: a change
/// may need a little more, but not another copy, and not an allocation per record (a MiB here has 1000 of them). What is
/// produced is received once and never copied in Rust; what is read from disk is read once; what is read from the tail
/// is not copied at all. Background work differs between runs by less than one allocation per request, also where the
/// cores are busy with something else. Who makes a row cheaper lowers its bound.
#[rustfmt::skip]
const BOUNDS: [Bound; 8] = [
    Bound { row: Row::ProduceSingle,   what: "produce, 1 record of 100 bytes",           allocations: (32.0, 40.0), kib: (3.6, 5.0) },
    Bound { row: Row::ProduceMiddle,   what: "produce, 1 batch of 16 KiB",               allocations: (37.0, 44.0), kib: (20.7, 26.0) },
    Bound { row: Row::ProduceLarge,    what: "produce, 1 batch of 1 MiB",                allocations: (39.0, 50.0), kib: (1026.0, 1180.0) },
    Bound { row: Row::ProduceMany,     what: "produce, 100 partitions, each",            allocations: (7.0, 10.0), kib: (2.1, 3.0) },
    Bound { row: Row::FetchTail,       what: "fetch, 1 MiB from the tail",               allocations: (17.0, 24.0), kib: (2.3, 8.0) },
    Bound { row: Row::FetchDiskLarge,  what: "fetch, 1 MiB from disk, 1 batch",          allocations: (27.0, 36.0), kib: (1025.0, 1180.0) },
    Bound { row: Row::FetchDiskMiddle, what: "fetch, 1 MiB from disk, batches of 16 KiB", allocations: (30.0, 40.0), kib: (1019.0, 1180.0) },
    Bound { row: Row::IdleSecond,      what: "a second without requests",                allocations: (0.0, 500.0), kib: (0.0, 64.0) },
];

/// What was counted.
#[derive(Default)]
pub(crate) struct Table(Vec<(Row, Spread, Spread)>);

impl Table {
    pub(crate) fn enter(&mut self, row: Row, allocations: Spread, bytes: Spread) {
        self.0.push((row, allocations, bytes));
    }

    /// Prints the table, and panics if a row is missing or above its bound.
    pub(crate) fn judge(self) {
        let mut lines = vec![format!(
            "{:42} {:>34}   {:>44}",
            "per request: median (least-most), set at, at most", "allocations", "KiB"
        )];
        let mut faults = Vec::new();
        for bound in &BOUNDS {
            let Some((_, allocations, bytes)) = self.0.iter().find(|(row, ..)| *row == bound.row) else {
                faults.push(format!("{}: was not counted", bound.what));
                continue;
            };
            let cell = |spread: Spread, (was, most): (f64, f64)| {
                let Spread { least, median, most: dearest } = spread;
                format!("{median:9.2} ({least:.2}-{dearest:.2}) {was:9.1} {most:9.1}")
            };
            let over = allocations.median > bound.allocations.1 || bytes.median > bound.kib.1 * KIB;
            lines.push(format!(
                "{:42} {:>42}   {:>46}{}",
                bound.what,
                cell(*allocations, bound.allocations),
                cell(bytes.per(KIB), bound.kib),
                if over { "  TOO MUCH" } else { "" }
            ));
            if over {
                faults.push(format!("{}: {allocations:?} allocations, {bytes:?} bytes", bound.what));
            }
        }
        // Not `println`: what a run cost is worth seeing also when the test passes.
        writeln!(std::io::stdout().lock(), "{}", lines.join("\n")).expect("standard output is open");
        assert!(faults.is_empty(), "above the bound:\n{}", faults.join("\n"));
    }
}
