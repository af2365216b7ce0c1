//! Waiting for a future where no runtime need be: with a bound, and on a plain thread.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

/// Whether `future` ends in time; by the runtime's clock, or on a plain thread by the thread's.
pub(super) async fn within<T>(timeout: Duration, future: impl Future<Output = T>) -> bool {
    if timeout == Duration::MAX {
        future.await;
        return true;
    }
    if tokio::runtime::Handle::try_current().is_ok() {
        return tokio::time::timeout(timeout, future).await.is_ok();
    }
    // Outside of a runtime a thread keeps the time.
    let (ring, mut alarm) = oneshot::channel::<()>();
    drop(thread::Builder::new().spawn(move || {
        thread::sleep(timeout);
        drop(ring);
    }));
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(true);
        }
        Pin::new(&mut alarm).poll(cx).map(|_| false)
    })
    .await
}

/// Runs a future on a plain thread.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut cx) {
            return result;
        }
        thread::park();
    }
}
