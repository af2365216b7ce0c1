//! A whole node in this process, on a folder of its own, and the little HTTP that its admin port needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use callboard::Node;
use callboard::settings::{ByteSize, HostPort, Settings};
use callboard_telemetry::LogForm;
use tempfile::TempDir;

/// How long anything here may take before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A node, its folder and its settings.
pub(crate) struct Rig {
    node: Option<Node>,
    settings: Settings,
    /// Removed at the end.
    _folder: TempDir,
}

impl Rig {
    /// A node with the defaults, on free ports.
    #[allow(dead_code, reason = "one of two tests asks")]
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A node with other settings.
    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temp folder");
        let mut settings = Settings::default();
        settings.storage.data_dir = folder.path().join("data");
        settings.storage.disk_reserve_bytes = ByteSize(16 << 20);
        settings.kafka.listen = HostPort::new("127.0.0.1", 0);
        settings.admin.listen = HostPort::new("127.0.0.1", 0);
        change(&mut settings);
        let node = Some(run(&settings));
        Self { node, settings, _folder: folder }
    }

    /// The node.
    pub(crate) fn node(&self) -> &Node {
        self.node.as_ref().expect("it runs between two restarts")
    }

    /// Where Kafka clients connect.
    pub(crate) fn kafka(&self) -> SocketAddr {
        self.node().kafka_address()
    }

    /// The folder that holds everything.
    #[allow(dead_code, reason = "one of two tests asks")]
    pub(crate) fn data(&self) -> &Path {
        &self.settings.storage.data_dir
    }

    /// Stops in order and starts again on the same folder.
    #[allow(dead_code, reason = "one of two tests asks")]
    pub(crate) fn restart(&mut self) {
        self.halt();
        self.node = Some(run(&self.settings));
    }

    /// Drops the node without a word and starts again on the same folder.
    #[allow(dead_code, reason = "one of two tests asks")]
    pub(crate) fn drop_and_start(&mut self) {
        drop(self.node.take());
        self.node = Some(run(&self.settings));
    }

    /// Stops in order; the folder goes too.
    pub(crate) fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        let node = self.node.take().expect("it runs between two restarts");
        block_on(node.stop()).expect("the node stops in order");
    }

    /// Asks the admin port: the status and the body.
    pub(crate) fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        get(self.node().admin_address(), path)
    }
}

impl Drop for Rig {
    /// Reached without [`Rig::stop`] when a test fails; the node's threads still have to end.
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            drop(block_on(node.stop()));
        }
    }
}

fn run(settings: &Settings) -> Node {
    // A journal that fails ends the process, and so all tests: it should say why.
    drop(callboard_telemetry::start_logs(LogForm::Human, "off,callboard_actors::node=error"));
    let node = Node::start(settings.clone(), "test").expect("the node starts");
    assert!(node.wait_ready(PATIENCE), "the node serves clients");
    node
}

/// Waits for a future on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

/// One HTTP request, one answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    Ok((status, body.to_owned()))
}

/// Waits until something holds; false if it does not come to.
pub(crate) fn eventually(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Bytes of this process that are in memory.
#[allow(dead_code, reason = "one of two tests asks")]
pub(crate) fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("the second number");
    pages * 4096
}
