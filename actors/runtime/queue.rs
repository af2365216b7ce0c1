//! The queue of one mailbox: messages by value, in chunks, under a lock that is held for a few instructions.
//!
//! A lock and not a lock-free list: sender and receiver pay one uncontended lock each, the receiver per chunk and not per message, which measured
//! faster than the lock-free queues to be had, and an idle mailbox owns no memory. It knows nothing of limits: credits are taken before.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
};

/// A message on its way, with the credits it holds.
pub(crate) struct Parcel<M> {
    pub(crate) message: M,
    pub(crate) weight: u32,
    /// coarse milliseconds, wrapping after 49 days
    pub(crate) at_ms: u32,
}

/// Messages that go from sender to receiver together, oldest first.
pub(crate) type Chunk<M> = VecDeque<Parcel<M>>;

/// About what a chunk takes in memory when it is full, in bytes: a page, so that growing under the lock copies little.
const CHUNK_BYTES: usize = 4_096;
/// What an empty chunk may keep in memory for the next messages, in bytes.
const KEPT_BYTES: usize = 1_024;

pub(crate) struct Queue<M> {
    shared: Mutex<Shared<M>>,
}

struct Shared<M> {
    /// older than `last`; empty unless more than a chunk is queued
    full: VecDeque<Chunk<M>>,
    last: Chunk<M>,
    /// the receiver has seen everything and counts on being woken by the next message
    asleep: bool,
    closed: bool,
    waker: Option<Waker>,
}

impl<M> Queue<M> {
    /// Messages in a full chunk.
    const CHUNK: usize = capacity::<M>(CHUNK_BYTES, 8);
    const KEPT: usize = capacity::<M>(KEPT_BYTES, 4);

    pub(crate) fn new() -> Queue<M> {
        Queue {
            shared: Mutex::new(Shared {
                full: VecDeque::new(),
                last: Chunk::new(),
                asleep: false,
                closed: false,
                waker: None,
            }),
        }
    }

