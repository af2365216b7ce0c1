//! ApiVersions (18), 0-4: computed from the table of what is served; subtleties in kafka-compat notes (KIP-511).

pub(super) use callboard_wire::messages::api_versions::{answer, unsupported};
