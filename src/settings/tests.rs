//! The room as a whole: every key, every layer, every mistake.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

/// A settings file of these contents, and the folder that must outlive it.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, SettingsError> {
    let (_folder, path) = file(text);
    Settings::load(Sources { mode: Mode::Server, file: Some(path), env: pairs(env), flags: pairs(flags) })
}

/// The message of a load that must fail, with the temporary folder's path cut to the file's name.
fn refusal(text: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    let (folder, path) = file(text);
    let sources = Sources { mode: Mode::Server, file: Some(path), env: pairs(env), flags: pairs(flags) };
    let message = Settings::load(sources).unwrap_err().to_string();
    message.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn every_key_s_default_and_bounds_are_legal_for_its_type() {
    for key in keys() {
        for text in [Some(key.default), key.range.map(|(low, _)| low), key.range.map(|(_, high)| high)] {
            let Some(text) = text else { continue };
            if layers::TABLES.contains(&key.name) {
                continue;
            }
            let value = config::ValueKind::String(text.to_owned());
            let mut settings = Settings::default();
            let read = (key.read)(&mut settings, &value, key::Spelling::Text);
            assert_eq!(read, Ok(()), "{} = {text}", key.name);
        }
    }
}

#[test]
fn every_key_is_documented_and_named_once() {
    let mut seen = std::collections::BTreeSet::new();
    for key in keys() {
        assert!(seen.insert(key.name), "{} is declared twice", key.name);
        assert!(key.doc_lines().next().is_some_and(|line| line.len() > 20), "{}", key.name);
        assert!(SECTIONS.iter().any(|(section, ..)| *section == key.section()), "{}", key.name);
        assert!(!key.short_name().contains("__"), "{} could not be told from a section in a variable", key.name);
    }
}

#[test]
fn with_nothing_set_the_defaults_hold_and_agree_with_each_other() {
    let loaded = Settings::load(Sources::default()).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert!(loaded.origins.values().all(|origin| *origin == Origin::Default));
    assert_eq!(loaded.origins.len(), keys().count());
}

#[test]
fn a_file_is_read_with_sizes_times_numbers_and_texts() {
    let text = r#"
        [node]
        id = 7
        [storage]
        data_dir = "/data"
        memtables_total_bytes = "2MiB"
        generation_bytes = 134217728
        [kafka]
        listen = "[::1]:19092"
        advertised_listeners = "PLAINTEXT://broker-1.example.com:9092"
        connections_max_idle = "90s"
        auto_create_topics_enable = false
        [kafka.topic_defaults]
        "retention.ms" = 1000
        "cleanup.policy" = "compact"
        [runtime]
        data_arbiters = 3
        [log]
        format = "json"
        level = "warn,callboard_actors::gateway=debug"
    "#;
    let settings = load(text, &[], &[]).unwrap().settings;
    assert_eq!(settings.node.id.get(), 7);
    assert_eq!(settings.storage.data_dir, PathBuf::from("/data"));
    assert_eq!(settings.storage.memtables_total_bytes, ByteSize(2 << 20));
    assert_eq!(settings.storage.generation_bytes, ByteSize(134_217_728));
    assert_eq!((settings.kafka.listen.host(), settings.kafka.listen.port()), ("::1", 19092));
    let advertised = settings.kafka.advertised_listeners.unwrap();
    assert_eq!(advertised.to_string(), "broker-1.example.com:9092");
    assert_eq!(settings.kafka.connections_max_idle, Duration::from_secs(90));
    assert!(!settings.kafka.auto_create_topics_enable);
    assert_eq!(settings.kafka.topic_defaults["retention.ms"], "1000");
    assert_eq!(settings.kafka.topic_defaults["cleanup.policy"], "compact");
    assert_eq!(settings.runtime.data_arbiters, DataArbiters::Count(NonZeroUsize::new(3).unwrap()));
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.level.as_str(), "warn,callboard_actors::gateway=debug");
}

#[test]
fn there_is_an_arbiter_for_every_two_cores_unless_told_otherwise() {
    let count = |arbiters: DataArbiters, cores| arbiters.count(NonZeroUsize::new(cores).unwrap()).get();
    assert_eq!([1, 2, 3, 4, 8, 64].map(|cores| count(DataArbiters::Auto, cores)), [1, 1, 2, 2, 4, 32]);
    assert_eq!(count(DataArbiters::Count(NonZeroUsize::new(7).unwrap()), 2), 7);
}

