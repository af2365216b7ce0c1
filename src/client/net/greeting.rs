//! The first words of a connection: which versions the broker has, or what it is instead of a broker.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use bytes::Bytes;
use callboard_model::ErrorCode;
use callboard_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, Request, Response, client};
use callboard_wire::{ApiKey, api};

use crate::error::Broken;

/// The version of ApiVersions that is tried first.
pub(crate) const FIRST_VERSION: i16 = 4;

/// Which versions a broker has, by API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    ranges: BTreeMap<i16, (i16, i16)>,
}

/// What the answer to ApiVersions says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The list.
    Known(Versions),
    /// To be asked again in this version (KIP-511).
    AskAgain(i16),
}

impl Versions {
    /// The newest version that both sides have.
    pub(crate) fn common(&self, key: ApiKey) -> Option<i16> {
        let ours = ours(key);
        let (least, most) = *self.ranges.get(&key.code())?;
        let newest = most.min(*ours.end());
        (newest >= least && newest >= *ours.start()).then_some(newest)
    }

    /// The broker's range, for people.
    pub(crate) fn text(&self, key: ApiKey) -> String {
        match self.ranges.get(&key.code()) {
            Some((least, most)) => format!("in versions {least} to {most}"),
            None => "not at all".to_owned(),
        }
    }

    /// Every API that the broker lists, with its versions.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = (i16, RangeInclusive<i16>)> {
        self.ranges.iter().map(|(key, (least, most))| (*key, *least..=*most))
    }
}

/// The versions that the client writes and reads: those that are served here too.
pub(crate) fn ours(key: ApiKey) -> RangeInclusive<i16> {
    api::served_range(key)
}

/// The question.
pub(crate) fn question() -> Request {
    let mut request = ApiVersionsRequest::default();
    request.client_software_name = "callboard".into();
    request.client_software_version = env!("CARGO_PKG_VERSION").into();
    Request::ApiVersions(request)
}

/// Reads the answer to a question of `asked`'s version.
pub(crate) fn read(asked: i16, body: Bytes) -> Result<Greeting, Broken> {
    let wrong = |reason: String| Broken::Versions(reason.into());
    // A broker that does not have the version answers in version 0, whose first field is the error, too.
    let refused = body.first_chunk() == Some(&ErrorCode::UnsupportedVersion.code().to_be_bytes());
    let version = if refused { 0 } else { asked };
    let answer = match client::decode_response(ApiKey::ApiVersions, version, body) {
        Ok(Response::ApiVersions(answer)) => answer,
        Ok(_) => return Err(wrong("another answer came".to_owned())),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let versions = listed(&answer);
    if refused {
        let theirs = versions.common(ApiKey::ApiVersions).unwrap_or(0);
        return if theirs < asked {
            Ok(Greeting::AskAgain(theirs))
        } else {
            Err(wrong(format!("version {asked} of ApiVersions was refused though it is listed")))
        };
    }
    if answer.error_code != 0 {
        let name = ErrorCode::from_code(answer.error_code).map_or("an unknown code", ErrorCode::name);
        return Err(wrong(format!("error {} ({name})", answer.error_code)));
    }
    if versions.common(ApiKey::Metadata).is_none() {
        return Err(wrong(format!("it has Metadata {}", versions.text(ApiKey::Metadata))));
    }
    Ok(Greeting::Known(versions))
}

fn listed(answer: &ApiVersionsResponse) -> Versions {
    let ranges = answer.api_keys.iter().map(|key| (key.api_key, (key.min_version, key.max_version))).collect();
    Versions { ranges }
}

/// What a peer is whose first four bytes are no length of a frame.
pub(crate) fn other_protocol(first: [u8; 4]) -> Option<Broken> {
    let (what, hint) = match &first {
        [0x15 | 0x16, 3, 0..=4, _] => ("TLS", "use the address of a PLAINTEXT listener, TLS is not spoken yet"),
        b"HTTP" => ("HTTP", "this is a web server's port; the broker's is usually 9092"),
        b"SSH-" => ("SSH", "this is an SSH server's port; the broker's is usually 9092"),
        b"220 " | b"220-" => ("SMTP or FTP", "use the broker's port, usually 9092"),
        b"-ERR" => ("Redis", "use the broker's port, usually 9092"),
        _ => return None,
    };
    Some(Broken::OtherProtocol { what, first, hint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use callboard_wire::messages::{api_versions, encode_response};
    use proptest::prelude::*;

    fn body(version: i16, answer: ApiVersionsResponse) -> Bytes {
        let frame = encode_response(1, version, answer.into()).expect("legal");
        frame.slice(8..)
    }

    #[test]
    fn the_newest_version_of_both_is_taken() {
        let table = api_versions::answer(3, &named());
        let Ok(Greeting::Known(versions)) = read(4, body(4, table)) else { panic!("a list") };
        assert_eq!(versions.common(ApiKey::Produce), Some(11));
        let narrow = Versions { ranges: BTreeMap::from([(0, (5, 7)), (1, (0, 3)), (3, (14, 20))]) };
        assert_eq!(narrow.common(ApiKey::Produce), Some(7));
        assert_eq!(narrow.common(ApiKey::Fetch), None);
        assert_eq!(narrow.common(ApiKey::Metadata), None);
        assert_eq!(narrow.common(ApiKey::JoinGroup), None);
    }

    fn named() -> ApiVersionsRequest {
        let Request::ApiVersions(request) = question() else { panic!("the question") };
        request
    }

    #[test]
    fn a_refused_version_is_answered_in_version_0_and_asked_again_kip_511() {
        let mut refusal = api_versions::unsupported();
        refusal.api_keys[0].max_version = 2;
        assert_eq!(read(4, body(0, refusal)), Ok(Greeting::AskAgain(2)));
        let mut bare = api_versions::unsupported();
        bare.api_keys.clear();
        assert_eq!(read(4, body(0, bare)), Ok(Greeting::AskAgain(0)));
        assert!(read(0, body(0, api_versions::unsupported())).is_err(), "version 0 cannot be refused");
    }

    #[test]
    fn other_protocols_are_recognised_by_their_first_bytes() {
        for (first, name) in [(*b"HTTP", "HTTP"), ([0x15, 3, 3, 0], "TLS"), (*b"SSH-", "SSH")] {
            let said = other_protocol(first).expect("known").to_string();
            assert!(said.contains(name), "{said}");
        }
        assert_eq!(other_protocol([0, 0, 1, 0]), None);
    }

    proptest! {
        #[test]
        fn any_answer_is_a_list_or_an_error(asked in 0i16..=4, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(asked, Bytes::from(bytes));
        }
    }
}
