//! What each admin path answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use callboard_controller::StaticConfig;
use callboard_model::BrokerId;
use callboard_runtime::{Event, Path, System};
use callboard_telemetry::Metrics;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};

use serde_json::json;

use super::control::{Order, find, may_order};
use super::figures::snapshot;
use super::history::History;
use super::refusal::Refusal;
use super::tree::{one, tree};
use crate::broker::PublishedReceiver;
use crate::clock::Clock;

/// What the answers are made of.
pub(crate) struct AdminContext {
    /// The tree; known once the node has started.
    pub system: OnceLock<System>,
    /// Whether the node serves clients.
    pub ready: Arc<AtomicBool>,
    /// Counters.
    pub metrics: Metrics,
    /// The metadata, and who leads here.
    pub published: PublishedReceiver,
    /// The topics' defaults.
    pub settings: StaticConfig,
    /// What the node was started with: each key, and its value as TOML.
    pub started_with: Vec<(&'static str, String)>,
    /// This node.
    pub me: BrokerId,
    /// The path of the coordinators' pool.
    pub coordinators: Path,
    /// Whether orders to actors are taken.
    pub allow_control: bool,
    /// The last changes in the tree.
    pub history: History,
    /// Tells when they happened.
    pub clock: Clock,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const INDEX: &str = "callboard\n
GET  /livez                       whether the process answers
GET  /readyz                      whether clients are served
GET  /metrics                     counters, as Prometheus text
GET  /api/v1/actors               the live actor tree, as JSON
GET  /api/v1/actors/PATH          one actor, with what it shows of itself
POST /api/v1/actors/PATH/restart  builds it anew, in an orderly way
POST /api/v1/actors/PATH/kill     ends it as by a failure
GET  /api/v1/events?limit=N       the last changes in the tree
GET  /api/v1/dead-letters?limit=N messages that nobody handled: how many, and the last ones
GET  /api/v1/settings             what the node was started with, as JSON: each key with its value as TOML
";
/// Below this path lie the actors.
const ACTORS: &str = "/api/v1/actors/";
/// Events told when nothing is said of it.
const EVENTS: usize = 100;

pub(super) async fn answer(request: &Request<Incoming>, context: &AdminContext) -> Response<Full<Bytes>> {
    let answered = match *request.method() {
        Method::GET | Method::HEAD => read(request, context).await,
        Method::POST => order(request, context),
        ref other => Err(Refusal::Method(other.to_string())),
    };
    answered.unwrap_or_else(|refusal| respond(refusal.status(), JSON, refusal.body()))
}

async fn read(request: &Request<Incoming>, context: &AdminContext) -> Result<Response<Full<Bytes>>, Refusal> {
    let system = || context.system.get().ok_or(Refusal::Starting);
    Ok(match request.uri().path() {
        "/" => text(StatusCode::OK, INDEX),
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" if context.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n"),
        "/metrics" => {
            let snapshot = snapshot(context).await;
            respond(StatusCode::OK, PROMETHEUS, context.metrics.render(&snapshot))
        }
        "/api/v1/actors" => {
            let tree = tree(system()?, &context.coordinators).await;
            respond(StatusCode::OK, JSON, tree.map_err(|error| Refusal::Failed(error.to_string()))?)
        }
        "/api/v1/events" => {
            let events = context.history.newest(limit(request)?, |_| true);
            json(json!({ "events": events, "missed": context.history.missed() }))
        }
        "/api/v1/settings" => {
            let row = |(key, value): &(&'static str, String)| json!({ "key": key, "value": value });
            json(context.started_with.iter().map(row).collect())
        }
        "/api/v1/dead-letters" => {
            let is_letter = |event: &Event| matches!(event, Event::DeadLetter { .. });
            let (counted, recent) = (system()?.dead_letters(), context.history.newest(limit(request)?, is_letter));
            json(json!({ "total": counted.total(), "by_reason": counted, "recent": recent }))
        }
        path => match path.strip_prefix(ACTORS) {
            Some(actor) => {
                let actor = find(system()?, actor)?;
                let shown = one(system()?, &actor).await;
                respond(StatusCode::OK, JSON, shown.map_err(|error| Refusal::Failed(error.to_string()))?)
            }
            None => return Err(Refusal::Nothing(path.to_owned())),
        },
    })
}

fn order(request: &Request<Incoming>, context: &AdminContext) -> Result<Response<Full<Bytes>>, Refusal> {
    let path = request.uri().path();
    let target = path.strip_prefix(ACTORS).ok_or_else(|| Refusal::Method(format!("POST {path}")))?;
    let (actor, order) = Order::parse(target).ok_or_else(|| Refusal::Nothing(format!("POST {path}")))?;
    if !context.allow_control {
        return Err(Refusal::NotAllowed);
    }
    may_order(request.headers())?;
    let system = context.system.get().ok_or(Refusal::Starting)?;
    Ok(respond(StatusCode::ACCEPTED, JSON, order.give(system, actor)?))
}

/// `?limit=N`, the only query that there is.
fn limit(request: &Request<Incoming>) -> Result<usize, Refusal> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else { return Ok(EVENTS) };
    let number = query.strip_prefix("limit=").and_then(|number| number.parse().ok());
    number.ok_or_else(|| Refusal::Query(query.to_owned()))
}

fn json(value: serde_json::Value) -> Response<Full<Bytes>> {
    respond(StatusCode::OK, JSON, value.to_string())
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    respond(status, TEXT, body.to_owned())
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}
