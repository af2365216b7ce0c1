//! Runs one command: gathers, prints, and ends with its exit code.

use std::io::Write as _;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::arguments::{ColorChoice, Command, ConfigCommand, Format, Shown, Watching};
use crate::commands;
use crate::fault::{Exit, Fault};
use crate::output::Answer;
use crate::terminal::Look;

/// What a command came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What to print on standard output.
    pub(crate) answer: Option<Answer>,
    /// What to tell a person on standard error; left out where a program reads.
    pub(crate) notes: Vec<String>,
    /// What went wrong for some of several things; the first says the exit code.
    pub(crate) faults: Vec<Fault>,
    /// Set if everything went well and the answer is no.
    pub(crate) condition: Option<Exit>,
}

impl Outcome {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { answer: Some(answer), ..Self::default() }
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    pub(crate) fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> Self {
        self.faults.extend(faults);
        self
    }

    fn exit(&self) -> Exit {
        self.faults.first().map(|fault| fault.exit).or(self.condition).unwrap_or(Exit::Ok)
    }
}

/// Does a command of a running cluster. `root` is the whole command line, for completions and manual pages.
pub fn run(command: Command, root: clap::Command) -> Exit {
    match command {
        Command::Topic(noun) => with_shown(noun.shown.clone(), commands::topic::run(noun)),
        Command::Group(noun) => with_shown(noun.shown.clone(), commands::group::run(noun)),
        Command::Cluster(noun) => with_shown(noun.shown.clone(), commands::cluster::run(noun)),
        Command::Actor(noun) => with_shown(noun.shown.clone(), commands::actor::run(noun)),
        Command::Context(noun) => finish(&noun.shown.clone(), commands::context::run(noun)),
        Command::Completions(asked) => finish(&Shown::default(), commands::completions::run(&asked, root)),
        Command::Man { dir } => finish(&Shown::default(), commands::man::run(&dir, root)),
        Command::Version(asked) => finish(&asked.shown, Ok(commands::version::run(&root))),
        Command::Doctor(asked) => with_shown(asked.shown.clone(), commands::doctor::run(asked)),
        Command::Produce(asked) => with_threads(asked.color, commands::produce::run(&asked)),
        Command::Bench(noun) => {
            let shown = noun.shown.clone();
            with_threads(shown.color, async move { Ok(finish(&shown, commands::bench::run(noun).await)) })
        }
        Command::Consume(asked) => with_threads(asked.color, commands::consume::run(&asked)),
        Command::Top(asked) => with_shown(asked.shown.clone(), commands::top::run(asked)),
    }
}

/// Reads a node's settings file, whose form is the binary's matter: each key with its value as TOML, or what is wrong with it.
pub type ReadFile = fn(&Path) -> Result<Vec<(String, String)>, String>;

/// Does a command on configs of a running cluster.
pub fn run_config(command: ConfigCommand, read_file: ReadFile) -> Exit {
    let shown = match &command {
        ConfigCommand::Get(it) => it.shown.clone(),
        ConfigCommand::Diff(it) => it.shown.clone(),
        ConfigCommand::Set(it) => it.shown.clone(),
        ConfigCommand::Unset(it) => it.shown.clone(),
    };
    with_shown(shown, commands::config::run(command, read_file))
}

/// Answers a shell that asks for completions, and does not come back then.
pub fn complete(root: fn() -> clap::Command) {
    clap_complete::CompleteEnv::with_factory(root).bin("callboard").complete();
}

/// Says what is wrong with the command line.
pub fn usage(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // Help and version.
        error.print().ok();
        return Exit::Ok;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if wants_json(&arguments) {
        let fault = usage_fault(error);
        complain(&Shown { format: Format::Json, ..Shown::default() }, &fault);
    } else {
        error.print().ok();
        if let Some(tip) = misplaced(error) {
            complain_plainly(&tip);
        }
    }
    Exit::Usage
}

/// A wrong command line as a document: its first line, and what clap would suggest.
fn usage_fault(error: &clap::Error) -> Fault {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let fault = Fault::usage(first.strip_prefix("error: ").unwrap_or(first));
    let near = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| match error.get(kind) {
            Some(ContextValue::String(word)) => Some(word.clone()),
            Some(ContextValue::Strings(words)) => words.first().cloned(),
            _ => None,
        });
    match near.map(|word| format!("did you mean '{word}'?")).or_else(|| misplaced(error)) {
        Some(hint) => fault.hint(hint),
        None => fault.hint("--help shows what is understood"),
    }
}

