//! The log: `tracing` events on standard error, for people or as JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For people; with colour if standard error is a terminal and `NO_COLOR` is not set.
    Human,
    /// One JSON object per line.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is no filter.
    #[error("log level '{level}' is not understood: {reason}")]
    Level {
        /// As it was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Someone else has set a subscriber in this process.
    #[error("the log was started before")]
    Twice,
}

/// Starts the log of this process on standard error, once. `level` is such as `info` or `info,callboard_actors=debug`.
pub fn start_logs(form: LogForm, level: &str) -> Result<(), LogsError> {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let dispatch = subscriber(form, level, colour, std::io::stderr)?;
    tracing::dispatcher::set_global_default(dispatch).map_err(|_| LogsError::Twice)
}

fn subscriber<W>(form: LogForm, level: &str, colour: bool, writer: W) -> Result<tracing::Dispatch, LogsError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(level)
        .map_err(|error| LogsError::Level { level: level.to_owned(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match form {
        LogForm::Human => lines.with_ansi(colour).into(),
        LogForm::Json => lines.json().flatten_event(true).with_current_span(false).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(form: LogForm, level: &str) -> String {
        let written = Written::default();
        let writer = written.clone();
        let dispatch = subscriber(form, level, false, move || writer.clone()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info!(lag = 3, "follower left");
            tracing::debug!("hidden");
        });
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn people_get_one_plain_line_per_event() {
        let text = logged(LogForm::Human, "info");
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("INFO") && text.contains("follower left") && text.contains("lag=3"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn collectors_get_one_json_object_per_event() {
        let text = logged(LogForm::Json, "info");
        assert_eq!(text.lines().count(), 1);
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{text}");
        assert!(text.contains("\"message\":\"follower left\"") && text.contains("\"lag\":3"), "{text}");
    }

    #[test]
    fn the_level_hides_what_lies_below_it() {
        assert_eq!(logged(LogForm::Human, "warn"), "");
        assert_eq!(logged(LogForm::Human, "warn,callboard_telemetry=debug").lines().count(), 2);
    }

    #[test]
    fn a_wrong_level_is_named() {
        let error = subscriber(LogForm::Human, "info,callboard=verbose", false, std::io::sink).unwrap_err();
        assert!(error.to_string().contains("callboard=verbose"), "{error}");
    }
}
