//! What every client needs to know of its cluster.

use std::time::Duration;

use super::{Entry, OptionError, boolean, millis, names, try_set, unknown, within};

/// The port of an address that names none, as librdkafka has it.
pub const DEFAULT_PORT: u16 = 9092;

/// Options of the connection to a cluster; defaults are Kafka's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterOptions {
    /// `bootstrap.servers`: addresses to begin with, `host:port`. Port 9092 if none is given.
    pub bootstrap_servers: Vec<String>,
    /// `client.id`: what the client calls itself to the broker.
    pub client_id: String,
    /// `request.timeout.ms`: how long one answer is waited for.
    pub request_timeout: Duration,
    /// `default.api.timeout.ms`: how long a call may take that names no time of its own.
    pub default_api_timeout: Duration,
    /// `retry.backoff.ms`: the first pause before a call is tried again; it doubles from there (KIP-580).
    pub retry_backoff: Duration,
    /// `retry.backoff.max.ms`: the longest such pause.
    pub retry_backoff_max: Duration,
    /// `reconnect.backoff.ms`: the first pause before a broker is dialled again; it doubles from there.
    pub reconnect_backoff: Duration,
    /// `reconnect.backoff.max.ms`: the longest such pause.
    pub reconnect_backoff_max: Duration,
    /// `socket.connection.setup.timeout.ms`: how long a connection may take, its first answer included (KIP-601).
    pub socket_connection_setup_timeout: Duration,
    /// `metadata.max.age.ms`: how old the knowledge of a topic may grow.
    pub metadata_max_age: Duration,
    /// `allow.auto.create.topics`: whether asking for a topic may create it.
    pub allow_auto_create_topics: bool,
    /// `receive.message.max.bytes`: the largest answer that is read, in bytes.
    pub receive_message_max_bytes: usize,
    /// `dial.instead`, our own: the address to dial whatever a broker advertises; for one broker behind a tunnel or a proxy.
    pub dial_instead: Option<String>,
    /// `send.buffer.bytes`: the socket's buffer; `None` leaves it to the system.
    pub send_buffer_bytes: Option<usize>,
    /// `receive.buffer.bytes`: the socket's buffer; `None` leaves it to the system.
    pub receive_buffer_bytes: Option<usize>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            bootstrap_servers: vec!["localhost:9092".to_owned()],
            client_id: "callboard".to_owned(),
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            socket_connection_setup_timeout: Duration::from_secs(10),
            metadata_max_age: Duration::from_secs(300),
            allow_auto_create_topics: true,
            receive_message_max_bytes: 256 * 1024 * 1024,
            dial_instead: None,
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
        }
    }
}

impl ClusterOptions {
    /// The defaults for a cluster that is found at these addresses, separated by commas.
    pub fn new(bootstrap_servers: &str) -> Self {
        Self { bootstrap_servers: addresses(bootstrap_servers), ..Self::default() }
    }

    /// Sets an option by Kafka's or librdkafka's name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        if self.try_set(name, value)? { Ok(()) } else { Err(unknown(name, Self::names())) }
    }

    /// The same; `false` if no option of a cluster has this name.
    pub(crate) fn try_set(&mut self, name: &str, value: &str) -> Result<bool, OptionError> {
        try_set(TABLE, self, name, value)
    }

    /// Every name that [`Self::set`] takes.
    pub fn names() -> impl Iterator<Item = &'static str> {
        names(TABLE)
    }
}

fn addresses(value: &str) -> Vec<String> {
    value.split(',').map(str::trim).filter(|address| !address.is_empty()).map(str::to_owned).collect()
}

fn socket_buffer(value: &str) -> Result<Option<usize>, String> {
    match value {
        "-1" | "0" => Ok(None),
        _ => within(value, 1, i32::MAX as usize).map(Some),
    }
}

const TABLE: &[Entry<ClusterOptions>] = &[
    Entry {
        names: &["bootstrap.servers", "metadata.broker.list"],
        set: |o, v| {
            o.bootstrap_servers = addresses(v);
            if o.bootstrap_servers.is_empty() { Err("at least one host:port is expected".to_owned()) } else { Ok(()) }
        },
    },
    Entry {
        names: &["client.id"],
        set: |o, v| {
            o.client_id = v.to_owned();
            if v.len() > i16::MAX as usize { Err("at most 32767 bytes are expected".to_owned()) } else { Ok(()) }
        },
    },
    Entry { names: &["request.timeout.ms", "socket.timeout.ms"], set: |o, v| millis(v).map(|v| o.request_timeout = v) },
    Entry { names: &["default.api.timeout.ms"], set: |o, v| millis(v).map(|v| o.default_api_timeout = v) },
    Entry { names: &["retry.backoff.ms"], set: |o, v| millis(v).map(|v| o.retry_backoff = v) },
    Entry { names: &["retry.backoff.max.ms"], set: |o, v| millis(v).map(|v| o.retry_backoff_max = v) },
    Entry { names: &["reconnect.backoff.ms"], set: |o, v| millis(v).map(|v| o.reconnect_backoff = v) },
    Entry { names: &["reconnect.backoff.max.ms"], set: |o, v| millis(v).map(|v| o.reconnect_backoff_max = v) },
    Entry {
        names: &["socket.connection.setup.timeout.ms"],
        set: |o, v| millis(v).map(|v| o.socket_connection_setup_timeout = v),
    },
    Entry {
        names: &["metadata.max.age.ms", "topic.metadata.refresh.interval.ms"],
        set: |o, v| millis(v).map(|v| o.metadata_max_age = v),
    },
    Entry { names: &["allow.auto.create.topics"], set: |o, v| boolean(v).map(|v| o.allow_auto_create_topics = v) },
    Entry {
        names: &["receive.message.max.bytes"],
        set: |o, v| within(v, 1000, i32::MAX as usize).map(|v| o.receive_message_max_bytes = v),
    },
    Entry {
        names: &["dial.instead"],
        set: |o, v| {
            o.dial_instead = (!v.is_empty()).then(|| v.to_owned());
            Ok(())
        },
    },
    Entry {
        names: &["send.buffer.bytes", "socket.send.buffer.bytes"],
        set: |o, v| socket_buffer(v).map(|v| o.send_buffer_bytes = v),
    },
    Entry {
        names: &["receive.buffer.bytes", "socket.receive.buffer.bytes"],
        set: |o, v| socket_buffer(v).map(|v| o.receive_buffer_bytes = v),
    },
    Entry {
        names: &["security.protocol"],
        set: |_, v| {
            let plain = v.eq_ignore_ascii_case("plaintext");
            if plain { Ok(()) } else { Err("only PLAINTEXT is spoken, TLS and SASL are not yet".to_owned()) }
        },
    },
];
