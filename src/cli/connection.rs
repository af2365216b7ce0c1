//! Finds the cluster that a command is about, connects to it, and says what is wrong if that fails.

use std::time::Duration;

use callboard_client::consumer::ConsumerOptions;
use callboard_client::model::ErrorCode;
use callboard_client::{Admin, Broken, ClientError, ClusterOptions, OptionError, ProducerOptions};

use crate::arguments::Link;
use crate::contexts::Contexts;
use crate::fault::{Exit, Fault};

/// Where brokers are if nobody says.
const DEFAULT_BROKERS: &str = "localhost:9092";
/// Where a node's admin port is if nobody says.
const DEFAULT_ADMIN: &str = "http://localhost:10092";

/// Who said where the cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag,
    Variable,
    Context(String),
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag => f.write_str("from the command line"),
            Self::Variable => f.write_str("from the environment"),
            Self::Context(name) => write!(f, "from context '{name}'"),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Where a cluster is, and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) brokers: String,
    pub(crate) brokers_from: Origin,
    pub(crate) admin: String,
    pub(crate) admin_from: Origin,
    /// Settings of the client: those of the context, then those of the command line.
    pub(crate) context_options: Vec<(String, String)>,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) timeout: Duration,
    /// The clients that the command runs: -X may set what they understand, beside what concerns every connection.
    clients: &'static [Client],
}

/// A kind of client that has options of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Producer,
    Consumer,
}

impl Client {
    const ALL: [Self; 2] = [Self::Producer, Self::Consumer];

