use super::*;

fn set(name: &str, value: &str) -> Result<ClusterOptions, OptionError> {
    let mut options = ClusterOptions::default();
    options.set(name, value).map(|()| options)
}

#[test]
fn kafka_s_names_and_librdkafka_s_set_the_same_option() {
    for name in ["bootstrap.servers", "metadata.broker.list"] {
        let options = set(name, "a:1, b,[::1]:3").expect("legal");
        assert_eq!(options.bootstrap_servers, ["a:1", "b", "[::1]:3"]);
    }
    for name in ["request.timeout.ms", "socket.timeout.ms"] {
        assert_eq!(set(name, "250").expect("legal").request_timeout, Duration::from_millis(250));
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    for (wrong, right) in [
        ("boostrap.servers", "bootstrap.servers"),
        ("request_timeout_ms", "request.timeout.ms"),
        ("retry.backof.ms", "retry.backoff.ms"),
    ] {
        let error = set(wrong, "1").expect_err("no such option");
        assert_eq!(error.to_string(), format!("there is no option '{wrong}'; is '{right}' meant?"));
    }
    assert_eq!(set("xyzzy", "1").expect_err("no such option").to_string(), "there is no option 'xyzzy'");
}

#[test]
fn a_wrong_value_is_answered_with_what_is_expected() {
    let error = set("request.timeout.ms", "soon").expect_err("no number");
    let text = "option request.timeout.ms cannot be 'soon': a number of milliseconds, 0 or more, is expected";
    assert_eq!(error.to_string(), text);
    for wrong in ["-1", "1e3", ""] {
        assert!(set("request.timeout.ms", wrong).is_err(), "{wrong}");
    }
    assert!(set("bootstrap.servers", " , ").is_err());
    assert!(set("allow.auto.create.topics", "maybe").is_err());
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused_by_name() {
    assert!(set("security.protocol", "PLAINTEXT").is_ok());
    let error = set("security.protocol", "SASL_SSL").expect_err("not spoken");
    assert!(error.to_string().contains("only PLAINTEXT"), "{error}");
}
