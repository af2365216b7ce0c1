//! The members of a story: started together, looked at together, ended together.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::board::Board;
use crate::link::Link;
use crate::member::{Member, Plan};

/// Partitions of the topic that members commit for: as many as the largest group has members.
pub(crate) const PARTITIONS: i32 = 500;

/// Members that live.
pub(crate) struct Crowd {
    pub(crate) board: Arc<Board>,
    node: SocketAddr,
    living: Vec<(Option<oneshot::Sender<()>>, JoinHandle<()>)>,
}

impl Crowd {
    pub(crate) fn new(node: SocketAddr) -> Self {
        Self { board: Arc::new(Board::default()), node, living: Vec::new() }
    }

    /// Connections for members to share.
    pub(crate) fn links(&self, count: usize) -> Vec<Arc<Link>> {
        (0..count).map(|_| Arc::new(Link::new(self.node))).collect()
    }

    /// Starts one member; gives its place on the board.
    pub(crate) fn start(&mut self, plan: Plan, link: Arc<Link>) -> usize {
        let member = Member::new(plan, link, Arc::clone(&self.board));
        let place = member.place();
        let (leave, leaves) = oneshot::channel();
        self.living.push((Some(leave), tokio::spawn(member.live(leaves))));
        place
    }

    /// Starts groups of so many members each, one connection per member.
    pub(crate) fn start_groups(&mut self, names: &[String], size: usize, interval: Duration, bytes: usize) {
        for group in names {
            for (partition, link) in self.links(size).into_iter().enumerate() {
                let plan = Plan { group: group.clone(), partition: partition as i32 % PARTITIONS, interval, bytes };
                self.start(plan, link);
            }
        }
    }

    /// Has a member leave its group.
    pub(crate) fn leave(&mut self, place: usize) {
        if let Some(leave) = self.living[place].0.take() {
            // It may be beating just now; it looks afterwards.
            let _ = leave.send(());
        }
    }

    /// Ends everyone; what they complain about.
    pub(crate) fn end(self) -> Vec<String> {
        self.board.over.store(true, SeqCst);
        for (_, task) in &self.living {
            task.abort();
        }
        std::mem::take(&mut *self.board.complaints.lock().expect("nobody panics while holding it"))
    }
}

/// Names of groups that begin alike.
pub(crate) fn names(what: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{what}-{number}")).collect()
}
