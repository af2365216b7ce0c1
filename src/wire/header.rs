//! The header before every request.
//!
//! ```text
//! api key i16 | version i16 | correlation id i32 | client id i16 length, text | tagged fields, if flexible
//! ```

use bytes::BytesMut;

use crate::reader::Reader;
use crate::{ApiKey, DecodeError, StrBytes, api};

/// Who asks for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API's number.
    pub api_key: i16,
    /// The version of its layout.
    pub version: i16,
    /// Given back with the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<StrBytes>,
}

impl RequestHeader {
    /// Whose request a frame is, without taking it apart; `None` for a key that is not served or too few bytes.
    pub fn peek_api(frame: &[u8]) -> Option<ApiKey> {
        ApiKey::from_code(i16::from_be_bytes(*frame.first_chunk()?))
    }

    /// Splits a frame into its header and the body after it.
    ///
    /// An API or a version that is not served is an error, as nothing after its eight first bytes can be trusted. The one
    /// exception is ApiVersions, which is answered in any version: its header comes without a client id and its body
    /// empty (KIP-511).
    pub fn parse(frame: BytesMut) -> Result<(Self, BytesMut), DecodeError> {
        let mut reader = Reader::new(frame, false);
        let api_key = reader.i16("api key")?;
        let version = reader.i16("api version")?;
        let correlation_id = reader.i32("correlation id")?;
        let not_served = DecodeError::NotServed { api_key, version };
        let key = ApiKey::from_code(api_key).ok_or(not_served.clone())?;
        if !api::served(key, version) {
            return match key {
                ApiKey::ApiVersions => {
                    Ok((Self { api_key, version, correlation_id, client_id: None }, BytesMut::new()))
                }
                _ => Err(not_served),
            };
        }
        // Even in the header with tagged fields the client id has the old length.
        let mut reader = Reader::new(reader.into_rest(), key.is_flexible(version));
        let client_id = reader.short_nullable_string("client id")?;
        reader.tags()?;
        Ok((Self { api_key, version, correlation_id, client_id }, reader.into_rest()))
    }

    /// The API, if it is served.
    pub fn api(&self) -> Option<ApiKey> {
        ApiKey::from_code(self.api_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(api_key: i16, version: i16, rest: &[u8]) -> BytesMut {
        let mut frame = BytesMut::new();
        frame.extend_from_slice(&api_key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&77i32.to_be_bytes());
        frame.extend_from_slice(rest);
        frame
    }

    #[test]
    fn a_plain_header_ends_after_the_client_id() {
        let (read, body) = RequestHeader::parse(header(3, 8, b"\0\x04kcatBODY")).expect("legal");
        assert_eq!((read.api_key, read.version, read.correlation_id), (3, 8, 77));
        assert_eq!(read.client_id.as_deref(), Some("kcat"));
        assert_eq!(&body[..], b"BODY");
    }

    #[test]
    fn a_flexible_header_has_tags_after_a_plain_client_id() {
        let (read, body) = RequestHeader::parse(header(3, 9, b"\0\x04kcat\x01\x05\x02xyBODY")).expect("legal");
        assert_eq!(read.client_id.as_deref(), Some("kcat"));
        assert_eq!(&body[..], b"BODY");
    }

    #[test]
    fn a_null_client_id_is_none() {
        let (read, body) = RequestHeader::parse(header(3, 1, b"\xff\xffB")).expect("legal");
        assert_eq!(read.client_id, None);
        assert_eq!(&body[..], b"B");
    }

    #[test]
    fn what_is_not_served_is_refused_by_its_first_eight_bytes() {
        for (api_key, version) in [(0, 2), (0, 12), (3, -1), (3, 14), (-1, 0), (4, 0), (8, 1), (i16::MAX, i16::MIN)] {
            let read = RequestHeader::parse(header(api_key, version, &[]));
            assert_eq!(read, Err(DecodeError::NotServed { api_key, version }));
        }
    }

    #[test]
    fn api_versions_of_an_unknown_version_is_read_without_its_body() {
        for version in [-1, 5, i16::MAX] {
            let (read, body) = RequestHeader::parse(header(18, version, b"\xff\xff\xff garbage")).expect("answered");
            assert_eq!((read.api_key, read.version, read.correlation_id), (18, version, 77));
            assert!(body.is_empty());
        }
    }

    #[test]
    fn wrong_texts_and_tags_have_their_own_errors() {
        let parse = |version, rest: &[u8]| RequestHeader::parse(header(3, version, rest)).map(|_| ());
        assert_eq!(parse(8, b"\0\x01\xff"), Err(DecodeError::Utf8("client id")));
        assert_eq!(parse(8, b"\xff\xfe"), Err(DecodeError::Length { what: "client id", declared: -2 }));
        assert_eq!(parse(8, b"\x7f\xffab"), Err(DecodeError::Truncated { what: "client id", needed: 32767, left: 2 }));
        assert_eq!(parse(9, b"\xff\xff\x02\x05\0\x05\0"), Err(DecodeError::TagOrder { previous: 5, tag: 5 }));
        assert_eq!(parse(9, b"\xff\xff\xff\xff\xff\xff\xff\x01"), Err(DecodeError::Varint("tagged fields")));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = RequestHeader::parse(BytesMut::from(&bytes[..]));
        }
    }
}
