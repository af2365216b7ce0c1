//! What stands at the other end of standard output, and whether colours go there.

use std::io::IsTerminal as _;

use crate::arguments::ColorChoice;

/// How text is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// A person reads it.
    pub(crate) terminal: bool,
    /// In colours.
    pub(crate) colour: bool,
}

impl Look {
    /// For text that a program reads, and for tests.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { terminal: false, colour: false };

    pub(crate) fn of_stdout(choice: ColorChoice) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { terminal, colour: colours(choice, variable, terminal) }
    }

    pub(crate) fn of_stderr(choice: ColorChoice) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self { terminal, colour: colours(choice, variable, terminal) }
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// `--color`, `NO_COLOR`, `CLICOLOR`, a terminal, `CLICOLOR_FORCE`, in this order.
fn colours(choice: ColorChoice, variable: impl Fn(&str) -> Option<String>, terminal: bool) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set("NO_COLOR").is_some() => false,
        ColorChoice::Auto if set("CLICOLOR").as_deref() == Some("0") => false,
        ColorChoice::Auto if set("TERM").as_deref() == Some("dumb") => false,
        ColorChoice::Auto => terminal || set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
    }
}

/// Whether progress may be shown: on a terminal only, and not in a build machine's log.
pub(crate) fn progress_wanted() -> bool {
    std::io::stderr().is_terminal() && variable("CI").is_none_or(|value| value.is_empty() || value == "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)], choice: ColorChoice, terminal: bool) -> bool {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        colours(choice, find, terminal)
    }

    #[test]
    fn colours_follow_the_flag_then_the_variables_then_the_terminal() {
        assert!(with(&[], ColorChoice::Auto, true));
        assert!(!with(&[], ColorChoice::Auto, false));
        assert!(with(&[("CLICOLOR_FORCE", "1")], ColorChoice::Auto, false));
        assert!(!with(&[("CLICOLOR", "0")], ColorChoice::Auto, true));
        assert!(!with(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], ColorChoice::Auto, true));
        assert!(with(&[("NO_COLOR", "1")], ColorChoice::Always, false));
        assert!(!with(&[("CLICOLOR_FORCE", "1")], ColorChoice::Never, true));
        assert!(with(&[("NO_COLOR", "")], ColorChoice::Auto, true));
    }
}
