//! A TCP proxy that spoils what goes through it: cuts connections, delays bytes, truncates answers, hangs. Threads of its
//! own, loopback only, seeded.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How it spoils. Chances are per chunk of at most 16 KiB, in thousandths.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The connection is closed before the chunk.
    pub cut: u32,
    /// A part of the chunk goes through, then the connection is closed.
    pub truncate: u32,
    /// The chunk waits for up to [`Self::delay_max`].
    pub delay: u32,
    /// The longest such wait.
    pub delay_max: Duration,
    /// Nothing goes through at all, in both directions, and nothing is closed.
    pub hang: bool,
    /// New connections are closed at once.
    pub refuse: bool,
}

/// What it has done.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections.
    pub connections: AtomicU64,
    /// Connections closed by it, half-way chunks included.
    pub cuts: AtomicU64,
    /// Chunks that waited.
    pub delays: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    faults: Mutex<Faults>,
    counts: Counts,
    stop: AtomicBool,
    open: Mutex<Vec<(TcpStream, TcpStream)>>,
    random: Mutex<fastrand::Rng>,
}

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on a free port for connections to `upstream`.
    pub fn start(upstream: SocketAddr, seed: u64) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            faults: Mutex::default(),
            counts: Counts::default(),
            stop: AtomicBool::new(false),
            open: Mutex::default(),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let accepting = thread::spawn({
            let shared = shared.clone();
            move || accept(&listener, upstream, &shared)
        });
        Ok(Self { address, shared, accepting: Some(accepting) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it spoils, for open connections too.
    pub fn set(&self, faults: Faults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Closes every open connection now.
    pub fn cut_all(&self) {
        for (client, server) in lock(&self.shared.open).drain(..) {
            self.shared.counts.cuts.fetch_add(1, Ordering::Relaxed);
            close(&client, &server);
        }
    }

    /// What it has done so far.
    pub fn counts(&self) -> &Counts {
        &self.shared.counts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.cut_all();
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn close(client: &TcpStream, server: &TcpStream) {
    let _ = client.shutdown(Shutdown::Both);
    let _ = server.shutdown(Shutdown::Both);
}

fn accept(listener: &TcpListener, upstream: SocketAddr, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        shared.counts.connections.fetch_add(1, Ordering::Relaxed);
        if lock(&shared.faults).refuse {
            continue;
        }
        let Ok(server) = TcpStream::connect(upstream) else { continue };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let pairs = (client.try_clone(), server.try_clone(), client.try_clone(), server.try_clone());
        let (Ok(one), Ok(two), Ok(three), Ok(four)) = pairs else { continue };
        lock(&shared.open).push((client, server));
        for (from, to) in [(one, two), (four, three)] {
            let shared = shared.clone();
            thread::spawn(move || pass(from, to, &shared));
        }
    }
}

/// One direction of one connection.
fn pass(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut chunk).unwrap_or(0);
        let mut faults = *lock(&shared.faults);
        while faults.hang && !shared.stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
            faults = *lock(&shared.faults);
        }
        if read == 0 {
            break;
        }
        let (dice, pause, part) = {
            let mut random = lock(&shared.random);
            (random.u32(0..1000), random.f64(), random.usize(0..read))
        };
        if dice < faults.cut {
            shared.counts.cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
        if dice < faults.cut + faults.truncate {
            shared.counts.cuts.fetch_add(1, Ordering::Relaxed);
            let _ = to.write_all(&chunk[..part]);
            break;
        }
        if dice < faults.cut + faults.truncate + faults.delay {
            shared.counts.delays.fetch_add(1, Ordering::Relaxed);
            thread::sleep(faults.delay_max.mul_f64(pause));
        }
        if to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    close(&from, &to);
}
