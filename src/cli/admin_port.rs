//! A node's admin port: plain HTTP, JSON both ways.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::header::{ACCEPT, DATE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connection::{Origin, Place};
use crate::fault::{Exit, Fault};

/// The largest answer that is read, in bytes: a tree of a hundred thousand actors.
const ANSWER_MAX: usize = 128 * 1024 * 1024;

/// A node's admin port.
#[derive(Debug, Clone)]
pub(crate) struct AdminPort {
    url: String,
    host: String,
    port: u16,
    from: Origin,
    timeout: Duration,
}

/// An answer of the admin port.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// The node's clock, as its `Date` header has it.
    pub(crate) date: Option<String>,
    pub(crate) body: Bytes,
}

/// One actor, as the node shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ActorInfo {
    pub(crate) path: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) incarnation: u64,
    pub(crate) restarts: u64,
    pub(crate) mailbox_messages: u64,
    pub(crate) mailbox_bytes: u64,
    pub(crate) limit_messages: u64,
    pub(crate) limit_bytes: u64,
    pub(crate) oldest_message_age_ms: Option<u64>,
    pub(crate) handled: u64,
    pub(crate) refused: u64,
    pub(crate) dead_letters: u64,
    #[serde(default)]
    pub(crate) last_failure: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) current: Option<serde_json::Value>,
    pub(crate) arbiter: u64,
    #[serde(default)]
    pub(crate) strategy: Option<String>,
    #[serde(default)]
    pub(crate) shows: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(default)]
    pub(crate) parts: Option<Vec<ActorPart>>,
}

/// A part of an actor that is none itself, a group of a coordinator for example.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct ActorPart {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) shows: serde_json::Map<String, serde_json::Value>,
}

/// One setting of the node.
#[derive(Debug, Deserialize)]
struct Setting {
    key: String,
    value: String,
}

/// What the port says when it refuses.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Refusal {
    code: String,
    message: String,
    hint: Option<String>,
}

impl AdminPort {
    pub(crate) fn new(place: &Place) -> Result<Self, Fault> {
        let (host, port) = address(&place.admin)?;
        let timeout = place.timeout;
        Ok(Self { url: place.admin.clone(), host, port, from: place.admin_from.clone(), timeout })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All actors, by path.
    pub(crate) async fn actors(&self) -> Result<Vec<ActorInfo>, Fault> {
        let mut actors: Vec<ActorInfo> = self.json(Method::GET, "/api/v1/actors").await?;
        actors.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        Ok(actors)
    }

    /// One actor with what it shows of itself.
    pub(crate) async fn actor(&self, path: &str) -> Result<ActorInfo, Fault> {
        self.json(Method::GET, &format!("/api/v1/actors/{}", escaped(path))).await
    }

    /// Has an actor restarted or made to fail; `what` is `restart` or `kill`.
    pub(crate) async fn touch(&self, path: &str, what: &str) -> Result<(), Fault> {
        let answered = self.ask(Method::POST, &format!("/api/v1/actors/{}/{what}", escaped(path))).await?;
        self.checked(answered).map(drop)
    }

    /// Messages that found nobody to take them, as the node tells of them.
    pub(crate) async fn dead_letters(&self) -> Result<serde_json::Value, Fault> {
        self.json(Method::GET, "/api/v1/dead-letters").await
    }

    /// What the node was started with: each key, and its value as TOML.
    pub(crate) async fn settings(&self) -> Result<Vec<(String, String)>, Fault> {
        let settings: Vec<Setting> = self.json(Method::GET, "/api/v1/settings").await?;
        Ok(settings.into_iter().map(|setting| (setting.key, setting.value)).collect())
    }

    async fn json<T: for<'a> Deserialize<'a>>(&self, method: Method, path: &str) -> Result<T, Fault> {
        let answered = self.checked(self.ask(method, path).await?)?;
        serde_json::from_slice(&answered.body).map_err(|error| {
            Fault::failed(format!("the answer of {}{path} cannot be read", self.url))
                .because(error.to_string())
                .hint("is that the admin port of a Callboard node of this version?")
        })
    }

    /// Whatever status it has.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Result<Answered, Fault> {
        match timeout(self.timeout, self.exchange(method, path)).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(why)) => Err(self.unreachable(why)),
            Err(_) => Err(self.unreachable(format!("no answer within {}", crate::moment::show_duration(self.timeout)))),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<Answered, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let driving = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, format!("{}:{}", self.host, self.port))
            .header(ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(|error| format!("it does not speak HTTP: {error}"))?;
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await.map_err(|error| error.to_string())?;
        driving.abort();
        Ok(Answered { status, date, body: body.to_bytes() })
    }

    fn unreachable(&self, why: String) -> Fault {
        Fault::new(Exit::Unreachable, format!("the admin port {} ({}) could not be asked", self.url, self.from))
            .because(why)
            .hint("is the node running? --admin, CALLBOARD_ADMIN or a context say where its admin port is")
    }

    fn checked(&self, answered: Answered) -> Result<Answered, Fault> {
        if answered.status.is_success() {
            return Ok(answered);
        }
        let refusal: Refusal = serde_json::from_slice(&answered.body).unwrap_or_default();
        let message = if refusal.message.is_empty() {
            format!("{} answered {}", self.url, answered.status)
        } else {
            refusal.message
        };
        let exit = match answered.status {
            StatusCode::NOT_FOUND => Exit::NotFound,
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Exit::Unauthorised,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Exit::Unreachable,
            _ => Exit::Failed,
        };
        let fault = Fault::new(exit, message);
        Err(match refusal.hint {
            Some(hint) => fault.hint(hint),
            None if refusal.code.is_empty() && exit == Exit::NotFound => {
                fault.hint("is that the admin port of a Callboard node of this version?")
            }
            None => fault,
        })
    }
}

/// Host and port of `http://host:port`, or of `host:port` alone.
fn address(url: &str) -> Result<(String, u16), Fault> {
    let wrong = |why: &str| {
        Fault::usage(format!("'{url}' is no address of an admin port")).because(why).hint("write http://HOST:PORT")
    };
    let rest = match url.split_once("://") {
        Some(("http", rest)) => rest,
        Some((scheme, _)) => return Err(wrong(&format!("only http is spoken, not {scheme}"))),
        None => url,
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(']') || port.chars().all(|c| c.is_ascii_digit()) => {
            (host, port.parse().map_err(|_| wrong("the port is a number from 1 to 65535"))?)
        }
        _ => (rest, 80),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') { Err(wrong("the host is missing")) } else { Ok((host.to_owned(), port)) }
}

/// A path of actors as a part of a URL; its `/` stay.
fn escaped(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_scheme() {
        let read = |url| address(url).ok();
        assert_eq!(read("http://localhost:10092"), Some(("localhost".to_owned(), 10092)));
        assert_eq!(read("http://localhost:10092/"), Some(("localhost".to_owned(), 10092)));
        assert_eq!(read("[::1]:1"), Some(("::1".to_owned(), 1)));
        assert_eq!(read("localhost"), Some(("localhost".to_owned(), 80)));
        for wrong in ["https://a:1", "http://a:x", "http://:1", "http://a/b:1"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn odd_letters_of_a_path_are_escaped() {
        assert_eq!(escaped("node/partitions/a-0"), "node/partitions/a-0");
        assert_eq!(escaped("a b?c"), "a%20b%3Fc");
    }
}
