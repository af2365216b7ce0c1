//! The system's allocator, counted: the whole process but the threads that asked to be left out.

#![allow(unsafe_code)] // a global allocator cannot be counted without it

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LEFT_OUT: Cell<bool> = const { Cell::new(false) };
}

/// To be made the global allocator of a test.
#[derive(Debug)]
pub struct Counting;

/// Allocations and their bytes, since the process began or between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// How often memory was asked for. Growing what is there counts as once more.
    pub allocations: u64,
    /// Bytes asked for. Growing what is there counts with its new size, because it may be copied.
    pub bytes: u64,
}

impl Count {
    /// What came after an earlier moment.
    pub fn since(self, earlier: Self) -> Self {
        Self { allocations: self.allocations - earlier.allocations, bytes: self.bytes - earlier.bytes }
    }
}

/// What the process has allocated so far.
pub fn so_far() -> Count {
    Count { allocations: ALLOCATIONS.load(Ordering::SeqCst), bytes: BYTES.load(Ordering::SeqCst) }
}

/// From now on this thread is not counted: it is the client.
pub fn leave_this_thread_out() {
    LEFT_OUT.set(true);
}

fn count(bytes: usize) {
    // At the end of a thread there is nothing left to ask; it is counted then.
    if !LEFT_OUT.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        BYTES.fetch_add(bytes as u64, Ordering::SeqCst);
    }
}

// SAFETY: every call is handed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    const LEN: usize = 64 << 20;

    fn grown() -> usize {
        let mut bytes = Vec::<u8>::with_capacity(LEN);
        bytes.reserve_exact(2 * LEN);
        std::hint::black_box(bytes).capacity()
    }

    /// What a thread's allocations add; nothing else here allocates as much.
    fn counted(work: impl FnOnce() -> usize + Send + 'static) -> Count {
        let before = so_far();
        assert_eq!(std::thread::spawn(work).join().expect("it does not panic"), 2 * LEN);
        so_far().since(before)
    }

    #[test]
    fn every_thread_is_counted_but_those_that_are_left_out() {
        let count = counted(grown);
        assert!(
            count.allocations >= 2 && count.bytes >= 3 * LEN as u64,
            "the first room and the larger one: {count:?}"
        );
        let count = counted(|| {
            leave_this_thread_out();
            grown()
        });
        assert!(count.bytes < LEN as u64, "{count:?}");
    }
}
