//! Recognises messages that keep killing their receiver. Decides; performs nothing.

use std::time::Duration;

/// How many failures make a message poison, and for how long it is then refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoisonLimits {
    /// 0 switches recognition off
    pub(crate) after: u32,
    pub(crate) quarantine: Duration,
}

impl Default for PoisonLimits {
    fn default() -> PoisonLimits {
        PoisonLimits { after: 3, quarantine: Duration::from_secs(30) }
    }
}

/// Failures of one kind further apart than this are not connected.
const WINDOW_MS: u64 = 5 * 60_000;
/// Kinds remembered per actor; the one that failed longest ago makes room.
const MOST_KINDS: usize = 64;

/// Failure counts of one actor, kept over its restarts. Times are milliseconds since the start of the system.
#[derive(Debug)]
pub(crate) struct Poison {
    limits: PoisonLimits,
    suspects: Vec<Suspect>,
}

#[derive(Debug)]
struct Suspect {
    name: &'static str,
    fingerprint: Option<u64>,
    failures: u32,
    last_ms: u64,
    refused_until_ms: Option<u64>,
}

impl Poison {
    pub(crate) fn new(limits: PoisonLimits) -> Poison {
        Poison { limits, suspects: Vec::new() }
    }

    /// Whether anything is suspected at all; the usual answer, and cheap, is no.
    #[inline]
    pub(crate) fn is_active(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether this message is to be refused now.
    pub(crate) fn refuses(&mut self, name: &str, fingerprint: Option<u64>, now_ms: u64) -> bool {
        let after = self.limits.after;
        let Some(suspect) = self.find(name, fingerprint) else {
            return false;
        };
        match suspect.refused_until_ms {
            Some(until) if now_ms < until => true,
            Some(_) => {
                // Quarantine is over: one more try, one more failure brings it back.
                suspect.refused_until_ms = None;
                suspect.failures = after - 1;
                false
            }
            None => false,
        }
    }

    /// Notes a failure; the number of failures when it makes the message poison.
    pub(crate) fn failed(&mut self, name: &'static str, fingerprint: Option<u64>, now_ms: u64) -> Option<u32> {
        let limits = self.limits;
        if limits.after == 0 {
            return None;
        }
        if self.find(name, fingerprint).is_none() {
            self.make_room();
            self.suspects.push(Suspect { name, fingerprint, failures: 0, last_ms: now_ms, refused_until_ms: None });
        }
        let suspect = self.find(name, fingerprint).expect("was added above when missing");
        if now_ms.saturating_sub(suspect.last_ms) > WINDOW_MS {
            suspect.failures = 0;
        }
        suspect.failures += 1;
        suspect.last_ms = now_ms;
        if suspect.failures < limits.after {
            return None;
        }
        let quarantine = u64::try_from(limits.quarantine.as_millis()).unwrap_or(u64::MAX);
        suspect.refused_until_ms = Some(now_ms.saturating_add(quarantine));
        Some(suspect.failures)
    }

    /// A success clears the suspicion against messages of the same kind.
    pub(crate) fn succeeded(&mut self, name: &str, fingerprint: Option<u64>) {
        self.suspects.retain(|suspect| suspect.name != name || suspect.fingerprint != fingerprint);
    }

    fn find(&mut self, name: &str, fingerprint: Option<u64>) -> Option<&mut Suspect> {
        self.suspects.iter_mut().find(|suspect| suspect.name == name && suspect.fingerprint == fingerprint)
    }

    fn make_room(&mut self) {
        if self.suspects.len() < MOST_KINDS {
            return;
        }
        let oldest = (0..self.suspects.len()).min_by_key(|index| self.suspects[*index].last_ms);
        if let Some(oldest) = oldest {
            self.suspects.remove(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poison() -> Poison {
        Poison::new(PoisonLimits { after: 3, quarantine: Duration::from_millis(100) })
    }

    #[test]
    fn a_kind_is_refused_after_three_failures_in_a_row() {
        let mut poison = poison();
        assert_eq!(poison.failed("Put", None, 0), None);
        assert_eq!(poison.failed("Put", None, 1), None);
        assert!(!poison.refuses("Put", None, 2));
        assert_eq!(poison.failed("Put", None, 2), Some(3));
        assert!(poison.refuses("Put", None, 3));
        assert!(!poison.refuses("Get", None, 3));
    }

    #[test]
    fn a_success_between_breaks_the_row() {
        let mut poison = poison();
        poison.failed("Put", None, 0);
        poison.failed("Put", None, 1);
        poison.succeeded("Put", None);
        assert_eq!(poison.failed("Put", None, 2), None);
    }

    #[test]
    fn a_fingerprint_is_not_cleared_by_the_success_of_another() {
        let mut poison = poison();
        poison.failed("Put", Some(7), 0);
        poison.succeeded("Put", Some(8));
        poison.failed("Put", Some(7), 1);
        poison.succeeded("Put", Some(9));
        assert_eq!(poison.failed("Put", Some(7), 2), Some(3));
        assert!(poison.refuses("Put", Some(7), 3));
        assert!(!poison.refuses("Put", Some(8), 3));
    }

    #[test]
    fn after_the_quarantine_one_failure_is_enough() {
        let mut poison = poison();
        for at in 0..3 {
            poison.failed("Put", None, at);
        }
        assert!(poison.refuses("Put", None, 50));
        assert!(!poison.refuses("Put", None, 200));
        assert_eq!(poison.failed("Put", None, 201), Some(3));
        assert!(poison.refuses("Put", None, 202));
    }

    #[test]
    fn suspects_are_bounded() {
        let mut poison = poison();
        for fingerprint in 0..10_000 {
            poison.failed("Put", Some(fingerprint), fingerprint);
        }
        assert_eq!(poison.suspects.len(), MOST_KINDS);
        assert!(poison.find("Put", Some(9_999)).is_some());
    }
}
