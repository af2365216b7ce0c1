//! The node under test: one process on one folder, on ports of its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use callboard_model::ErrorCode;
use callboard_test_client::{Client, ClientError};

use crate::random::Random;
use crate::workload::{PLACES, TOPICS};

/// How long a start may take; far more than the bar for it, as the machine may be busy with other things.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long one question may take while it starts.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Between two questions: the precision of the measured times.
const PAUSE: Duration = Duration::from_millis(2);
/// Ports below those that systems give out by themselves. With one of those, a client that connects while the node is
/// down may be given the very port that it connects to, and so be connected to itself.
const PORTS: (u64, u64) = (15_000, 30_000);

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NodeError {
    #[error("no free port was found")]
    Ports,
    #[error("{what}: {source}")]
    Io { what: &'static str, source: io::Error },
    #[error("the node ended by itself: {0}")]
    Ended(ExitStatus),
    #[error("the node is not ready within {READY_WITHIN:?}: {0}")]
    NotReady(String),
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartTimes {
    /// Until the first metadata answer.
    pub(crate) answering: Duration,
    /// Until all partitions have a leader.
    pub(crate) leading: Duration,
}

/// The node, running or not.
#[derive(Debug)]
pub(crate) struct Node {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<String>,
    kafka_port: u16,
    admin_port: u16,
    process: Option<Child>,
}

impl Node {
    pub(crate) fn new(binary: &Path, folder: &Path, settings: Vec<String>) -> Result<Self, NodeError> {
        fs::create_dir_all(folder).map_err(|source| NodeError::Io { what: "create the folder", source })?;
        let mut random = Random::new(u64::from(std::process::id()), &[]);
        let kafka_port = free_port(&mut random, 0)?;
        let admin_port = free_port(&mut random, kafka_port)?;
        let (binary, folder) = (binary.to_owned(), folder.to_owned());
        Ok(Self { binary, folder, settings, kafka_port, admin_port, process: None })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.kafka_port))
    }

    /// What the node tells goes here.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    /// Starts the process and waits for nothing.
    pub(crate) fn spawn(&mut self) -> Result<(), NodeError> {
        let wrong = |what| move |source| NodeError::Io { what, source };
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).map_err(wrong("open the log"))?;
        let errors: File = log.try_clone().map_err(wrong("open the log"))?;
        let mut command = Command::new(&self.binary);
        command.arg("dev").arg("--data").arg(self.folder.join("data"));
        command.args(["--kafka-port", &self.kafka_port.to_string(), "--admin-port", &self.admin_port.to_string()]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        let process = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn();
        let process = process.map_err(wrong("start the binary"))?;
        // For whoever must clean up after us.
        fs::write(self.folder.join("node.pid"), process.id().to_string()).map_err(wrong("write the process id"))?;
        self.process = Some(process);
        Ok(())
    }

    /// Waits until it answers, and until `partitions` of the story's partitions have a leader.
    pub(crate) fn wait_ready(&mut self, partitions: usize) -> Result<StartTimes, NodeError> {
        let started = Instant::now();
        let mut answering = None;
        let mut client: Option<Client> = None;
        let mut last = "it does not listen".to_owned();
        while started.elapsed() < READY_WITHIN {
            if let Some(status) = self.ended()? {
                return Err(NodeError::Ended(status));
            }
            let asked = match client.as_mut() {
                Some(client) => leaders(client),
                None => Client::connect(self.address(), ASK_WITHIN).and_then(|fresh| leaders(client.insert(fresh))),
            };
            match asked {
                Ok(leaders) => {
                    let answering = *answering.get_or_insert_with(|| started.elapsed());
                    if leaders >= partitions {
                        return Ok(StartTimes { answering, leading: started.elapsed() });
                    }
                    last = format!("{leaders} of {partitions} partitions have a leader");
                }
                Err(error) => {
                    client = None;
                    last = error.to_string();
                }
            }
            thread::sleep(PAUSE);
        }
        Err(NodeError::NotReady(last))
    }

    /// Whether the process has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>, NodeError> {
        let wrong = |source| NodeError::Io { what: "look after the process", source };
        self.process.as_mut().map_or(Ok(None), |process| process.try_wait().map_err(wrong))
    }

    /// kill -9; an error if it has ended by itself before.
    pub(crate) fn kill(&mut self) -> Result<(), NodeError> {
        if let Some(status) = self.ended()? {
            return Err(NodeError::Ended(status));
        }
        if let Some(mut process) = self.process.take() {
            let wrong = |source| NodeError::Io { what: "kill -9", source };
            process.kill().map_err(wrong)?;
            process.wait().map_err(wrong)?;
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended already: then there is nothing to kill.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn leaders(client: &mut Client) -> Result<usize, ClientError> {
    let names = TOPICS.each_ref().map(|topic| topic.name);
    let answer = client.metadata(Some(&names))?;
    let none = ErrorCode::None.code();
    let partitions = answer.topics.iter().filter(|topic| topic.error_code == none).flat_map(|topic| &topic.partitions);
    let led = partitions.filter(|partition| partition.error_code == none && partition.leader_id >= 0).count();
    debug_assert!(led <= PLACES, "only the story's topics were asked for");
    Ok(led)
}

fn free_port(random: &mut Random, other_than: u16) -> Result<u16, NodeError> {
    for _ in 0..1000 {
        let port = random.between(PORTS.0, PORTS.1) as u16;
        if port != other_than && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(NodeError::Ports)
}
