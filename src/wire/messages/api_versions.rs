//! What ApiVersions answers, computed from the table of [`crate::api`].

use callboard_model::ErrorCode;

use super::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse};
use crate::{ApiKey, api};

/// The answer to a request of a served version: the whole table, or INVALID_REQUEST if the client's software name or
/// version (3+) is illegal (KIP-511).
pub fn answer(version: i16, request: &ApiVersionsRequest) -> ApiVersionsResponse {
    let named = is_legal(&request.client_software_name) && is_legal(&request.client_software_version);
    let mut answer = ApiVersionsResponse::default();
    if version >= 3 && !named {
        answer.error_code = ErrorCode::InvalidRequest.code();
        return answer;
    }
    answer.api_keys = ApiKey::ALL.iter().map(|key| listed(*key)).collect();
    answer
}

/// The answer to a version that is not served: an error and the range to try again with (KIP-511).
/// [`super::encode_response`] writes it in version 0.
pub fn unsupported() -> ApiVersionsResponse {
    let mut answer = ApiVersionsResponse::default();
    answer.error_code = ErrorCode::UnsupportedVersion.code();
    answer.api_keys = vec![listed(ApiKey::ApiVersions)];
    answer
}

fn listed(key: ApiKey) -> ApiVersion {
    let range = api::range(key);
    let mut listed = ApiVersion::default();
    listed.api_key = key.code();
    listed.min_version = *range.start();
    listed.max_version = *range.end();
    listed
}

/// `[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?`
fn is_legal(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    edge(text.bytes().next()) && edge(text.bytes().next_back()) && text.bytes().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_by(name: &str, version: &str) -> ApiVersionsRequest {
        let mut request = ApiVersionsRequest::default();
        request.client_software_name = name.into();
        request.client_software_version = version.into();
        request
    }

    #[test]
    fn the_answer_lists_the_whole_table() {
        let answer = answer(3, &asked_by("librdkafka", "2.0.2"));
        assert_eq!(answer.error_code, 0);
        let listed: Vec<_> = answer.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
        assert_eq!(listed.len(), ApiKey::ALL.len());
        assert!(listed.contains(&(0, 0, 11)));
        assert!(listed.contains(&(18, 0, 4)));
    }

    #[test]
    fn a_client_that_names_itself_illegally_is_refused_from_version_3_on() {
        for (name, version) in [("", "1"), ("-a", "1"), ("a-", "1"), ("a b", "1"), ("a", ""), ("ä", "1"), ("a", "1\n")]
        {
            assert_eq!(answer(3, &asked_by(name, version)).error_code, 42, "{name:?} {version:?}");
            assert_eq!(answer(2, &asked_by(name, version)).error_code, 0, "{name:?} {version:?}");
        }
        for legal in ["a", "apache-kafka-java", "2.0.2", "0"] {
            assert_eq!(answer(3, &asked_by(legal, legal)).error_code, 0, "{legal}");
        }
    }

    #[test]
    fn an_unknown_version_gets_the_range_to_try_again_with() {
        let answer = unsupported();
        assert_eq!(answer.error_code, 35);
        let listed: Vec<_> = answer.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
        assert_eq!(listed, vec![(18, 0, 4)]);
    }
}
