//! What must hold between settings, beyond what each key's own form and bounds say.

use crate::{Origin, Problem, Settings, key};

impl Settings {
    /// Checks what no single key can: values that must agree with each other. All disagreements are told.
    pub fn validate(&self, origin: &dyn Fn(&str) -> Origin) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut must_agree = |holds: bool, one: &'static str, other: &'static str, rule: &'static str| {
            if holds {
                return;
            }
            let value = |name| key(name).map_or_else(String::new, |key| (key.show)(self));
            problems.push(Problem::Contradiction {
                key: one,
                value: value(one),
                origin: origin(one),
                other_key: other,
                other_value: value(other),
                other_origin: origin(other),
                rule,
            });
        };
        let kafka = &self.kafka;
        must_agree(
            kafka.socket_request_max_bytes <= kafka.in_flight_max_bytes,
            "kafka.socket_request_max_bytes",
            "kafka.in_flight_max_bytes",
            "the largest request must fit into what may be in flight",
        );
        must_agree(
            kafka.connection_in_flight_max_bytes <= kafka.in_flight_max_bytes,
            "kafka.connection_in_flight_max_bytes",
            "kafka.in_flight_max_bytes",
            "one connection cannot have more in flight than all of them",
        );
        must_agree(
            self.groups.min_session_timeout <= self.groups.max_session_timeout,
            "groups.min_session_timeout",
            "groups.max_session_timeout",
            "no session timeout would be legal",
        );
        must_agree(
            kafka.listen.port() == 0 || kafka.listen != self.admin.listen,
            "kafka.listen",
            "admin.listen",
            "the two need addresses of their own",
        );
        if let Some(advertised) = &kafka.advertised_listeners
            && (advertised.is_wildcard() || advertised.port() == 0)
        {
            let key = "kafka.advertised_listeners";
            problems.push(Problem::NotReachable { key, value: advertised.to_string(), origin: origin(key) });
        }
        problems
    }
}
