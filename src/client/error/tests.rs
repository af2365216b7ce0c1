use super::*;

fn kafka(code: ErrorCode) -> ClientError {
    ClientError::from_code(code.code(), "partition 0 of 'a'", Some("because")).expect("no success")
}

#[test]
fn success_is_no_error_and_an_unknown_code_is_kept() {
    assert!(ClientError::from_code(0, "x", None).is_none());
    let unknown = ClientError::from_code(9999, "x", None).expect("no success");
    assert_eq!(unknown.to_string(), "x: the broker answered with the unknown error code 9999");
    assert!(!unknown.is_retriable() && unknown.may_have_happened());
}

#[test]
fn a_broker_s_refusal_shows_its_name_and_its_words() {
    let error = kafka(ErrorCode::MessageTooLarge);
    assert_eq!(error.to_string(), "partition 0 of 'a': MESSAGE_TOO_LARGE (because)");
    assert_eq!(error.kafka_code(), Some(ErrorCode::MessageTooLarge));
    assert!(!error.is_retriable() && !error.may_have_happened());
}

#[test]
fn a_timeout_tells_the_failure_before_it_and_whether_that_may_have_happened() {
    let last = Arc::new(kafka(ErrorCode::RequestTimedOut));
    let error = ClientError::Timeout {
        what: "delivery".into(),
        allowed: Duration::from_millis(30),
        sent: false,
        last: Some(last),
    };
    let text = "delivery took longer than 30 ms; the last failure before: \
                partition 0 of 'a': REQUEST_TIMED_OUT (because)";
    assert_eq!(error.to_string(), text);
    assert!(error.may_have_happened() && error.is_retriable());
    assert_eq!(error.kafka_code(), Some(ErrorCode::RequestTimedOut));
}

#[test]
fn a_wrong_kind_of_peer_is_not_worth_a_retry_but_a_closed_port_is() {
    let attempt = |reason| Attempt { address: "h:1".into(), reason };
    let tls = Broken::OtherProtocol { what: "TLS", first: [0x15, 3, 1, 0], hint: "use a plain listener" };
    assert!(!ClientError::Unreachable(attempt(tls.clone())).is_retriable());
    let refused = attempt(Broken::Connect("connection refused".into()));
    assert!(ClientError::Unreachable(refused.clone()).is_retriable());
    let all = ClientError::Bootstrap { tried: Arc::from([attempt(tls), refused]) };
    assert!(!all.is_retriable());
    let text = all.to_string();
    assert!(text.contains("h:1: the peer speaks TLS"), "{text}");
    assert!(text.contains("; h:1: connecting failed: connection refused; check bootstrap.servers"), "{text}");
}