#[test]
fn a_flag_beats_a_variable_which_beats_the_file_which_beats_the_default() {
    let text = "[kafka]\nnum_partitions = 2\nmax_connections = 20\ndefault_replication_factor = 2\n";
    let env = [("CALLBOARD__KAFKA__NUM_PARTITIONS", "3"), ("CALLBOARD__KAFKA__MAX_CONNECTIONS", "30")];
    let loaded = load(text, &env, &[("kafka.num_partitions", "4")]).unwrap();
    let kafka = &loaded.settings.kafka;
    assert_eq!((kafka.num_partitions, kafka.max_connections, kafka.default_replication_factor), (4, 30, 2));
    assert!(kafka.auto_create_topics_enable);
    assert_eq!(loaded.origin("kafka.num_partitions"), Origin::Flag);
    assert_eq!(
        loaded.origin("kafka.max_connections"),
        Origin::Variable("CALLBOARD__KAFKA__MAX_CONNECTIONS".to_owned())
    );
    assert!(matches!(loaded.origin("kafka.default_replication_factor"), Origin::File(_)));
    assert_eq!(loaded.origin("kafka.auto_create_topics_enable"), Origin::Default);
}

#[test]
fn of_two_flags_for_one_key_the_later_holds() {
    let flags = [("node.id", "4"), ("node.id", "5")];
    assert_eq!(load("", &[], &flags).unwrap().settings.node.id.get(), 5);
}

#[test]
fn topic_defaults_of_all_layers_are_put_together() {
    let text = "[kafka.topic_defaults]\n\"retention.ms\" = 1\n\"segment.ms\" = 2\n";
    let env = [("CALLBOARD__KAFKA__TOPIC_DEFAULTS__RETENTION_MS", "10")];
    let flags = [("kafka.topic_defaults.cleanup.policy", "compact")];
    let loaded = load(text, &env, &flags).unwrap();
    let expected = [("cleanup.policy", "compact"), ("retention.ms", "10"), ("segment.ms", "2")];
    let read: Vec<_> = loaded.settings.kafka.topic_defaults.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(read, expected);
    assert_eq!(loaded.origin("kafka.topic_defaults"), Origin::Flag);
}

#[test]
fn broker_settings_of_kafka_are_taken_by_their_own_names() {
    let text = "[kafka.broker]\n\"log.retention.hours\" = 24\nlog.roll.hours = 3\n";
    let env = [("CALLBOARD__KAFKA__BROKER__LOG_RETENTION_HOURS", "48")];
    let flags = [("kafka.broker.compression.type", "zstd")];
    let settings = load(text, &env, &flags).unwrap().settings;
    let expected = [("compression.type", "zstd"), ("log.retention.hours", "48"), ("log.roll.hours", "3")];
    let read: Vec<_> = settings.kafka.broker.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(read, expected);
}

#[test]
fn variables_of_others_are_passed_over() {
    let env = [("CALLBOARD_KAFKA_LISTEN", "x"), ("KAFKA__LISTEN", "x"), ("PATH", "/bin")];
    assert_eq!(load("", &env, &[]).unwrap().settings, Settings::default());
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_one_named() {
    let cases = [
        (
            "[kafka]\nnum_partition = 3\n",
            "unknown key kafka.num_partition in node.toml; did you mean kafka.num_partitions?",
        ),
        ("num.partitions = 3\n", "unknown key num in node.toml; did you mean kafka.num_partitions?"),
        (
            "[kafka]\nnum.partitions = 3\n",
            "unknown key kafka.num.partitions in node.toml; did you mean kafka.num_partitions?",
        ),
        ("[kafak]\nlisten = 'x:1'\n", "unknown key kafak in node.toml; did you mean [kafka]?"),
        ("[storage]\nfrobnicate_everything = 1\n", "unknown key storage.frobnicate_everything in node.toml"),
        ("kafka = 3\n", "kafka in node.toml is a section: write its keys below [kafka]"),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text, &[], &[]), message, "{text}");
    }
}

#[test]
fn an_unknown_variable_is_refused_by_its_name() {
    let message = refusal("", &[("CALLBOARD__KAFKA__NUM_PARTITION", "3")], &[]);
    assert_eq!(
        message,
        "unknown key kafka.num_partition in variable CALLBOARD__KAFKA__NUM_PARTITION; did you mean kafka.num_partitions?"
    );
}

