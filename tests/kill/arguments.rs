//! The command line.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Kills a real node under load, and looks at what must hold after it.
#[derive(Debug, clap::Parser)]
#[command(name = "callboard-kill")]
pub(crate) struct Arguments {
    /// The binary under test, to be killed.
    #[arg(long, value_name = "PATH")]
    pub(crate) binary: PathBuf,
    /// An empty folder for the node's data and its log.
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Fewer rounds, for CI.
    #[arg(long)]
    short: bool,
    /// How often to kill under load [50, with --short 6].
    #[arg(long, value_name = "N", hide_default_value = true, default_value = "50",
        default_value_if("short", "true", "6"), value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// The seed of an earlier run: the same records and the same plan of kills.
    #[arg(long, value_name = "N", hide_default_value = true, default_value_t = fresh_seed())]
    pub(crate) seed: u64,
    /// A further setting of the node; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |passed| passed.as_micros() as u64 % 1_000_000_007)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::Arguments;

    #[test]
    fn the_short_form_has_fewer_rounds_unless_a_number_is_given() {
        let rounds = |more: &[&str]| {
            let words = ["callboard-kill", "--binary", "b", "--folder", "f"].iter().chain(more);
            Arguments::try_parse_from(words).map(|arguments| arguments.rounds).ok()
        };
        assert_eq!(
            (rounds(&[]), rounds(&["--short"]), rounds(&["--short", "--rounds", "9"])),
            (Some(50), Some(6), Some(9))
        );
        assert_eq!(rounds(&["--rounds", "0"]), None);
    }
}
