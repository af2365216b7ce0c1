//! ElectLeaders: what is to be done about one partition (Kafka: `ReplicationControlManager.electLeader`).

use callboard_model::{BrokerId, ErrorCode};

/// Who should lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Election {
    /// The first replica, if it is in sync.
    Preferred,
    /// Anyone, if nobody does.
    Unclean,
}

impl Election {
    /// As on the wire: Kafka knows 0 and 1 and refuses the rest.
    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Preferred),
            1 => Some(Self::Unclean),
            _ => None,
        }
    }
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This broker has to become the leader.
    Elect(BrokerId),
    /// Nothing: it is as it should be (ELECTION_NOT_NEEDED), or there is nobody who could lead.
    Refuse(ErrorCode),
}

/// Decides on a partition with these replicas, of which those in `in_sync` may lead without loss.
pub fn decide(
    election: Election,
    leader: Option<BrokerId>,
    replicas: &[BrokerId],
    in_sync: &[BrokerId],
    is_alive: impl Fn(BrokerId) -> bool,
) -> Outcome {
    match (election, leader) {
        (Election::Unclean, Some(_)) => Outcome::Refuse(ErrorCode::ElectionNotNeeded),
        (Election::Unclean, None) => {
            let in_sync = in_sync.iter().copied().find(|broker| is_alive(*broker));
            let any = || replicas.iter().copied().find(|broker| is_alive(*broker));
            in_sync.or_else(any).map_or(Outcome::Refuse(ErrorCode::EligibleLeadersNotAvailable), Outcome::Elect)
        }
        (Election::Preferred, leader) => match replicas.first().copied() {
            Some(preferred) if leader == Some(preferred) => Outcome::Refuse(ErrorCode::ElectionNotNeeded),
            Some(preferred) if in_sync.contains(&preferred) && is_alive(preferred) => Outcome::Elect(preferred),
            _ => Outcome::Refuse(ErrorCode::PreferredLeaderNotAvailable),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: BrokerId = BrokerId(1);
    const TWO: BrokerId = BrokerId(2);

    fn refused(code: ErrorCode) -> Outcome {
        Outcome::Refuse(code)
    }

    #[test]
    fn a_partition_led_by_its_preferred_replica_needs_no_election() {
        let decided = decide(Election::Preferred, Some(ONE), &[ONE, TWO], &[ONE, TWO], |_| true);
        assert_eq!(decided, refused(ErrorCode::ElectionNotNeeded));
    }

    #[test]
    fn the_preferred_replica_is_elected_only_if_it_lives_and_is_in_sync() {
        let decided = |isr: &[BrokerId], alive| decide(Election::Preferred, Some(TWO), &[ONE, TWO], isr, |_| alive);
        assert_eq!(decided(&[ONE, TWO], true), Outcome::Elect(ONE));
        assert_eq!(decided(&[TWO], true), refused(ErrorCode::PreferredLeaderNotAvailable));
        assert_eq!(decided(&[ONE, TWO], false), refused(ErrorCode::PreferredLeaderNotAvailable));
    }

    #[test]
    fn an_unclean_election_takes_anyone_who_lives_but_only_where_nobody_leads() {
        let decided = |leader, isr: &[BrokerId], alive: BrokerId| {
            decide(Election::Unclean, leader, &[ONE, TWO], isr, |broker| broker == alive)
        };
        assert_eq!(decided(Some(TWO), &[TWO], TWO), refused(ErrorCode::ElectionNotNeeded));
        assert_eq!(decided(None, &[TWO], TWO), Outcome::Elect(TWO));
        assert_eq!(decided(None, &[TWO], ONE), Outcome::Elect(ONE));
        assert_eq!(decided(None, &[TWO], BrokerId(3)), refused(ErrorCode::EligibleLeadersNotAvailable));
    }
}
