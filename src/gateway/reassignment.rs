//! AlterPartitionReassignments: what is wrong with a wanted list of replicas (Kafka: `ReplicationControlManager`).

use callboard_model::{BrokerId, ErrorCode};

/// Kafka's code and words for a list of replicas that cannot be; nothing for one that is what there is, or is none and
/// so calls off a move that is not under way.
pub fn refusal(
    wanted: Option<&[BrokerId]>,
    current: &[BrokerId],
    is_registered: impl Fn(BrokerId) -> bool,
) -> Option<(ErrorCode, Option<String>)> {
    let Some(wanted) = wanted else { return Some((ErrorCode::NoReassignmentInProgress, None)) };
    let wrong = |words: String| Some((ErrorCode::InvalidReplicaAssignment, Some(words)));
    if wanted.is_empty() {
        return wrong("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = wanted.to_vec();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return wrong(format!("The manual partition assignment includes the broker {} more than once.", twice[0]));
    }
    if let Some(unknown) = sorted.iter().find(|broker| !is_registered(**broker)) {
        return wrong(format!(
            "The manual partition assignment includes broker {unknown}, but no such broker is registered."
        ));
    }
    (wanted != current).then(|| {
        (ErrorCode::OperationNotAttempted, Some("moving replicas between brokers is not served yet".to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(wanted: Option<&[i32]>) -> Option<ErrorCode> {
        let wanted: Option<Vec<BrokerId>> = wanted.map(|ids| ids.iter().copied().map(BrokerId).collect());
        refusal(wanted.as_deref(), &[BrokerId(1)], |broker| broker.get() < 3 && broker.get() > 0).map(|(code, _)| code)
    }

    #[test]
    fn replicas_stay_where_they_are() {
        assert_eq!(asked(Some(&[1])), None);
        assert_eq!(asked(None), Some(ErrorCode::NoReassignmentInProgress));
    }

    #[test]
    fn impossible_lists_are_refused_and_moves_not_attempted() {
        for wrong in [&[][..], &[1, 1], &[9], &[-1], &[1, 9]] {
            assert_eq!(asked(Some(wrong)), Some(ErrorCode::InvalidReplicaAssignment), "{wrong:?}");
        }
        assert_eq!(asked(Some(&[2])), Some(ErrorCode::OperationNotAttempted));
        assert_eq!(asked(Some(&[1, 2])), Some(ErrorCode::OperationNotAttempted));
    }
}