    fn name(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    fn has(self, key: &str) -> bool {
        match self {
            Self::Producer => ProducerOptions::names().any(|name| name == key),
            Self::Consumer => ConsumerOptions::names().any(|name| name == key),
        }
    }
}

impl Place {
    /// The flags, then the variables, then the context, then the defaults. A context that is named on the command line counts
    /// more than the variables.
    pub(crate) fn find(link: &Link, admin: Option<&str>) -> Result<Self, Fault> {
        let contexts = match (&link.brokers, &link.context) {
            // Nothing is needed of the file, so it may be broken.
            (Some(_), None) if admin.is_some() => None,
            _ => Some(Contexts::load()?),
        };
        Self::find_in(link, admin, contexts.as_ref(), |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn find_in(
        link: &Link,
        admin: Option<&str>,
        contexts: Option<&Contexts>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Fault> {
        let named = link.context.is_some();
        let name = link.context.as_deref().or_else(|| contexts.and_then(Contexts::current));
        let context = match (name, contexts) {
            (Some(name), Some(contexts)) => Some((name.to_owned(), contexts.get(name)?)),
            _ => None,
        };
        let pick = |flag: Option<&str>, variable: Option<String>, of_context: Option<String>, default: &str| {
            let of_context =
                of_context.zip(context.as_ref()).map(|(value, (name, _))| (value, Origin::Context(name.clone())));
            let variable = variable.map(|value| (value, Origin::Variable));
            let (first, second) = if named { (of_context, variable) } else { (variable, of_context) };
            let flag = flag.map(|value| (value.to_owned(), Origin::Flag));
            flag.or(first).or(second).unwrap_or_else(|| (default.to_owned(), Origin::Default))
        };
        let of_context = context.as_ref().map(|(_, context)| context);
        let (brokers, brokers_from) = pick(
            link.brokers.as_deref(),
            variable("CALLBOARD_BROKERS"),
            of_context.map(|context| context.brokers.clone()),
            DEFAULT_BROKERS,
        );
        let (admin, admin_from) = pick(
            admin,
            variable("CALLBOARD_ADMIN"),
            of_context.and_then(|context| context.admin.clone()),
            DEFAULT_ADMIN,
        );
        // A context's settings belong to its brokers.
        let from_context = matches!(brokers_from, Origin::Context(_));
        let context_options = of_context.filter(|_| from_context).map(|context| context.options.clone());
        Ok(Self {
            brokers,
            brokers_from,
            admin,
            admin_from,
            context_options: context_options.unwrap_or_default(),
            options: link.options.clone(),
            timeout: link.timeout.0,
            clients: &[],
        })
    }

    /// The same for a command that runs these clients.
    pub(crate) fn running(mut self, clients: &'static [Client]) -> Self {
        self.clients = clients;
        self
    }

    /// How to reach the cluster, without the settings of the context and of the command line.
    pub(crate) fn plain_options(&self) -> ClusterOptions {
        let mut options = ClusterOptions::new(&self.brokers);
        options.client_id = "callboard-cli".to_owned();
        options.default_api_timeout = self.timeout;
        options.request_timeout = self.timeout;
        options.socket_connection_setup_timeout = options.socket_connection_setup_timeout.min(self.timeout);
        options.allow_auto_create_topics = false;
        options
    }

    /// Settings for a handle on the cluster.
    pub(crate) fn cluster_options(&self) -> Result<ClusterOptions, Fault> {
        let mut options = self.plain_options();
        self.apply(|key, value| options.set(key, value))?;
        Ok(options)
    }

    /// Applies the settings of the context and of the command line. A context may hold settings that another kind of client
    /// understands.
    pub(crate) fn apply(&self, mut set: impl FnMut(&str, &str) -> Result<(), OptionError>) -> Result<(), Fault> {
        for (key, value) in &self.context_options {
            match set(key, value) {
                Ok(()) | Err(OptionError::Unknown { .. }) => {}
                Err(error) => return Err(Fault::new(Exit::BadConfig, format!("{error}, in {}", self.brokers_from))),
            }
        }
        for (key, value) in &self.options {
            match set(key, value) {
                // One command line is for all of a command's clients.
                Err(OptionError::Unknown { .. }) if self.clients.iter().any(|client| client.has(key)) => {}
                Err(error @ OptionError::Unknown { .. }) => return Err(self.misplaced(key, &error)),
                set => set.map_err(|error| option_fault(&error))?,
            }
        }
        Ok(())
    }

    /// No client of the command understands it; perhaps another one does.
    fn misplaced(&self, key: &str, error: &OptionError) -> Fault {
        let Some(owner) = Client::ALL.into_iter().find(|client| client.has(key)) else { return option_fault(error) };
        let fault = Fault::usage(format!("-X: {key} is an option of the {}", owner.name()));
        fault.hint(match self.clients {
            [] => "this command takes those of the connection, such as client.id".to_owned(),
            clients => {
                let own: Vec<_> = clients.iter().map(|client| format!("those of the {}", client.name())).collect();
                format!("this command takes {} and of the connection", own.join(", "))
            }
        })
    }

    /// Connects.
    pub(crate) async fn admin(&self) -> Result<Admin, Fault> {
        let options = self.cluster_options()?;
        Admin::connect(options).await.map_err(|error| self.fault(&error))
    }

    /// A failure of the client, for a person.
    pub(crate) fn fault(&self, error: &ClientError) -> Fault {
        match error {
            ClientError::Bootstrap { tried } => {
                let why: Vec<String> = tried.iter().map(ToString::to_string).collect();
                let from = &self.brokers_from;
                Fault::new(Exit::Unreachable, format!("no broker could be reached at {} ({from})", self.brokers))
                    .because(why.join("\n"))
                    .hint(self.hint_for(tried.first().map(|attempt| &attempt.reason)))
            }
            ClientError::Unreachable(attempt) => Fault::new(
                Exit::Unreachable,
                format!("the cluster names the broker {}, which could not be reached", attempt.address),
            )
            .because(attempt.reason.to_string())
            .hint("callboard doctor dials every advertised address and explains the mismatch"),
            ClientError::Timeout { what, allowed, last, .. } => {
                let message = format!("{what} took longer than {}", crate::moment::show_duration(*allowed));
                let fault = Fault::new(Exit::Unreachable, message);
                let fault = match error.kafka_code() {
                    Some(code) => fault.kafka(code.name()),
                    None => fault,
                };
                let fault = match last {
                    Some(last) => fault.because(last.to_string()),
                    None => fault,
                };
                fault.hint("--timeout gives it longer; callboard doctor looks for what is wrong")
            }
            ClientError::Disconnected { .. } => Fault::new(Exit::Unreachable, error.to_string())
                .hint("try again; callboard doctor looks for what is wrong"),
            ClientError::Option(error) => option_fault(error),
            ClientError::NoPartition { .. } => Fault::not_found(error.to_string()),
            ClientError::Kafka { code, about, message } => {
                let said = message.as_ref().map(|message| message.to_string());
                let fault =
                    Fault::new(exit_of(*code), format!("{about}: {}", said.as_deref().unwrap_or(explained(*code))));
                let fault = fault.kafka(code.name());
                match hint_of(*code) {
                    Some(hint) => fault.hint(hint),
                    None => fault,
                }
            }
            _ => Fault::failed(error.to_string()),
        }
    }

    fn hint_for(&self, reason: Option<&Broken>) -> String {
        match reason {
            Some(Broken::OtherProtocol { hint, .. }) => (*hint).to_owned(),
            _ if self.brokers_from == Origin::Default => {
                "callboard dev starts a node here; --brokers, CALLBOARD_BROKERS or a context name another cluster"
                    .to_owned()
            }
            _ => "is the broker running, and are host and port right? callboard doctor finds out more".to_owned(),
        }
    }
}

/// Stands for an option error on the command line.
pub(crate) fn option_fault(error: &OptionError) -> Fault {
    match error {
        OptionError::Unknown { name, nearest } => {
            let fault = Fault::usage(format!("-X: there is no option '{name}'"));
            match nearest {
                Some(nearest) => fault.hint(format!("did you mean '{nearest}'?")),
                None => fault.hint("options have the names of Kafka's and librdkafka's clients, such as linger.ms"),
            }
        }
        other => Fault::usage(format!("-X: {other}")),
    }
}

fn exit_of(code: ErrorCode) -> Exit {
    use ErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopicId | Code::GroupIdNotFound | Code::ResourceNotFound => {
            Exit::NotFound
        }
        Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::SaslAuthenticationFailed => Exit::Unauthorised,
        Code::RequestTimedOut | Code::CoordinatorNotAvailable | Code::LeaderNotAvailable => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// What a code means where the broker says nothing.
fn explained(code: ErrorCode) -> &'static str {
    use ErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopicId => "does not exist",
        Code::GroupIdNotFound => "does not exist",
        Code::TopicAlreadyExists => "exists already",
        Code::NonEmptyGroup | Code::UnknownMemberId => "the group has members",
        Code::GroupSubscribedToTopic => "members of the group read this topic",
        Code::OffsetOutOfRange => "the log has no such offset",
        Code::InvalidPartitions => "so many partitions are not allowed",
        Code::InvalidTopicException => "is no legal topic name",
        Code::CoordinatorLoadInProgress => "the coordinator is still loading",
        Code::PolicyViolation => "a policy of the cluster does not allow it",
        other => other.name(),
    }
}

fn hint_of(code: ErrorCode) -> Option<&'static str> {
    use ErrorCode as Code;
    match code {
        Code::NonEmptyGroup | Code::UnknownMemberId | Code::RebalanceInProgress => {
            Some("stop its consumers, wait until they have left (callboard group describe shows them), then try again")
        }
        Code::GroupSubscribedToTopic => Some("stop the consumers that read it, then try again"),
        Code::TopicAlreadyExists => {
            Some("--if-not-exists takes that as done; callboard topic alter changes its configs")
        }
        Code::InvalidTopicException => Some("1 to 249 letters, digits, '.', '_' and '-' of ASCII are legal"),
        Code::InvalidReplicationFactor => Some("callboard cluster nodes shows how many nodes there are"),
        _ => None,
    }
}

/// A name that is not there, with the nearest one that is.
pub(crate) fn unknown_name(what: &str, name: &str, known: &[String], list: &str) -> Fault {
    let fault = Fault::not_found(format!("{what} '{name}' does not exist"));
    match crate::nearest::nearest(name, known.iter().map(String::as_str)) {
        Some(near) => fault.hint(format!("did you mean '{near}'? {list} shows all")),
        None if known.is_empty() => fault.hint(format!("there is no {what} yet")),
        None => fault.hint(format!("{list} shows all {}", known.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(brokers: Option<&str>, context: Option<&str>) -> Link {
        Link { brokers: brokers.map(str::to_owned), context: context.map(str::to_owned), ..Link::default() }
    }

    fn contexts() -> Contexts {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.toml");
        let text = "current = \"dev\"\n[contexts.dev]\nbrokers = \"dev:1\"\nadmin = \"http://dev:2\"\n\
                    [contexts.dev.options]\n\"client.id\" = \"me\"\n[contexts.other]\nbrokers = \"other:1\"\n";
        std::fs::write(&path, text).unwrap();
        Contexts::load_at(path).unwrap()
    }

    fn found(link: &Link, variable: Option<&str>) -> Place {
        let variable = variable.map(str::to_owned);
        let read = |name: &str| variable.clone().filter(|_| name == "CALLBOARD_BROKERS");
        Place::find_in(link, None, Some(&contexts()), read).unwrap()
    }

    #[test]
    fn the_flag_then_a_named_context_then_the_variable_then_the_current_context_say_where_the_cluster_is() {
        let place = found(&link(Some("flag:1"), None), Some("variable:1"));
        assert_eq!((place.brokers.as_str(), place.brokers_from), ("flag:1", Origin::Flag));
        assert!(place.context_options.is_empty(), "settings of a context are for its own cluster");
        let place = found(&link(None, Some("other")), Some("variable:1"));
        assert_eq!((place.brokers.as_str(), place.admin.as_str()), ("other:1", DEFAULT_ADMIN));
        assert_eq!(found(&link(None, None), Some("variable:1")).brokers, "variable:1");
        let place = found(&link(None, None), None);
        assert_eq!((place.brokers.as_str(), place.admin.as_str()), ("dev:1", "http://dev:2"));
        assert_eq!(place.cluster_options().unwrap().client_id, "me");
        let place = Place::find_in(&link(None, None), None, None, |_| None).unwrap();
        assert_eq!((place.brokers.as_str(), place.brokers_from), (DEFAULT_BROKERS, Origin::Default));
    }

    #[test]
    fn a_wrong_option_names_the_nearest() {
        let mut link = link(Some("a:1"), None);
        link.options.push(("client.idd".to_owned(), "x".to_owned()));
        let fault = found(&link, None).cluster_options().unwrap_err();
        assert_eq!((fault.exit, fault.hint.as_deref()), (Exit::Usage, Some("did you mean 'client.id'?")));
    }

    #[test]
    fn an_option_of_another_client_is_told_as_such() {
        let mut link = link(Some("a:1"), None);
        link.options.push(("linger.ms".to_owned(), "5".to_owned()));
        let told = |place: Place| {
            let fault = place.cluster_options().unwrap_err();
            (fault.exit, fault.message, fault.hint.unwrap_or_default())
        };
        let (exit, message, hint) = told(found(&link, None));
        assert_eq!((exit, message.as_str()), (Exit::Usage, "-X: linger.ms is an option of the producer"));
        assert_eq!(hint, "this command takes those of the connection, such as client.id");
        let (_, _, hint) = told(found(&link, None).running(&[Client::Consumer]));
        assert_eq!(hint, "this command takes those of the consumer and of the connection");
        assert!(found(&link, None).running(&[Client::Consumer, Client::Producer]).cluster_options().is_ok());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest_or_the_way_to_all() {
        let known = ["orders".to_owned()];
        let fault = unknown_name("topic", "ordres", &known, "callboard topic list");
        assert_eq!(fault.hint.as_deref(), Some("did you mean 'orders'? callboard topic list shows all"));
        assert_eq!(unknown_name("topic", "x", &[], "").hint.as_deref(), Some("there is no topic yet"));
    }
}
