//! What a node tells about itself: the catalogue of metrics, their handles and text form, and the log subscriber.
//!
//! Invariant: every metric that is rendered is declared in [`CATALOGUE`], with the labels declared there.
//! Deliberately absent: HTTP (the admin shell serves the text), traces of single requests, and any decision: nothing in
//! the house reads a metric to decide something.

mod catalogue;
mod exposition;
mod logs;
mod metric;
mod metrics;
mod process;
mod snapshot;

pub use catalogue::{CATALOGUE, Family, Kind};
pub use logs::{LogForm, LogsError, start_logs};
pub use metric::{Counter, Gauge, Histogram, LabelledCounter};
pub use metrics::{CloseReason, Metrics, MetricsOptions, ReadSource, Refusal};
pub use snapshot::{ActorClass, ActorState, BrokerSnapshot, PartitionSnapshot, Snapshot};