    /// Appends a message and wakes the receiver if it sleeps; gives the message back when the receiver is gone. `is_local` says whether we are on its thread.
    #[inline]
    pub(crate) fn push(&self, parcel: Parcel<M>, is_local: impl FnOnce() -> bool) -> Result<(), Parcel<M>> {
        let waker = {
            let mut shared = self.lock();
            if shared.closed {
                return Err(parcel);
            }
            if shared.last.len() >= Self::CHUNK {
                shared.begin_chunk();
            }
            shared.last.push_back(parcel);
            if !mem::replace(&mut shared.asleep, false) {
                return Ok(());
            }
            if is_local() {
                // On the receiver's own thread a wake is a push onto a list of tasks: counting the waker up and down would cost more than the lock.
                if let Some(waker) = &shared.waker {
                    waker.wake_by_ref();
                }
                return Ok(());
            }
            shared.waker.clone()
        };
        // Outside of the lock: it may be a system call.
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Moves the oldest chunk into `empty`. `true` when nothing is left behind: then the next push wakes the receiver, even if it still handles this chunk.
    #[inline]
    pub(crate) fn take(&self, empty: &mut Chunk<M>) -> bool {
        debug_assert!(empty.is_empty(), "a chunk is taken when the one before is used up");
        if empty.capacity() > Self::KEPT {
            *empty = Chunk::new();
        }
        let mut shared = self.lock();
        match shared.full.pop_front() {
            Some(chunk) => {
                let unused = mem::replace(empty, chunk);
                if shared.full.is_empty() {
                    shared.full = VecDeque::new();
                }
                drop(shared);
                drop(unused);
                false
            }
            None => {
                mem::swap(empty, &mut shared.last);
                shared.asleep = true;
                true
            }
        }
    }

    pub(crate) fn set_waker(&self, waker: &Waker) {
        let old = self.lock().waker.replace(waker.clone());
        drop(old);
    }

    /// Refuses messages from now on; what was queued is handed out, oldest first.
    pub(crate) fn close(&self) -> impl Iterator<Item = Parcel<M>> + use<M> {
        let (full, last, waker) = {
            let mut shared = self.lock();
            shared.closed = true;
            (mem::take(&mut shared.full), mem::take(&mut shared.last), shared.waker.take())
        };
        drop(waker);
        full.into_iter().flatten().chain(last)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Shared<M>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M> Shared<M> {
    #[cold]
    fn begin_chunk(&mut self) {
        let full = mem::replace(&mut self.last, Chunk::with_capacity(Queue::<M>::CHUNK));
        self.full.push_back(full);
    }
}

/// How many parcels fit into `bytes`, but at least `least`; a power of two, as the chunk grows.
const fn capacity<M>(bytes: usize, least: usize) -> usize {
    let fitting = bytes / size_of::<Parcel<M>>();
    if fitting <= least { least } else { 1 << fitting.ilog2() }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        },
        task::Wake,
        thread,
    };

    use super::*;

    struct Bell(AtomicUsize);
    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn parcel(number: u64) -> Parcel<u64> {
        Parcel { message: number, weight: 0, at_ms: 0 }
    }

    fn push(queue: &Queue<u64>, number: u64) {
        assert!(queue.push(parcel(number), || false).is_ok());
    }

    #[test]
    fn messages_leave_in_the_order_in_which_they_came_over_many_chunks() {
        let queue = Queue::new();
        let (mut next, mut expected, mut chunk) = (0, 0, Chunk::new());
        for burst in [1, 3, 200, 5_000, 7, 1_000] {
            for _ in 0..burst {
                push(&queue, next);
                next += 1;
            }
            while !queue.take(&mut chunk) {
                for parcel in chunk.drain(..) {
                    assert_eq!(parcel.message, expected);
                    expected += 1;
                }
            }
            for parcel in chunk.drain(..) {
                assert_eq!(parcel.message, expected);
                expected += 1;
            }
            assert_eq!(expected, next);
        }
    }

    #[test]
    fn only_the_first_message_after_a_look_wakes() {
        let queue = Queue::new();
        let bell = Arc::new(Bell(AtomicUsize::new(0)));
        queue.set_waker(&Waker::from(bell.clone()));
        let mut chunk = Chunk::new();
        push(&queue, 1);
        assert_eq!(bell.0.load(SeqCst), 0, "nobody has looked yet");
        assert!(queue.take(&mut chunk));
        push(&queue, 2);
        push(&queue, 3);
        assert_eq!(bell.0.load(SeqCst), 1);
        chunk.clear();
        assert!(queue.take(&mut chunk));
        assert_eq!(chunk.len(), 2);
        push(&queue, 4);
        assert_eq!(bell.0.load(SeqCst), 2);
    }

    #[test]
    fn a_queue_that_was_long_keeps_little_memory() {
        let queue = Queue::new();
        let mut chunk = Chunk::new();
        for number in 0..100_000 {
            push(&queue, number);
        }
        while !queue.take(&mut chunk) {
            chunk.clear();
        }
        chunk.clear();
        for _ in 0..2 {
            assert!(queue.take(&mut chunk), "nothing is left");
        }
        let shared = queue.lock();
        for capacity in [chunk.capacity(), shared.last.capacity()] {
            assert!(capacity * size_of::<Parcel<u64>>() <= KEPT_BYTES, "{capacity}");
        }
        assert_eq!(shared.full.capacity(), 0);
    }

    #[test]
    fn a_closed_queue_gives_back_what_it_held_and_what_comes() {
        let queue = Queue::new();
        for number in 0..1_000 {
            push(&queue, number);
        }
        let left: Vec<u64> = queue.close().map(|parcel| parcel.message).collect();
        assert!(left.iter().copied().eq(0..1_000));
        assert_eq!(queue.push(parcel(7), || true).map_err(|parcel| parcel.message), Err(7));
        assert_eq!(queue.close().count(), 0);
    }

    #[test]
    fn no_message_of_many_threads_is_left_without_a_wake() {
        struct Unpark(thread::Thread, AtomicBool);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.1.store(true, SeqCst);
                self.0.unpark();
            }
        }
        const EACH: u64 = 50_000;
        let queue = Arc::new(Queue::new());
        let bell = Arc::new(Unpark(thread::current(), AtomicBool::new(false)));
        queue.set_waker(&Waker::from(bell.clone()));
        let senders: Vec<_> = (0..4_u64)
            .map(|sender| {
                let queue = queue.clone();
                thread::spawn(move || (0..EACH).for_each(|n| push(&queue, sender << 32 | n)))
            })
            .collect();
        let (mut seen, mut chunk) = ([0; 4], Chunk::new());
        while seen.iter().sum::<u64>() < 4 * EACH {
            let all = queue.take(&mut chunk);
            for parcel in chunk.drain(..) {
                let (sender, number) = ((parcel.message >> 32) as usize, parcel.message & 0xffff_ffff);
                assert_eq!(number, seen[sender], "in order");
                seen[sender] += 1;
            }
            // Sleeps on the promise alone: a missing wake hangs here.
            while all && seen.iter().sum::<u64>() < 4 * EACH && !bell.1.swap(false, SeqCst) {
                thread::park();
            }
        }
        for sender in senders {
            sender.join().expect("no panic");
        }
    }
}