#[test]
fn a_wrong_value_is_told_with_its_key_its_place_and_what_is_expected() {
    let cases = [
        ("[node]\nid = \"1\"\n", "node.id is \"1\" in node.toml, expected a whole number"),
        ("[storage]\nmemory = 1\n", "storage.memory is 1 in node.toml, expected true or false"),
        (
            "[storage]\ndata_dir = [\"a\"]\n",
            "storage.data_dir is a list in node.toml, expected the path of a folder; \"~\" is not expanded here",
        ),
        (
            "[storage]\ntail_cache_bytes = \"64M\"\n",
            "storage.tail_cache_bytes is \"64M\" in node.toml, expected a size such as \"64MiB\", or a bare number of bytes",
        ),
        (
            "[kafka]\nconnections_max_idle = 30\n",
            "kafka.connections_max_idle is 30 in node.toml, expected a time such as \"30s\", with one of the units ms, s, m, h, d",
        ),
        (
            "[kafka]\nlisten = \"9092\"\n",
            "kafka.listen is \"9092\" in node.toml, expected a host and a port such as \"127.0.0.1:9092\" or \"[::1]:9092\"",
        ),
        ("[kafka]\nnum_partitions = 0\n", "kafka.num_partitions is 0 in node.toml, legal are 1 to 100000"),
        (
            "[kafka.topic_defaults]\na = [1]\n",
            "kafka.topic_defaults is a table in node.toml, expected a table of names and values such as { \"retention.ms\" = 86400000 }",
        ),
        (
            "[log]\nlevel = \"loud\"\n",
            "log.level is \"loud\" in node.toml, expected error, warn, info, debug, trace or off, or such as \"info,callboard_actors=debug\"",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text, &[], &[]), message, "{text}");
    }
    assert_eq!(
        refusal("", &[("CALLBOARD__NODE__ID", "one")], &[]),
        "node.id is \"one\" in variable CALLBOARD__NODE__ID, expected a whole number"
    );
    assert_eq!(
        refusal("", &[], &[("kafka.listen", "localhost:99999")]),
        "kafka.listen is \"localhost:99999\" on the command line, expected a host and a port such as \"127.0.0.1:9092\" or \"[::1]:9092\""
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let message = refusal("[node]\nid = -1\nname = 'x'\n", &[("CALLBOARD__LOG__FORMAT", "xml")], &[]);
    assert_eq!(message.lines().count(), 3, "{message}");
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let message = refusal("[kafka]\nlisten = \n", &[], &[]);
    assert!(message.starts_with("node.toml is not TOML: ") && message.contains("line 2"), "{message}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_name() {
    let missing = PathBuf::from("/nonexistent/node.toml");
    let error = Settings::load(Sources { file: Some(missing), ..Sources::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read settings from /nonexistent/node.toml: No such file or directory (os error 2)"
    );
}

#[test]
fn values_that_contradict_each_other_are_told_with_who_set_them() {
    let message = refusal("[kafka]\nsocket_request_max_bytes = \"1GiB\"\n", &[], &[]);
    assert_eq!(
        message,
        "kafka.socket_request_max_bytes is \"1GiB\" (node.toml) but kafka.in_flight_max_bytes is \"512MiB\" (default): \
         the largest request must fit into what may be in flight"
    );
    let message = refusal("[kafka]\nadvertised_listeners = \"0.0.0.0:9092\"\n", &[], &[]);
    assert!(message.contains("which no client can connect to"), "{message}");
    let message = refusal("", &[], &[("kafka.listen", "127.0.0.1:10092")]);
    assert!(message.contains("the two need addresses of their own"), "{message}");
    load("", &[], &[("kafka.listen", "127.0.0.1:0"), ("admin.listen", "127.0.0.1:0")]).unwrap();
}

#[test]
fn groups_are_held_to_what_is_set_and_to_kafka_s_defaults_otherwise() {
    assert_eq!(Settings::default().groups.config(), callboard_model::GroupConfig::default());
    let text = "[groups]\nmin_session_timeout = \"1s\"\noffsets_retention = \"61s\"\nmax_size = 7\n";
    let config = load(text, &[], &[]).unwrap().settings.groups.config();
    assert_eq!(config.min_session_timeout, Duration::from_secs(1));
    assert_eq!(config.offsets_retention, Duration::from_secs(120), "a begun minute counts whole");
    assert_eq!(config.max_size, 7);
    let message = refusal("[groups]\nmin_session_timeout = \"1h\"\n", &[], &[]);
    assert!(message.contains("no session timeout would be legal"), "{message}");
}

#[test]
fn dev_puts_its_data_into_the_user_s_data_folder() {
    let dev = |env: &[(&str, &str)], flags: &[(&str, &str)]| {
        Settings::load(Sources { mode: Mode::Dev, file: None, env: pairs(env), flags: pairs(flags) })
    };
    let folder = |loaded: Loaded| loaded.settings.storage.data_dir;
    let loaded = dev(&[("HOME", "/h"), ("XDG_DATA_HOME", "/x")], &[]).unwrap();
    assert_eq!(loaded.origin("storage.data_dir"), Origin::DevDefault);
    assert_eq!(folder(loaded), PathBuf::from("/x/callboard"));
    assert_eq!(folder(dev(&[("HOME", "/h")], &[]).unwrap()), PathBuf::from("/h/.local/share/callboard"));
    let relative = [("HOME", "/h"), ("XDG_DATA_HOME", "x")];
    assert_eq!(folder(dev(&relative, &[]).unwrap()), PathBuf::from("/h/.local/share/callboard"));
    assert_eq!(dev(&[], &[]).unwrap_err().problems, [Problem::NoDataFolder]);
    assert_eq!(folder(dev(&[], &[("storage.data_dir", "/d")]).unwrap()), PathBuf::from("/d"));
    let memory = dev(&[("CALLBOARD__STORAGE__MEMORY", "true")], &[]).unwrap();
    assert!(memory.settings.storage.memory, "nothing on disk needs no folder");
}

#[test]
fn explain_tells_meaning_bounds_names_and_who_set_it() {
    let loaded = load("", &[("CALLBOARD__KAFKA__NUM_PARTITIONS", "6")], &[]).unwrap();
    let text = explain(&loaded, "kafka.num_partitions").unwrap();
    let expected = "\
kafka.num_partitions
  Partitions of a topic whose creator names no number.

  takes     a whole number
  range     1 to 100000
  unit      partitions
  default   1
  Kafka     num.partitions
  variable  CALLBOARD__KAFKA__NUM_PARTITIONS
  value     6 (from: variable CALLBOARD__KAFKA__NUM_PARTITIONS)
";
    assert_eq!(text, expected);
    let error = explain(&loaded, "num.partitions").unwrap_err().to_string();
    assert_eq!(error, "unknown key num.partitions on the command line; did you mean kafka.num_partitions?");
}

#[test]
fn what_print_prints_loads_as_the_same_settings() {
    let text = "[storage]\ndata_dir = \"/a \\\"b\\\"\\\\c\"\n[kafka.topic_defaults]\n\"retention.ms\" = 5\n";
    let loaded = load(text, &[("CALLBOARD__LOG__FORMAT", "json")], &[("node.id", "9")]).unwrap();
    let printed = print(&loaded);
    assert!(printed.contains("id = 9 # the command line"), "{printed}");
    assert!(printed.contains("format = \"json\" # variable CALLBOARD__LOG__FORMAT"), "{printed}");
    assert_eq!(load(&printed, &[], &[]).unwrap().settings, loaded.settings);
}

#[test]
fn check_counts_the_keys_of_each_layer() {
    let loaded = load("[node]\nid = 2\n", &[("CALLBOARD__LOG__FORMAT", "json")], &[]).unwrap();
    let line = check(&loaded);
    let defaults = keys().count() - 2;
    assert!(line.starts_with("settings are legal: 1 in /"), "{line}");
    assert!(line.ends_with(&format!("node.toml, 1 by variables, {defaults} by default")), "{line}");
}

#[test]
fn the_settings_file_in_deploy_is_the_one_that_the_table_renders() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/node.toml");
    let rendered = render_node_toml();
    if std::env::var_os("CALLBOARD_RENDER").is_some() {
        std::fs::write(&path, &rendered).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept == rendered, "render it anew: CALLBOARD_RENDER=1 cargo test -p callboard-settings");
}

#[test]
fn the_rendered_file_loads_as_the_defaults_with_and_without_its_comment_signs() {
    let rendered = render_node_toml();
    assert_eq!(load(&rendered, &[], &[]).unwrap().settings, Settings::default());
    let switched_on: String = rendered
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let loaded = load(&switched_on, &[], &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    for (key, origin) in &loaded.origins {
        // An empty table has no entry that could have been set.
        assert!(matches!(origin, Origin::File(_)) || layers::TABLES.contains(key), "{key} is commented out wrongly");
    }
}

#[test]
fn sizes_and_times_keep_their_value_through_text() {
    for bytes in [0, 1, 1023, 1024, 1536, 1 << 20, 3 << 30, u64::from(u32::MAX)] {
        let text = ByteSize(bytes).to_string();
        assert_eq!(<ByteSize as Setting>::from_text(&text), Some(ByteSize(bytes)), "{text}");
    }
    for text in ["-1", "1.5GiB", "99999999999TiB", "MiB", "", "1 XiB"] {
        assert_eq!(<ByteSize as Setting>::from_text(text), None, "{text}");
    }
    for millis in [0, 1, 999, 1_000, 61_000, 3_600_000, 86_400_000] {
        let text = Duration::from_millis(millis).to_toml();
        assert_eq!(Duration::from_text(text.trim_matches('"')), Some(Duration::from_millis(millis)), "{text}");
    }
    for text in ["30", "s", "-1s", "1w", "99999999999999999999s", "18446744073709551615d"] {
        assert_eq!(Duration::from_text(text), None, "{text}");
    }
}
