//! DescribeUserScramCredentials (50), 0: nobody can log in with SCRAM, so nobody has credentials.

use std::collections::BTreeMap;

use callboard_model::ErrorCode;
use callboard_wire::StrBytes;
use callboard_wire::messages::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
    describe_user_scram_credentials_response::DescribeUserScramCredentialsResult,
};

pub(super) fn describe(request: DescribeUserScramCredentialsRequest) -> DescribeUserScramCredentialsResponse {
    let mut asked: BTreeMap<String, (StrBytes, usize)> = BTreeMap::new();
    for user in request.users.into_iter().flatten() {
        asked.entry(user.name.to_string()).or_insert((user.name, 0)).1 += 1;
    }
    let mut response = DescribeUserScramCredentialsResponse::default();
    // Kafka has an empty message where no error is.
    response.error_message = Some(StrBytes::default());
    for (name, (user, times)) in asked {
        let mut row = DescribeUserScramCredentialsResult::default();
        row.user = user;
        let (code, words) = if times > 1 {
            let words = "Cannot describe SCRAM credentials for the same user twice in a single request";
            (ErrorCode::DuplicateResource, words)
        } else {
            (ErrorCode::ResourceNotFound, "Attempt to describe a user credential that does not exist")
        };
        row.error_code = code.code();
        row.error_message = Some(StrBytes::from(format!("{words}: {name}")));
        response.results.push(row);
    }
    response
}
