//! What stands above the root supervisor: the system itself, which can only let it go.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::{
    machine::Exit,
    record::{Control, Entry},
    supervisor::{News, Report},
};

/// State of the root supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RootState {
    Starting,
    Running,
    Failed(String),
    Stopped,
}

pub(crate) struct RootSlot {
    entry: Mutex<Option<Arc<dyn Entry>>>,
    state: watch::Sender<RootState>,
}

impl RootSlot {
    pub(crate) fn new() -> RootSlot {
        RootSlot { entry: Mutex::new(None), state: watch::Sender::new(RootState::Starting) }
    }

    pub(crate) fn set(&self, entry: Arc<dyn Entry>) {
        *self.entry.lock().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        // It may have ended before we knew it.
        if !matches!(self.state(), RootState::Starting | RootState::Running) {
            self.order(Control::Release);
        }
    }

    pub(crate) fn order(&self, order: Control) {
        let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(entry) = entry {
            entry.record().control(order);
        }
    }

    pub(crate) fn report(&self, report: Report) {
        let state = match report.news {
            News::Started => RootState::Running,
            News::Exited(Exit::Renewed) => {
                self.order(Control::Restart);
                return;
            }
            News::Exited(Exit::Stopped) => RootState::Stopped,
            News::Exited(Exit::Failed(reason) | Exit::StartFailed(reason)) => RootState::Failed(reason),
            News::Exited(exit @ (Exit::Killed | Exit::Lost)) => RootState::Failed(format!("{:?}", exit.down_reason())),
        };
        if !matches!(state, RootState::Running) {
            self.order(Control::Release);
        }
        self.state.send_modify(|known| {
            // The first end is the one that counts.
            if matches!(known, RootState::Starting | RootState::Running) {
                *known = state;
            }
        });
    }

    /// Waits for a state that `wanted` accepts.
    pub(crate) async fn wait(&self, wanted: impl Fn(&RootState) -> bool) -> RootState {
        let mut receiver = self.state.subscribe();
        match receiver.wait_for(|state| wanted(state)).await {
            Ok(state) => state.clone(),
            // We hold the sender.
            Err(_) => RootState::Stopped,
        }
    }

    pub(crate) fn state(&self) -> RootState {
        self.state.borrow().clone()
    }
}
