//! Section `[admin]`: the HTTP port for health, metrics and inspection.

use crate::key::section;
use crate::value::HostPort;

section! {
    admin:
    /// The HTTP port for health, metrics and inspection.
    AdminSettings {
        /// Where to listen for HTTP: /livez, /readyz, /metrics, /api/v1/actors. There is no authentication yet: keep it on an
        /// address that only trusted machines reach. Port 0 takes any free port.
        listen: HostPort = "127.0.0.1:10092";
        /// Whether actors may be restarted and killed through this port, as `callboard actor restart` does. True for
        /// `callboard dev`.
        allow_control: bool = "false";
    }
}
