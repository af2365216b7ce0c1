//! Tasks of no actor's: they run on an arbiter and end by themselves, by their handle, or with the arbiter.

use std::{future::Future, pin::Pin, task::Poll};

use tokio::sync::oneshot;

use super::System;
use crate::{Placement, arbiter::SYSTEM, panics};

impl System {
    /// Runs a task of no actor's on an arbiter, such as a reader or writer of a socket. A panic inside ends only the task and is logged.
    ///
    /// [`Placement::Inherit`] means the system arbiter here.
    pub fn spawn_on<F: Future<Output = ()> + 'static>(
        &self,
        placement: Placement,
        make: impl FnOnce() -> F + Send + 'static,
    ) -> Task {
        let arbiter = self.place(placement, SYSTEM);
        let (abort, aborted) = oneshot::channel::<()>();
        let (finished, done) = oneshot::channel::<()>();
        let name = self.0.name.clone();
        // When the arbiter has stopped the job is dropped, and with it `finished`.
        self.run_on(arbiter, move || {
            drop(tokio::task::spawn_local(async move {
                let _finished = finished;
                let mut aborted = Some(aborted);
                let mut body = Some(Box::pin(make()));
                std::future::poll_fn(|cx| {
                    match aborted.as_mut().map(|aborted| Pin::new(aborted).poll(cx)) {
                        Some(Poll::Ready(Ok(()))) => return Poll::Ready(()),
                        // The handle was dropped: nobody can abort any more.
                        Some(Poll::Ready(Err(_))) => aborted = None,
                        Some(Poll::Pending) | None => {}
                    }
                    let Some(future) = body.as_mut() else {
                        return Poll::Ready(());
                    };
                    match panics::guard(|| future.as_mut().poll(cx)) {
                        Ok(poll) => poll,
                        Err(failure) => {
                            tracing::error!(system = %name, reason = failure.reason(), "a task panicked");
                            Poll::Ready(())
                        }
                    }
                })
                .await;
                let rest = body.take();
                drop(panics::guard(move || drop(rest)));
            }));
        });
        Task { abort: Some(abort), done }
    }
}

/// Handle of a task started by [`System::spawn_on`]. Dropping it leaves the task running.
#[derive(Debug)]
pub struct Task {
    abort: Option<oneshot::Sender<()>>,
    done: oneshot::Receiver<()>,
}

impl Task {
    /// Drops the task's future soon, on its arbiter.
    pub fn abort(&mut self) {
        if let Some(abort) = self.abort.take() {
            // Fails only when it has ended.
            let _ = abort.send(());
        }
    }

    /// Waits for its end, by itself or by [`Task::abort`].
    pub async fn ended(mut self) {
        // Never sent, only dropped.
        drop((&mut self.done).await);
    }

    pub fn is_ended(&mut self) -> bool {
        !matches!(self.done.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }
}
