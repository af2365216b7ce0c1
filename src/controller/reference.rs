//! `deploy/config/kafka-configs.md`: every config of Kafka with what is done with it, rendered from the tables.

use std::fmt::Write as _;

use crate::absent_config::{self, AbsentConfig};
use crate::broker_config::{self, BrokerConfig, Update};
use crate::status::Status;
use crate::topic_config;

const HEAD: &str = "\
# Kafka's configs, and what each does here

Every config of Apache Kafka 4.3.1 is known by its name. DescribeConfigs shows it, and setting it either has Kafka's effect
or is refused with INVALID_CONFIG and the reason below; a value that Kafka itself refuses is refused with Kafka's own code.

| Word | Means |
|---|---|
| honoured | it has Kafka's effect, with each of its values |
| set by `section.key` | it has Kafka's effect; in the settings file it has that name of ours (see `node.toml`) |
| honoured; refused: values | it has Kafka's effect, but for these values |
| only the default | another value is refused, and this is why |
| taken, no effect | it is stored and shown, and ignoring it harms nobody, for the reason given |

A broker config that has no key of ours is set in the settings under Kafka's own name, below `[kafka.broker]`; one whose
changes take effect at run time can be changed with `kafka-configs.sh` and the like. The topic defaults can be set below
`[kafka.topic_defaults]` as well, under the names of the topic configs.

This file is rendered from the tables of configs, and a test keeps it so.
";

/// The whole file.
pub fn render_kafka_configs() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("\n## Topics\n\n| Config | Default | Here | Why |\n|---|---|---|---|\n");
    for config in topic_config::ALL {
        row(&mut text, config.name, Some(config.default), None, config.status);
    }
    for (subject, configs) in broker_config::by_subject() {
        write!(text, "\n## Brokers: {}\n\n", lower_first(subject)).expect("memory takes all text");
        text.push_str("| Config | Default | At run time | Here | Why |\n|---|---|---|---|---|\n");
        for config in *configs {
            row(&mut text, config.name, config.default, Some(changed(config)), config.status());
        }
    }
    for (heading, configs) in
        [("Groups", absent_config::GROUP), ("Client metrics subscriptions", absent_config::CLIENT_METRICS)]
    {
        write!(text, "\n## {heading}\n\n| Config | Default | Here | Why |\n|---|---|---|---|\n")
            .expect("memory takes all text");
        for AbsentConfig { name, default, status, .. } in configs {
            row(&mut text, name, Some(default), None, *status);
        }
    }
    text
}

/// Who can be given another value while the broker runs.
fn changed(config: &BrokerConfig) -> &'static str {
    match config.update {
        Update::ReadOnly => "no",
        Update::PerListener => "a listener",
        Update::PerBroker => "a broker",
        Update::ClusterWide => "a broker, all brokers",
    }
}

fn row(text: &mut String, name: &str, default: Option<&str>, changed: Option<&str>, status: Status) {
    let default = match default {
        None => "none".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(default) => format!("`{default}`"),
    };
    let changed = changed.map(|changed| format!(" {changed} |")).unwrap_or_default();
    let (done, reason) = status.told();
    writeln!(text, "| `{name}` | {default} |{changed} {done} | {reason} |").expect("memory takes all text");
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_deploy_is_the_one_that_is_rendered() {
        let path = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config/kafka-configs.md");
        let rendered = render_kafka_configs();
        if std::env::var_os("CALLBOARD_RENDER").is_some() {
            std::fs::write(&path, &rendered).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert!(kept == rendered, "render it anew: CALLBOARD_RENDER=1 cargo test -p callboard-controller");
    }

    #[test]
    fn every_config_has_a_row_and_every_row_that_is_not_honoured_a_reason() {
        let text = render_kafka_configs();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), topic_config::ALL.len() + broker_config::all().len() + 17 + 3);
        for row in rows {
            let explained = !row.contains("| honoured |") && !row.contains("| honoured; set by");
            assert_eq!(!row.ends_with("|  |"), explained, "{row}");
        }
    }
}
