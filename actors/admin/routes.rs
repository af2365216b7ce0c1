//! What each admin path answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use callboard_controller::StaticConfig;
use callboard_model::BrokerId;
use callboard_runtime::{Path, System};
use callboard_telemetry::Metrics;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, Response, StatusCode};

use super::figures::snapshot;
use super::tree::tree;
use crate::broker::PublishedReceiver;

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
    /// This node.
    pub me: BrokerId,
    /// The path of the coordinators' pool.
    pub coordinators: Path,
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const INDEX: &str = "callboard\n\n/livez          whether the process answers\n/readyz         whether clients are served\n\
/metrics        counters, as Prometheus text\n/api/v1/actors  the live actor tree, as JSON\n";

pub(super) async fn answer(request: &Request<Incoming>, context: &AdminContext) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here\n");
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, INDEX),
        "/livez" => text(StatusCode::OK, "ok\n"),
        "/readyz" if context.ready.load(Ordering::Acquire) => text(StatusCode::OK, "ok\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "starting or stopping\n"),
        "/metrics" => {
            let snapshot = snapshot(context).await;
            respond(StatusCode::OK, PROMETHEUS, context.metrics.render(&snapshot))
        }
        "/api/v1/actors" => match context.system.get() {
            Some(system) => match tree(system, &context.coordinators).await {
                Ok(tree) => respond(StatusCode::OK, JSON, tree),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            },
            None => text(StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        },
        _ => text(StatusCode::NOT_FOUND, &format!("nothing is served here\n\n{INDEX}")),
    }
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
