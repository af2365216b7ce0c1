//! A node under test: one process on one folder, on ports of its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use callboard_model::ErrorCode;

use crate::{Client, ClientError};

/// How long a start may take; far more than the bar for it, as the machine may be busy with other things.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long one question may take while it starts.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Between two questions: the precision of the measured times.
const PAUSE: Duration = Duration::from_millis(2);
/// Ports below those that systems give out by themselves. With one of those, a client that connects while the node is
/// down may be given the very port that it connects to, and so be connected to itself.
const PORTS: (u16, u16) = (15_000, 30_000);

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Everything that was tried is taken.
    #[error("no free port was found")]
    Ports,
    /// The system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It should run, and does not.
    #[error("the node ended by itself: {0}")]
    Ended(ExitStatus),
    /// It runs, and does not serve.
    #[error("the node is not ready within {READY_WITHIN:?}: {0}")]
    NotReady(String),
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// Until the first metadata answer.
    pub answering: Duration,
    /// Until all partitions have a leader.
    pub leading: Duration,
}

/// The node, running or not.
#[derive(Debug)]
pub struct Node {
    binary: PathBuf,
    folder: PathBuf,
    settings: Vec<String>,
    kafka_port: u16,
    admin_port: u16,
    process: Option<Child>,
}

impl Node {
    /// A node that does not run yet: `dev` of this binary, with its data in `folder` and further settings, `KEY=VALUE`.
    pub fn new(binary: &Path, folder: &Path, settings: Vec<String>) -> Result<Self, NodeError> {
        fs::create_dir_all(folder).map_err(|source| NodeError::Io { what: "create the folder", source })?;
        let kafka_port = free_port(0)?;
        let admin_port = free_port(kafka_port)?;
        let (binary, folder) = (binary.to_owned(), folder.to_owned());
        Ok(Self { binary, folder, settings, kafka_port, admin_port, process: None })
    }

    /// Where Kafka clients connect.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.kafka_port))
    }

    /// Its process, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What the node tells goes here.
    pub fn log_path(&self) -> PathBuf {
        self.folder.join("node.log")
    }

    /// Starts the process and waits for nothing.
    pub fn spawn(&mut self) -> Result<(), NodeError> {
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

    /// Waits until it answers, and until `partitions` partitions of these topics have a leader.
    pub fn wait_ready(&mut self, topics: &[&str], partitions: usize) -> Result<StartTimes, NodeError> {
        let started = Instant::now();
        let mut answering = None;
        let mut client: Option<Client> = None;
        let mut last = "it does not listen".to_owned();
        while started.elapsed() < READY_WITHIN {
            if let Some(status) = self.ended()? {
                return Err(NodeError::Ended(status));
            }
            let asked = match client.as_mut() {
                Some(client) => leaders(client, topics),
                None => {
                    Client::connect(self.address(), ASK_WITHIN).and_then(|fresh| leaders(client.insert(fresh), topics))
                }
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
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, NodeError> {
        let wrong = |source| NodeError::Io { what: "look after the process", source };
        self.process.as_mut().map_or(Ok(None), |process| process.try_wait().map_err(wrong))
    }

    /// kill -9; an error if it has ended by itself before.
    pub fn kill(&mut self) -> Result<(), NodeError> {
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

fn leaders(client: &mut Client, topics: &[&str]) -> Result<usize, ClientError> {
    let answer = client.metadata(Some(topics))?;
    let none = ErrorCode::None.code();
    let partitions = answer.topics.iter().filter(|topic| topic.error_code == none).flat_map(|topic| &topic.partitions);
    Ok(partitions.filter(|partition| partition.error_code == none && partition.leader_id >= 0).count())
}

/// A port that is free now; where the search begins depends on this process, so that two runs seldom meet.
fn free_port(other_than: u16) -> Result<u16, NodeError> {
    let span = PORTS.1 - PORTS.0;
    let first = std::process::id().wrapping_mul(0x9e37_79b1) % u32::from(span);
    let is_free = |port: &u16| *port != other_than && TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..1000).map(|step| PORTS.0 + (first + step * 7) as u16 % span).find(is_free).ok_or(NodeError::Ports)
}