/// Flags of the connection and the output stand behind the noun; many tools have them in front.
fn misplaced(error: &clap::Error) -> Option<String> {
    let flag = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => flag,
        _ => return None,
    };
    let shared = ["-b", "--brokers", "-X", "--context", "-O", "--output", "--color", "--admin", "--timeout"];
    let first = std::env::args().nth(1)?;
    (shared.contains(&flag.as_str()) && first.starts_with(flag.as_str()))
        .then(|| format!("{flag} stands behind the command: callboard topic list {flag} …"))
}

fn wants_json(arguments: &[String]) -> bool {
    let behind = |flag: &str| arguments.windows(2).any(|pair| pair[0] == flag && pair[1].starts_with("json"));
    behind("-O")
        || behind("--output")
        || arguments.iter().any(|it| it.starts_with("-Ojson") || it.starts_with("--output=json"))
}

fn with_shown(shown: Shown, command: impl Future<Output = Result<Outcome, Fault>>) -> Exit {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return finish(&shown, Err(Fault::failed("the runtime did not start").because(error.to_string())));
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = command => Some(result),
            _ = tokio::signal::ctrl_c() => None,
        }
    });
    match result {
        Some(result) => finish(&shown, result),
        None => Exit::Interrupted,
    }
}

/// For commands that move records and print by themselves; Ctrl-C is theirs to hear.
fn with_threads(color: ColorChoice, command: impl Future<Output = Result<Exit, Fault>>) -> Exit {
    let shown = Shown { color, ..Shown::default() };
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 4));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(command);
            // A thread that waits for standard input never ends by itself.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Fault::failed("the runtime did not start").because(error.to_string())),
    };
    result.unwrap_or_else(|fault| {
        complain(&shown, &fault);
        fault.exit
    })
}

/// Prints an outcome.
fn finish(shown: &Shown, result: Result<Outcome, Fault>) -> Exit {
    match result {
        Ok(outcome) => print(shown, &outcome),
        Err(fault) => {
            complain(shown, &fault);
            fault.exit
        }
    }
}

fn print(shown: &Shown, outcome: &Outcome) -> Exit {
    if let Some(answer) = &outcome.answer {
        let text = answer.render(shown.format, Look::of_stdout(shown.color));
        if let Err(fault) = emit(&text) {
            complain(shown, &fault);
            return fault.exit;
        }
    }
    if !shown.format.is_document() {
        for note in &outcome.notes {
            complain_plainly(note);
        }
    }
    for fault in &outcome.faults {
        complain(shown, fault);
    }
    outcome.exit()
}

/// Writes to standard output. A reader that has gone away is no error: it has what it wanted.
pub(crate) fn emit(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Fault::failed("standard output cannot be written").because(error.to_string()))
        }
        _ => Ok(()),
    }
}

/// Says on standard error what went wrong.
pub(crate) fn complain(shown: &Shown, fault: &Fault) {
    let text = match shown.format {
        Format::Json | Format::Jsonl => format!("{}\n", fault.doc().json_line()),
        _ => fault.text(Look::of_stderr(shown.color).colour),
    };
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}

fn complain_plainly(line: &str) {
    writeln!(std::io::stderr().lock(), "{line}").ok();
}

/// Does something once, or again and again: in the alternate screen of a terminal, as JSON lines elsewhere.
///
/// `reached` ends the watching; without one it goes on until it is interrupted.
pub(crate) async fn watch<F: Future<Output = Result<Outcome, Fault>>>(
    shown: &Shown,
    watching: &Watching,
    mut gather: impl FnMut() -> F,
    reached: impl Fn(&Outcome) -> bool,
) -> Result<Outcome, Fault> {
    let Some(every) = watching.watch else { return gather().await };
    let look = Look::of_stdout(shown.color);
    let full = look.terminal && !shown.format.is_document();
    let mut screen = full.then(Screen::enter).transpose()?;
    loop {
        let result = gather().await;
        let done = result.as_ref().is_ok_and(&reached);
        if done {
            drop(screen);
            return result;
        }
        match &mut screen {
            Some(screen) => screen.show(&result, shown, look, every.0),
            None => match &result {
                Ok(outcome) => {
                    let form = if shown.format == Format::Auto { Format::Jsonl } else { shown.format };
                    if let Some(answer) = &outcome.answer {
                        emit_watched(&answer.render(if form == Format::Json { Format::Jsonl } else { form }, look))?;
                    }
                    outcome.faults.iter().for_each(|fault| complain(shown, fault));
                }
                // A node that restarts is not the end of watching it.
                Err(fault) if fault.exit == Exit::Unreachable => complain(shown, fault),
                Err(_) => return result,
            },
        }
        tokio::time::sleep(every.0).await;
    }
}

