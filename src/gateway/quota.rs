//! Client quotas: whether a question for them makes sense (Kafka: `DescribeClientQuotasRequest`,
//! `ClientQuotaCache.describeClientQuotas`).

use callboard_model::ErrorCode;

/// One part of a question: which entities of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component<'a> {
    /// `user`, `client-id` or `ip`.
    pub entity_type: &'a str,
    /// 0: the named one, 1: the default one, 2: any that is set.
    pub match_type: i8,
    /// The name.
    pub name: Option<&'a str>,
}

/// The entity types that quotas can be for.
const TYPES: [&str; 3] = ["user", "client-id", "ip"];

/// Errors with Kafka's code and words if the question makes no sense.
pub fn check_filter(components: &[Component<'_>]) -> Result<(), (ErrorCode, String)> {
    let invalid = |words: String| Err((ErrorCode::InvalidRequest, words));
    for component in components {
        let name = match (component.match_type, component.name) {
            (0, None) => Some("Request specified MATCH_TYPE_EXACT, but set match string to null.".to_owned()),
            (1, Some(_)) => Some("Request specified MATCH_TYPE_DEFAULT, but also specified a match string.".to_owned()),
            (2, Some(_)) => {
                Some("Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.".to_owned())
            }
            (0..=2, _) => None,
            (other, _) => Some(format!("Unknown match type {other}")),
        };
        if let Some(words) = name {
            return invalid(words);
        }
    }
    for (at, component) in components.iter().enumerate() {
        let kind = component.entity_type;
        if kind.is_empty() {
            return invalid("Invalid empty entity type.".to_owned());
        }
        if components[..at].iter().any(|earlier| earlier.entity_type == kind) {
            return invalid(format!("Entity type {kind} cannot appear more than once in the filter."));
        }
        if !TYPES.contains(&kind) {
            return Err((ErrorCode::UnsupportedVersion, format!("Unsupported entity type {kind}")));
        }
    }
    if components.len() > 1 && components.iter().any(|component| component.entity_type == "ip") {
        return invalid(
            "Invalid entity filter component combination. IP filter component should not be used with user or clientId \
             filter component."
                .to_owned(),
        );
    }
    Ok(())
}

/// Errors with Kafka's code and words if there can be no quota for such an entity; else says that quotas are not served.
pub fn refuse_change<'a>(entity: impl Iterator<Item = &'a str>) -> (ErrorCode, String) {
    for kind in entity {
        if !TYPES.contains(&kind) {
            return (ErrorCode::InvalidRequest, format!("Unhandled client quota entity type: {kind}"));
        }
    }
    (ErrorCode::UnsupportedVersion, "client quotas are not served yet".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component<'a>(entity_type: &'a str, match_type: i8, name: Option<&'a str>) -> Component<'a> {
        Component { entity_type, match_type, name }
    }

    #[test]
    fn sensible_questions_pass() {
        let (user, client) = (component("user", 2, None), component("client-id", 0, Some("x")));
        for question in [&[][..], &[user], &[user, client], &[component("user", 1, None)], &[component("ip", 2, None)]]
        {
            assert_eq!(check_filter(question), Ok(()), "{question:?}");
        }
    }

    #[test]
    fn others_are_refused_with_kafka_s_codes() {
        let user = component("user", 2, None);
        let invalid: [&[Component<'_>]; 8] = [
            &[component("user", 0, None)],
            &[component("user", 1, Some("x"))],
            &[component("user", 2, Some("x"))],
            &[component("user", 3, None)],
            &[component("user", -1, None)],
            &[component("", 0, Some("x"))],
            &[user, user],
            &[user, component("ip", 2, None)],
        ];
        for question in invalid {
            let code = check_filter(question).map_err(|(code, _)| code);
            assert_eq!(code, Err(ErrorCode::InvalidRequest), "{question:?}");
        }
        let weird = check_filter(&[component("weird", 0, Some("x"))]);
        assert_eq!(weird.map_err(|(code, _)| code), Err(ErrorCode::UnsupportedVersion));
    }

    #[test]
    fn changes_are_refused_either_way() {
        assert_eq!(refuse_change(["user", "client-id"].into_iter()).0, ErrorCode::UnsupportedVersion);
        assert_eq!(refuse_change(["weird"].into_iter()).0, ErrorCode::InvalidRequest);
    }
}
