//! Does what the command line says.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use callboard::settings::{self, Loaded, LogFormat, Mode, Settings, Sources};
use callboard::telemetry::{LogForm, start_logs};
use callboard::{Node, NodeError};
use callboard_cli::Exit;
use clap::CommandFactory as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::{Arguments, Command, Config, Dev, Server, Source};

/// Why the program ends with an error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Illegal settings.
    #[error(transparent)]
    Settings(#[from] settings::SettingsError),
    /// The log cannot be had.
    #[error(transparent)]
    Logs(#[from] callboard::telemetry::LogsError),
    /// The node did not start or stop.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The system refuses something.
    #[error(transparent)]
    System(#[from] std::io::Error),
    /// The root of the tree gave up.
    #[error("the node failed: {0}")]
    Failed(String),
    /// The node did not get to serve clients.
    #[error("the node did not get ready within {0:?}; the log says why")]
    NotReady(Duration),
}

impl RunError {
    /// What the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            // Those that Kafka's names lead to are settings as well.
            Self::Settings(_) | Self::Node(NodeError::TopicDefault(_) | NodeError::BrokerSetting(_)) => Exit::BadConfig,
            _ => Exit::Failed,
        }
    }
}

/// How long a node may take until it serves clients; a large log to recover is the longest part of it.
const READY_WITHIN: Duration = Duration::from_secs(600);

/// Does what the command line says.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, RunError> {
    match arguments.command {
        Command::Dev(dev) => {
            let announce = Announce::Dev { remember: !dev.no_context };
            serve(load_dev(dev)?.settings, announce)
        }
        Command::Server(Server::Start { config, set }) => {
            let source = Source { config: Some(config), set };
            serve(load(source)?.settings, Announce::InLog)
        }
        Command::Config(Config::Check(source)) => {
            let loaded = load(source)?;
            // What topics may have as defaults is the controller's to say.
            Node::check(&loaded.settings)?;
            println!("{}", settings::check(&loaded).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(Config::Print(source)) => {
            print!("{}", settings::print(&load(source)?));
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(Config::Explain { key, source }) => {
            println!("{}", settings::explain(&load(source)?, &key).map_err(Node::guide)?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(Config::Running(command)) => Ok(callboard_cli::run_config(command, read_file).into()),
        Command::Running(command) => Ok(callboard_cli::run(command, Arguments::command()).into()),
    }
}

/// What a file says by itself, without this process's variables: a node elsewhere has its own.
fn read_file(file: &Path) -> Result<Vec<(String, String)>, String> {
    let sources = Sources { mode: Mode::Server, file: Some(file.to_owned()), ..Sources::default() };
    let loaded = Settings::load(sources).map_err(|error| Node::guide(error).to_string())?;
    Ok(settings::values(&loaded.settings).map(|(key, value)| (key.to_owned(), value)).collect())
}

fn load(source: Source) -> Result<Loaded, RunError> {
    let sources = Sources {
        mode: Mode::Server,
        file: source.config,
        env: settings::process_environment(),
        flags: source.set.pairs,
    };
    Ok(Settings::load(sources).map_err(Node::guide)?)
}

fn load_dev(dev: Dev) -> Result<Loaded, RunError> {
    let mut flags = Vec::new();
    if let Some(data) = dev.data {
        flags.push(("storage.data_dir".to_owned(), data.display().to_string()));
        flags.push(("storage.memory".to_owned(), "false".to_owned()));
    }
    if dev.memory {
        flags.push(("storage.memory".to_owned(), "true".to_owned()));
    }
    for (key, port) in [("kafka.listen", dev.kafka_port), ("admin.listen", dev.admin_port)] {
        if let Some(port) = port {
            flags.push((key.to_owned(), format!("127.0.0.1:{port}")));
        }
    }
    flags.extend(dev.set.pairs);
    let sources = Sources { mode: Mode::Dev, file: None, env: settings::process_environment(), flags };
    Ok(Settings::load(sources).map_err(Node::guide)?)
}

/// How people learn that the node is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announce {
    /// By a line in the log.
    InLog,
    /// On standard output too, and as context `dev` for the other commands if `remember`.
    Dev { remember: bool },
}

fn serve(settings: Settings, announce: Announce) -> Result<ExitCode, RunError> {
    let form = match settings.log.format {
        LogFormat::Human => LogForm::Human,
        LogFormat::Json => LogForm::Json,
    };
    start_logs(form, settings.log.level.as_str())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Signals are heard from here on, also while the node starts.
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let node = Node::start(settings, env!("CARGO_PKG_VERSION"))?;
    if !node.wait_ready(READY_WITHIN) {
        return Err(RunError::NotReady(READY_WITHIN));
    }
    tell(&node, announce);
    let failed = runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            failed = node.wait_failed() => failed,
        }
    });
    if let Some(reason) = failed {
        return Err(RunError::Failed(reason));
    }
    tracing::info!("stopping: answers under way are given, then everything is flushed");
    runtime.block_on(async {
        tokio::select! {
            stopped = node.stop() => stopped.map_err(RunError::from),
            // A second Ctrl-C: everything acknowledged is on disk, so ending at once loses nothing.
            _ = interrupt.recv() => Ok(()),
        }
    })?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

fn tell(node: &Node, announce: Announce) {
    let data = node.data_folder().map_or_else(|| "in memory".to_owned(), |folder| folder.display().to_string());
    let (kafka, admin) = (node.kafka_address().to_string(), format!("http://{}", node.admin_address()));
    tracing::info!(%kafka, admin = %node.admin_address(), data, cluster = %node.cluster_id(), "ready");
    let Announce::Dev { remember } = announce else { return };
    if remember && let Err(reason) = callboard_cli::contexts::remember_dev(&kafka, &admin) {
        tracing::warn!(reason, "context `dev` could not be noted; commands need --brokers {kafka}");
    }
    println!("Kafka   {kafka}");
    println!("Admin   {admin}");
    println!("Data    {data}");
    println!("Try     echo hello | kcat -b {kafka} -t greetings -P");
    println!("Stop    Ctrl-C");
}
