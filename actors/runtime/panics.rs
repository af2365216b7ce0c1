//! Catching panics of supervised code, and keeping them quiet: message and place go into the failure, not to stderr.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use crate::Failure;

thread_local! {
    static GUARDED: Cell<u32> = const { Cell::new(0) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body`; a panic inside comes back as a failure that names message and place.
///
/// Unwind safety: what `body` borrows is dropped, not used again, after a failure; actors share no mutable state by design.
pub(crate) fn guard<T>(body: impl FnOnce() -> T) -> Result<T, Failure> {
    GUARDED.set(GUARDED.get() + 1);
    let result = panic::catch_unwind(AssertUnwindSafe(body));
    GUARDED.set(GUARDED.get() - 1);
    result.map_err(describe)
}

fn describe(payload: Box<dyn Any + Send>) -> Failure {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a text".to_owned());
    // A payload's own drop may panic; then a leak is better than an abort.
    if panic::catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
        tracing::warn!("a panic payload panicked while it was dropped");
    }
    match PLACE.take() {
        Some(place) => Failure::new(format!("panic: {text}, at {place}")),
        None => Failure::new(format!("panic: {text}")),
    }
}

/// Installs, once per process, a panic hook that is silent for supervised code, whose panics are reported as failures; all others go to the hook that was there.
pub fn install_quiet_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if GUARDED.get() == 0 {
                previous(info);
                return;
            }
            let place = info.location().map(|place| format!("{}:{}", place.file(), place.line()));
            PLACE.set(place);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_unwind_in_this_build() {
        // Under `panic = "abort"` the first panic ends the process and no supervision is possible.
        const { assert!(cfg!(panic = "unwind"), "build with panic = \"unwind\"") };
    }

    #[test]
    fn a_caught_panic_tells_its_text_and_place() {
        install_quiet_panic_hook();
        let failure = guard(|| panic!("disk on fire {}", 7)).expect_err("it panicked");
        assert!(failure.reason().starts_with("panic: disk on fire 7, at "));
        assert!(failure.reason().contains("panics.rs:"));
        assert_eq!(guard(|| 3).expect("did not panic"), 3);
    }
}
