//! Why the admin port does not do what it is asked, in a form that programs and people read.

use hyper::StatusCode;
use serde_json::json;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no actor has the path {0:?}")]
    Unknown(String),
    #[error("{0}")]
    Path(String),
    #[error("the root is the node itself")]
    Root,
    #[error("this node takes no orders to actors")]
    NotAllowed,
    #[error("a page from {0:?} may not give orders to actors")]
    Origin(String),
    #[error("{0} is not served here")]
    Nothing(String),
    #[error("{0} is not answered here")]
    Method(String),
    #[error("the query says {0:?}")]
    Query(String),
    #[error("the node is starting")]
    Starting,
    #[error("{0}")]
    Failed(String),
}

impl Refusal {
    /// Nothing lives at this path.
    pub(super) fn unknown(path: &str) -> Self {
        Self::Unknown(path.to_owned())
    }

    /// The status of the answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Unknown(_) | Self::Nothing(_) => StatusCode::NOT_FOUND,
            Self::Path(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Root => StatusCode::CONFLICT,
            Self::NotAllowed | Self::Origin(_) => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Starting => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "unknown_actor",
            Self::Path(_) => "illegal_path",
            Self::Root => "root",
            Self::NotAllowed => "control_not_allowed",
            Self::Origin(_) => "foreign_origin",
            Self::Nothing(_) => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::Query(_) => "illegal_query",
            Self::Starting => "starting",
            Self::Failed(_) => "failed",
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::Unknown(_) | Self::Path(_) => "GET /api/v1/actors lists all of them",
            Self::Root => "stop the process to stop the node",
            Self::NotAllowed => "set admin.allow_control = true, or use `callboard dev`, where it is the default",
            Self::Origin(_) => "open this port by its address, or use the command line",
            Self::Nothing(_) => "GET / lists what is served",
            Self::Method(_) => "GET reads, POST gives orders to actors",
            Self::Query(_) => "limit=N with a whole number is understood",
            Self::Starting => "try again in a moment",
            Self::Failed(_) => "the log says more",
        }
    }

    /// The body of the answer.
    pub(super) fn body(&self) -> String {
        json!({ "code": self.code(), "message": self.to_string(), "hint": self.hint() }).to_string()
    }
}
