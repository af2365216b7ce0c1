//! The plan of the house: which room may use which, and what may stand where. A new room is entered here first.

/// Entries of the root that everyone sees; dotfiles are not visible.
pub(crate) const TOP_LEVEL: [&str; 9] =
    ["Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "src", "actors", "examples", "tests", "deploy"];

/// Room (the folder of a manifest) -> the rooms that its crate may use, by crate name without `callboard-`.
pub(crate) const ROOMS: &[(&str, &[&str])] = &[
    ("src/model", &[]),
    ("src/wire", &["model"]),
    ("src/settings", &["model"]),
    ("src/telemetry", &["model"]),
    ("src/storage", &["model"]),
    ("src/partition", &["model"]),
    ("src/controller", &["model"]),
    ("src/gateway", &["model"]),
    ("src/shard", &["model"]),
    ("src/coordinator", &["model", "shard", "wire"]),
    ("src/streams", &["model", "shard"]),
    ("src/connect", &["model", "shard"]),
    ("src/client", &["model", "wire"]),
    ("src/cli", &["client", "settings"]),
    ("src/console", &["model"]),
    ("actors/runtime", &[]),
    (
        "actors",
        &[
            "model",
            "wire",
            "settings",
            "telemetry",
            "storage",
            "partition",
            "controller",
            "gateway",
            "shard",
            "coordinator",
            "streams",
            "connect",
            "client",
            "console",
            "runtime",
        ],
    ),
    // `wire` and `test-client` for its tests alone.
    (
        ".",
        &[
            "model",
            "wire",
            "settings",
            "telemetry",
            "actors",
            "streams",
            "connect",
            "client",
            "cli",
            "console",
            "test-client",
        ],
    ),
    ("tests/tidy", &[]),
    ("tests/client", &["model", "wire"]),
    ("tests/kill", &["model", "test-client"]),
    ("tests/groups", &["model", "wire", "test-client"]),
    ("tests/connections", &["model", "wire", "test-client"]),
    // The whole node, for its test alone.
    ("tests/counts", &["model", "wire", "telemetry", "test-client"]),
    ("tests/client-suite", &["client", "model", "wire"]),
    ("tests/simulation", &["model", "wire", "partition", "controller", "shard", "coordinator", "streams", "runtime"]),
];

/// Crate of the outer world -> the rooms that may use it. A crate that is not here may be used anywhere.
pub(crate) const WALLS: &[(&str, &[&str])] = &[
    ("actix", &["actors", "actors/runtime"]),
    ("actix-rt", &["actors", "actors/runtime"]),
    ("actix-web", &[]),
    ("rocksdb", &["src/storage"]),
    ("librocksdb-sys", &[]),
    ("config", &["src/settings"]),
    ("rmp-serde", &["actors/runtime", "src/storage", "src/controller"]),
    ("openraft", &["src/controller", "actors"]),
    ("tracing-subscriber", &["src/telemetry"]),
    ("clap", &[".", "src/cli", "tests/connections", "tests/groups", "tests/kill"]),
    ("hyper", &["actors", "src/cli", "src/connect"]),
    (
        "tokio",
        &[
            "actors",
            "actors/runtime",
            "src/client",
            "src/cli",
            "src/connect",
            ".",
            "tests/connections",
            "tests/counts",
            "tests/groups",
            "tests/client-suite",
        ],
    ),
    ("rand", &["actors", "actors/runtime", "tests/simulation"]),
];

/// Rooms of machines: values in, effects out.
pub(crate) const MACHINES: &[&str] = &[
    "src/model",
    "src/wire",
    "src/partition",
    "src/controller",
    "src/gateway",
    "src/shard",
    "src/coordinator",
    "src/streams",
];

/// Words that no machine may contain, and why.
pub(crate) const NOT_IN_MACHINES: &[(&str, &str)] = &[
    ("Instant::now", "a machine has no clock: take a Tick as a parameter"),
    ("SystemTime::now", "a machine has no clock: take a Timestamp as a parameter"),
    ("rand::", "a machine has no randomness: take the value, or a seed, as a parameter"),
    ("thread_rng", "a machine has no randomness: take the value, or a seed, as a parameter"),
];

/// The same, outside of tests only: a test may well read a fixture or print what it saw.
pub(crate) const NOT_IN_MACHINES_BUT_TESTS: &[(&str, &str)] = &[
    ("std::fs", "a machine does no IO: return an effect"),
    ("std::net", "a machine does no IO: return an effect"),
    ("std::thread", "a machine starts no threads: return an effect"),
    ("tracing::", "a machine does not log: return what happened, the shell logs it"),
    ("println!", "a machine does not print: return what happened"),
];

/// Words that name nothing, as parts of a file's or folder's name.
pub(crate) const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "base"];

/// Lines of a source file at which to ask oneself whether it is two, and beyond which it is.
pub(crate) const LINES_WARN: usize = 500;
pub(crate) const LINES_MAX: usize = 800;
