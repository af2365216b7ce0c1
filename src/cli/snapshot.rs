//! Compares what is shown with what is kept in `snapshots/`. `CALLBOARD_SNAPSHOTS=write` keeps what is shown now.

use std::path::PathBuf;

use crate::arguments::Format;
use crate::output::Answer;
use crate::terminal::Look;

/// Fails unless the text is the kept one, and says the first line that differs.
pub(crate) fn check(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(format!("{name}.txt"));
    if std::env::var("CALLBOARD_SNAPSHOTS").is_ok_and(|value| value == "write") {
        std::fs::create_dir_all(path.parent().expect("has a folder")).expect("the folder can be made");
        std::fs::write(&path, text).expect("the snapshot can be written");
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    if kept == text {
        return;
    }
    let differs = kept.lines().zip(text.lines()).position(|(kept, shown)| kept != shown);
    let at = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    panic!(
        "{} differs from line {} on.\nkept:  {:?}\nshown: {:?}\nCALLBOARD_SNAPSHOTS=write keeps what is shown:\n{text}",
        path.display(),
        at + 1,
        kept.lines().nth(at).unwrap_or_default(),
        text.lines().nth(at).unwrap_or_default()
    );
}

/// Every form of an answer, as a terminal and as a pipe get it.
pub(crate) fn check_answer(name: &str, answer: &Answer) {
    let terminal = Look { terminal: true, colour: false };
    let forms = [
        ("table", Format::Table, terminal),
        ("wide", Format::Wide, terminal),
        ("piped", Format::Auto, Look::PLAIN),
        ("coloured", Format::Auto, Look { terminal: true, colour: true }),
        ("name", Format::Name, Look::PLAIN),
        ("json", Format::Json, Look::PLAIN),
        ("jsonl", Format::Jsonl, Look::PLAIN),
        ("yaml", Format::Yaml, Look::PLAIN),
    ];
    let all: String = forms
        .iter()
        .map(|(form, format, look)| {
            let shown = answer.render(*format, *look).replace('\u{1b}', "<ESC>").replace('\t', "<TAB>");
            format!("== {form}\n{shown}")
        })
        .collect();
    check(name, &all);
}

mod help {
    use clap::Subcommand as _;

    use super::check;

    fn root() -> clap::Command {
        let config = crate::ConfigCommand::augment_subcommands(clap::Command::new("config"));
        let root = clap::Command::new("callboard").term_width(100).version("0.0.0").subcommand(config);
        let mut root = crate::Command::augment_subcommands(root);
        root.build();
        root
    }

    fn leaves(command: &clap::Command, path: &str, to: &mut Vec<(String, clap::Command)>) {
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let path = format!("{path}{}{}", if path.is_empty() { "" } else { "-" }, below.get_name());
            if below.get_subcommands().next().is_none() {
                to.push((path.clone(), below.clone()));
            }
            leaves(below, &path, to);
        }
    }

    fn all() -> Vec<(String, clap::Command)> {
        let mut found = Vec::new();
        leaves(&root(), "", &mut found);
        found
    }

    #[test]
    fn the_help_of_every_command_is_as_it_is_kept() {
        let all = all();
        assert!(all.len() > 38, "only {} commands were found", all.len());
        for (name, command) in all {
            let help = command.term_width(100).render_long_help().to_string();
            let trimmed: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            check(&format!("help/{name}"), &trimmed);
        }
    }

    #[test]
    fn every_help_begins_with_an_example_that_the_command_line_understands() {
        for (name, command) in all() {
            let before = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            let example = before.strip_prefix("Example:  ").unwrap_or_else(|| panic!("{name} has no example"));
            let callboard = example.find("callboard ").unwrap_or_else(|| panic!("{name}: {example}"));
            // Quotes and redirections are the shell's.
            let words = example[callboard..].split(['<', '>']).next().unwrap_or_default().trim_end();
            let words: Vec<String> = words.split(' ').map(|word| word.replace('\'', "")).collect();
            let parsed = root().try_get_matches_from(&words);
            assert!(parsed.is_ok(), "{name}: {example}: {}", parsed.unwrap_err());
            let path: Vec<&str> = words[1..].iter().map(String::as_str).take(name.split('-').count()).collect();
            assert!(name.starts_with(path[0]), "{name}'s example is of another command: {example}");
        }
    }

    /// The example at the top, and those below.
    fn examples(command: &clap::Command) -> Vec<String> {
        let above = command.get_before_help().map(ToString::to_string).unwrap_or_default();
        let below = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = above.lines().chain(below.lines());
        lines.filter_map(|line| line.find("callboard ").map(|at| line[at..].to_owned())).collect()
    }

    /// As a shell would split it; what is redirected is the shell's own.
    fn words(example: &str) -> Vec<String> {
        let quoted = example.split('\'').enumerate().map(|(at, part)| {
            if at % 2 == 1 {
                part.replace(' ', "\u{1}")
            } else {
                part.split(['<', '>']).next().unwrap_or_default().to_owned()
            }
        });
        let joined: String = quoted.collect();
        joined.split_whitespace().map(|word| word.replace('\u{1}', " ")).collect()
    }

    #[test]
    fn every_option_stands_in_an_example_that_the_command_line_understands() {
        let (mut shown_somewhere, mut shared) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for (name, command) in all() {
            let examples = examples(&command);
            let mut shown = std::collections::BTreeSet::new();
            for example in &examples {
                let words = words(example);
                let parsed = root().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{name}: {example}: {}", parsed.unwrap_err());
                shown.extend(words);
            }
            for option in command.get_arguments().filter(|it| !it.is_positional() && it.get_id() != "help") {
                let long = option.get_long().map(|long| format!("--{long}"));
                let short = option.get_short().map(|short| format!("-{short}"));
                // A value may stand right behind a short one: `-K:`.
                let is_it = |word: &String| {
                    long.as_ref() == Some(word) || short.as_ref().is_some_and(|short| word.starts_with(short.as_str()))
                };
                let told = long.clone().or(short.clone()).unwrap_or_default();
                if shown.iter().any(is_it) {
                    shown_somewhere.insert(told);
                } else if option.get_help_heading().is_some() {
                    // Of the connection and the output: the same for all commands.
                    shared.insert(told);
                } else {
                    panic!("{name}: {told} stands in no example: {examples:?}");
                }
            }
        }
        let missing: Vec<&String> = shared.difference(&shown_somewhere).collect();
        assert!(missing.is_empty(), "in no example of any command: {missing:?}");
    }

    #[test]
    fn every_argument_says_what_it_is_for() {
        for (name, command) in all() {
            for argument in command.get_arguments() {
                let told = argument.get_help().is_some_and(|help| !help.to_string().is_empty());
                assert!(told, "{name}: {} has no help", argument.get_id());
            }
            assert!(command.get_about().is_some(), "{name} does not say what it does");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        root().debug_assert();
    }
}
