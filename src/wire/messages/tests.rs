use super::*;

#[test]
fn produce_and_fetch_have_decoders_of_their_own() {
    assert_eq!(decode_request(ApiKey::Produce, 9, Bytes::new()), Err(DecodeError::OwnDecoder("Produce")));
    assert_eq!(decode_request(ApiKey::Fetch, 11, Bytes::new()), Err(DecodeError::OwnDecoder("Fetch")));
}

#[test]
fn a_body_above_the_limit_is_not_decoded() {
    let max = ApiKey::Metadata.body_max();
    let body = Bytes::from(vec![0; max + 1]);
    let wrong = DecodeError::TooLarge { api: "Metadata", given: max + 1, max };
    assert_eq!(decode_request(ApiKey::Metadata, 1, body), Err(wrong));
}

#[test]
fn an_array_above_the_limit_is_refused_by_its_count() {
    let mut body = (CONTROL_ARRAY_MAX as u32 + 1).to_be_bytes().to_vec();
    body.resize(CONTROL_ARRAY_MAX * 2 + 100, 0);
    let read = decode_request(ApiKey::Metadata, 1, body.clone().into());
    assert!(matches!(read, Err(DecodeError::Body { api: "Metadata", version: 1, .. })), "{read:?}");
    body[..4].copy_from_slice(&(CONTROL_ARRAY_MAX as u32).to_be_bytes());
    let read = decode_request(ApiKey::Metadata, 1, body.into()).expect("legal");
    assert!(read.retained_bytes() > CONTROL_ARRAY_MAX * std::mem::size_of::<MetadataRequestTopic>());
}

#[test]
fn null_topics_ask_for_all_of_them_and_an_empty_array_for_none() {
    let topics =
        |version, body: &'static [u8]| match decode_request(ApiKey::Metadata, version, Bytes::from_static(body)) {
            Ok(Request::Metadata(request)) => request.topics.map(|topics| topics.len()),
            other => panic!("{other:?}"),
        };
    assert_eq!(topics(1, b"\xff\xff\xff\xff"), None);
    assert_eq!(topics(1, b"\0\0\0\0"), Some(0));
    assert_eq!(topics(9, b"\0\x01\0\0\0"), None);
    assert_eq!(topics(9, b"\x01\x01\0\0\0"), Some(0));
}

#[test]
fn bytes_after_a_request_are_ignored() {
    let read = |body: &'static [u8]| decode_request(ApiKey::Metadata, 1, Bytes::from_static(body));
    assert_eq!(read(b"\0\0\0\0more"), read(b"\0\0\0\0"));
    assert!(read(b"\0\0\0\0").is_ok());
}

#[test]
fn errors_say_what_the_codec_says() {
    let error = decode_request(ApiKey::Metadata, 1, Bytes::from_static(b"\0\0")).expect_err("cut");
    assert!(error.to_string().starts_with("Metadata version 1: unexpected end of input"), "{error}");
}

#[test]
fn the_table_agrees_with_kafka_s_schemas_on_flexible_versions() {
    for key in ApiKey::ALL {
        let schema = kafka_wire::API_DESCRIPTORS.iter().find(|api| api.api_key.value() == key.code()).expect("known");
        for version in api::served_range(*key) {
            let version_in_schema = Version::new(version);
            assert!(schema.supported_versions.contains(version_in_schema), "{} {version}", key.name());
            let flexible = schema.flexible_versions.is_some_and(|range| range.contains(version_in_schema));
            assert_eq!(key.is_flexible(version), flexible, "{} {version}", key.name());
        }
    }
}
