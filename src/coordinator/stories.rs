//! The machine's behaviour, told as stories, each rule with its source.

mod growing_old;
mod joining;
mod leaving;
mod model;
mod positions;
mod reading_again;
mod statics;
mod syncing;