fn emit_watched(text: &str) -> Result<(), Fault> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Fault::failed("standard output cannot be written").because(error.to_string()))
}

/// The alternate screen, left when this is dropped.
struct Screen;

impl Screen {
    fn enter() -> Result<Self, Fault> {
        use crossterm::{cursor, execute, terminal};
        execute!(std::io::stdout(), terminal::EnterAlternateScreen, cursor::Hide)
            .map_err(|error| Fault::failed("the terminal cannot be used").because(error.to_string()))?;
        Ok(Self)
    }

    fn show(&mut self, result: &Result<Outcome, Fault>, shown: &Shown, look: Look, every: std::time::Duration) {
        use crossterm::{cursor, queue, terminal};
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let clock = crate::moment::show_time(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        let mut text = format!("every {}  {clock}  (Ctrl-C ends)\n\n", crate::moment::show_duration(every));
        match result {
            Ok(outcome) => {
                if let Some(answer) = &outcome.answer {
                    text += &answer.render(shown.format, look);
                }
                outcome.faults.iter().for_each(|fault| text += &fault.text(look.colour));
            }
            Err(fault) => text += &fault.text(look.colour),
        }
        // Some terminals do not say how large they are.
        let size = terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0);
        let (width, height) = size.unwrap_or((200, 50));
        let lines = text.lines().take(usize::from(height)).map(|line| cut(line, usize::from(width)));
        let text = lines.collect::<Vec<_>>().join("\r\n");
        let mut out = std::io::stdout().lock();
        // One whole picture at a time, so that nothing flickers.
        queue!(out, terminal::BeginSynchronizedUpdate, cursor::MoveTo(0, 0), terminal::Clear(terminal::ClearType::All))
            .ok();
        out.write_all(text.as_bytes()).ok();
        queue!(out, terminal::EndSynchronizedUpdate).ok();
        out.flush().ok();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        use crossterm::{cursor, execute, terminal};
        execute!(std::io::stdout(), terminal::LeaveAlternateScreen, cursor::Show).ok();
    }
}

/// As much of a line as the terminal has columns; colour codes take none.
fn cut(line: &str, width: usize) -> String {
    let mut kept = String::new();
    let (mut taken, mut in_code, mut coloured) = (0, false, false);
    for letter in line.chars() {
        if letter == '\u{1b}' {
            (in_code, coloured) = (true, true);
        }
        if !in_code {
            if taken == width {
                continue;
            }
            taken += 1;
        }
        kept.push(letter);
        in_code = in_code && letter != 'm';
    }
    if coloured { format!("{kept}\u{1b}[0m") } else { kept }
}

/// Asks for the name back before something that cannot be undone. Without a terminal, `--yes` must be given.
pub(crate) fn confirm(yes: bool, what: &str, name: &str) -> Result<(), Fault> {
    use std::io::IsTerminal as _;
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Fault::usage(format!("{what} cannot be undone, so it needs --yes where nobody can be asked"))
            .hint("give --yes, or run it on a terminal"));
    }
    eprint!("{what} cannot be undone. Type {name} to go on: ");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    match read {
        Ok(_) if answer.trim() == name => Ok(()),
        _ => Err(Fault::failed("nothing was done: the name was not typed back")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_last_column_and_its_colour_ends() {
        assert_eq!(cut("abcdef", 3), "abc");
        assert_eq!(cut("a\u{1b}[31mbc\u{1b}[0md", 2), "a\u{1b}[31mb\u{1b}[0m\u{1b}[0m");
    }

    #[test]
    fn json_is_recognised_in_every_spelling() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for text in ["topic list -O json", "topic -Ojsonl lsit", "topic list --output=json", "topic --output json x"] {
            assert!(wants_json(&words(text)), "{text}");
        }
        assert!(!wants_json(&words("topic list -O yaml")));
    }
}
