//! Orders to actors over the admin port: restart, kill. Refused unless the node allows them.

use callboard_runtime::{ActorInfo, Path, System};
use hyper::header::{HOST, HeaderMap, ORIGIN};
use serde_json::json;

use super::refusal::Refusal;

/// What an operator may do to an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Built anew in an orderly way; not counted as a failure.
    Restart,
    /// Ended as by a failure, which its supervisor then deals with.
    Kill,
}

impl Order {
    /// Splits `PATH/restart` and `PATH/kill`.
    pub(super) fn parse(target: &str) -> Option<(&str, Self)> {
        let (path, verb) = target.rsplit_once('/')?;
        match verb {
            "restart" => Some((path, Self::Restart)),
            "kill" => Some((path, Self::Kill)),
            _ => None,
        }
    }

    /// Gives the order; what the actor was at that moment.
    pub(super) fn give(self, system: &System, path: &str) -> Result<String, Refusal> {
        let actor = find(system, path)?;
        if actor.path.parent().is_none() {
            return Err(Refusal::Root);
        }
        let given = match self {
            Self::Restart => system.restart(&actor.path),
            Self::Kill => system.kill(&actor.path),
        };
        if !given {
            return Err(Refusal::unknown(path));
        }
        tracing::info!(actor = %actor.path, order = ?self, "an operator gives an order");
        Ok(json!({ "path": actor.path, "incarnation": actor.incarnation, "restarts": actor.restarts }).to_string())
    }
}

/// The actor at a path.
pub(super) fn find(system: &System, path: &str) -> Result<ActorInfo, Refusal> {
    let parsed = Path::parse(path).map_err(|error| Refusal::Path(error.to_string()))?;
    system.info(&parsed).ok_or_else(|| Refusal::unknown(path))
}

/// Whether orders may come from here. A page in somebody's browser may not give them: browsers tell where a page is from, and
/// only one that this very port served, under an address that no foreign name can stand for, is trusted.
pub(super) fn may_order(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let text =
        |value: Option<&hyper::header::HeaderValue>| value.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let host = text(headers.get(HOST)).unwrap_or_default();
    let from = text(Some(origin)).unwrap_or_default();
    let is_same = from.strip_prefix("http://").is_some_and(|from| !host.is_empty() && from == host);
    if is_same && is_own_address(&host) { Ok(()) } else { Err(Refusal::Origin(from)) }
}

fn is_own_address(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn an_order_is_the_last_part_of_the_path() {
        assert_eq!(Order::parse("node/broker/applier/restart"), Some(("node/broker/applier", Order::Restart)));
        assert_eq!(Order::parse("node/kill/kill"), Some(("node/kill", Order::Kill)));
        assert_eq!(Order::parse("node/broker"), None);
        assert_eq!(Order::parse("kill"), None);
    }

    #[test]
    fn pages_from_elsewhere_give_no_orders() {
        let headers = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, HeaderValue::from_static(origin));
            }
            may_order(&headers).is_ok()
        };
        assert!(headers(None, "node-1.example:10092"), "no browser");
        for own in ["localhost:10092", "127.0.0.1:10092", "[::1]:10092", "10.0.0.7"] {
            let origin: &'static str = Box::leak(format!("http://{own}").into_boxed_str());
            assert!(headers(Some(origin), own), "{own}");
        }
        assert!(!headers(Some("http://evil.example"), "localhost:10092"), "another site");
        assert!(!headers(Some("http://evil.example"), "evil.example"), "a name that was bent to this address");
        assert!(!headers(Some("null"), "localhost:10092"), "a page without an origin");
        assert!(!headers(Some("http://"), ""), "nothing equals nothing");
    }
}
