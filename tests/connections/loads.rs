//! The loads, a file for each.

pub(crate) mod greedy;
pub(crate) mod half;
pub(crate) mod handles;
pub(crate) mod produce;
pub(crate) mod producers;
pub(crate) mod slow;
pub(crate) mod tail;
