//! `callboard doctor`: finds out why clients cannot work with the cluster, one line per check, with the remedy.

mod host;
mod show;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use callboard_client::{Admin, Broken, ClientError, Cluster, ClusterOptions};
use futures_util::future::join_all;

use crate::admin_port::AdminPort;
use crate::arguments::Doctor;
use crate::connection::Place;
use crate::fault::{Exit, Fault};
use crate::moment;
use crate::output::Mood;
use crate::run::Outcome;

/// How far clocks may be apart.
const SKEW_MAX: Duration = Duration::from_secs(2);

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// A short name for programs.
    pub(super) check: &'static str,
    pub(super) mood: Mood,
    pub(super) text: String,
    /// What to do.
    pub(super) remedy: Option<String>,
}

impl Finding {
    fn good(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, mood: Mood::Good, text: text.into(), remedy: None }
    }

    fn warn(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, mood: Mood::Degraded, text: text.into(), remedy: Some(remedy.into()) }
    }

    fn bad(check: &'static str, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, mood: Mood::Bad, text: text.into(), remedy: Some(remedy.into()) }
    }
}

pub(crate) async fn run(asked: Doctor) -> Result<Outcome, Fault> {
    let place = Place::find(&asked.link, asked.admin.admin.as_deref())?;
    let options = place.cluster_options()?;
    let mut findings = Vec::new();
    let connected = bootstrap(&place, &options, &mut findings).await;
    if let Some(cluster) = connected {
        advertised(&place, &cluster, &options, &mut findings).await;
        metadata(&place, &Admin::new(cluster), &mut findings).await;
    }
    admin_port(&place, &mut findings).await;
    findings.extend(host::limits());
    findings.extend(host::disk(asked.data.as_deref()));
    let wrong = findings.iter().any(|finding| finding.mood == Mood::Bad);
    let condition = wrong.then_some(Exit::ConditionNotMet);
    Ok(Outcome { condition, ..Outcome::answer(show::findings(&findings)) })
}

/// Asks each bootstrap address on its own; the first that answers is the cluster.
async fn bootstrap(place: &Place, options: &ClusterOptions, findings: &mut Vec<Finding>) -> Option<Cluster> {
    let asked = options.bootstrap_servers.iter().map(|address| async move {
        let mut one = options.clone();
        one.bootstrap_servers = vec![address.clone()];
        (address.clone(), Cluster::connect(one).await)
    });
    let mut first = None;
    let results = join_all(asked).await;
    let any = results.iter().any(|(_, result)| result.is_ok());
    for (address, result) in results {
        match result {
            Ok(cluster) => {
                findings.push(Finding::good(
                    "bootstrap",
                    format!("{address} speaks Kafka's protocol ({})", place.brokers_from),
                ));
                first.get_or_insert(cluster);
            }
            Err(error) => {
                let (why, remedy) = explain(&error, &address);
                let text = format!("{address} ({}): {why}", place.brokers_from);
                let finding = if any {
                    Finding::warn("bootstrap", text, remedy)
                } else {
                    Finding::bad("bootstrap", text, remedy)
                };
                findings.push(finding);
            }
        }
    }
    first
}

/// Why an address could not be used, and what to do about it.
fn explain(error: &ClientError, address: &str) -> (String, String) {
    let reason = match error {
        ClientError::Bootstrap { tried } => tried.first().map(|attempt| &attempt.reason),
        ClientError::Unreachable(attempt) => Some(&attempt.reason),
        _ => None,
    };
    let Some(reason) = reason else { return (error.to_string(), "try again; the node's log says more".to_owned()) };
    let remedy = match reason {
        Broken::Address(_) => "write HOST:PORT".to_owned(),
        Broken::Resolve(_) => format!("is the name in {address} right? this machine's resolver does not know it"),
        Broken::Connect(_) => {
            "is the node running, and does it listen there (kafka.listen)? callboard dev starts one".to_owned()
        }
        Broken::ConnectTimeout(_) => "a firewall drops the packets, or the host is down".to_owned(),
        Broken::Silent(_) => {
            "something accepts connections there but does not answer: another program, or a node that hangs".to_owned()
        }
        Broken::HungUp => "the listener wants TLS or SASL, or it is another program: use a plain listener".to_owned(),
        Broken::OtherProtocol { hint, .. } => (*hint).to_owned(),
        _ => "the node's log says more".to_owned(),
    };
    (reason.to_string(), remedy)
}

/// Dials every address that the cluster tells its clients.
async fn advertised(place: &Place, cluster: &Cluster, options: &ClusterOptions, findings: &mut Vec<Finding>) {
    let metadata = cluster.metadata();
    let asked = metadata.brokers().map(|broker| {
        let address = broker.address().to_string();
        let (id, host) = (broker.id.0, broker.host.to_string());
        let mut one = options.clone();
        one.bootstrap_servers = vec![address.clone()];
        async move { (id, host, address, Cluster::connect(one).await) }
    });
    for (id, host, address, result) in join_all(asked).await {
        let same = options.bootstrap_servers.contains(&address);
        match result {
            Ok(found) => {
                let there = found.metadata();
                if there.cluster_id() != metadata.cluster_id() {
                    let text = format!("broker {id} is advertised as {address}, but another cluster answers there");
                    findings.push(Finding::bad("advertised", text, mismatch(&host, place)));
                } else if is_loopback(&host)
                    && !options.bootstrap_servers.iter().any(|given| is_loopback(host_of(given)))
                {
                    let text = format!("broker {id} is advertised as {address}, which is each client's own machine");
                    findings.push(Finding::bad("advertised", text, mismatch(&host, place)));
                } else {
                    let note = if same { "as it was dialled" } else { "it answers" };
                    findings
                        .push(Finding::good("advertised", format!("broker {id} is advertised as {address}: {note}")));
                }
            }
            Err(error) => {
                let (why, _) = explain(&error, &address);
                let text = format!("broker {id} is advertised as {address}, which cannot be used from here: {why}");
                findings.push(Finding::bad("advertised", text, mismatch(&host, place)));
            }
        }
    }
}

/// What to set so that clients are told an address that works.
fn mismatch(host: &str, place: &Place) -> String {
    let reached = place.brokers.split(',').next().unwrap_or_default().trim();
    let what = if is_loopback(host) {
        "clients elsewhere are sent to themselves"
    } else if host.parse::<IpAddr>().is_err() && (host, 0).to_socket_addrs().is_err() {
        "this machine does not know that name"
    } else {
        "a port mapping, a proxy or a firewall lies between"
    };
    format!(
        "{what}: clients connect first to {reached}, then to what is advertised. Set kafka.advertised_listeners (Kafka: advertised.listeners) to an address that clients reach, such as {reached}"
    )
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether the cluster can serve: a controller, a leader for every partition.
async fn metadata(place: &Place, admin: &Admin, findings: &mut Vec<Finding>) {
    match admin.describe_cluster().await {
        Ok(cluster) => match cluster.controller {
            Some(id) => findings.push(Finding::good("controller", format!("broker {} is the controller", id.0))),
            None => findings.push(Finding::bad(
                "controller",
                "there is no controller: topics cannot be created or changed",
                "callboard cluster quorum shows which voters are missing; start them",
            )),
        },
        Err(error) => {
            findings.push(Finding::bad("controller", place.fault(&error).message, "the node's log says more"))
        }
    }
    match admin.list_topics().await {
        Ok(listed) => {
            let all = || listed.topics().flat_map(|topic| &topic.partitions);
            let (count, leaderless) = (all().count(), all().filter(|partition| partition.leader.is_none()).count());
            let behind = all().filter(|partition| partition.isr.len() < partition.replicas.len()).count();
            findings.push(if leaderless > 0 {
                Finding::bad(
                    "partitions",
                    format!("{leaderless} of {count} partitions have no leader"),
                    "callboard cluster status names them; start the nodes that have their replicas",
                )
            } else if behind > 0 {
                Finding::warn(
                    "partitions",
                    format!("{behind} of {count} partitions lack replicas in sync"),
                    "callboard cluster status names them; is a node down, or a disk full?",
                )
            } else {
                Finding::good("partitions", format!("all of the {count} partitions have leaders and replicas in sync"))
            });
        }
        Err(error) => {
            findings.push(Finding::bad("partitions", place.fault(&error).message, "the node's log says more"))
        }
    }
}

/// The node's own port: whether it is ready, and how its clock stands.
async fn admin_port(place: &Place, findings: &mut Vec<Finding>) {
    use crate::connection::Origin;
    let asked = async {
        let port = AdminPort::new(place)?;
        let before = super::topic::now_ms();
        let answered = port.ask(hyper::Method::GET, "/readyz").await?;
        Ok::<_, Fault>((port, before, super::topic::now_ms(), answered))
    };
    let (port, before, after, answered) = match asked.await {
        Ok(found) => found,
        Err(fault) if place.admin_from == Origin::Default => {
            // Kafka has none, and nobody has said where one is.
            let text = format!("no admin port at {}: readiness and clock are not checked", place.admin);
            let remedy = format!("for a Callboard node, --admin URL names it ({})", fault.why.unwrap_or_default());
            return findings.push(Finding::warn("ready", text, remedy));
        }
        Err(fault) => {
            let remedy = fault.hint.unwrap_or_else(|| "is the node running?".to_owned());
            let why = fault.why.map_or_else(String::new, |why| format!(": {why}"));
            return findings.push(Finding::bad("ready", format!("{}{why}", fault.message), remedy));
        }
    };
    if answered.status.is_success() {
        findings.push(Finding::good("ready", format!("the node at {} is ready", port.url())));
    } else {
        let said = String::from_utf8_lossy(&answered.body).trim().to_owned();
        let text = format!("the node at {} is not ready: {said}", port.url());
        findings.push(Finding::bad("ready", text, "wait until it has recovered; its log says how far it is"));
    }
    if let Some(theirs) = answered.date.as_deref().and_then(moment::parse_http_date) {
        findings.push(skew(theirs, before, after));
    }
}

/// How far the node's clock is from ours: its date has whole seconds, and was set at some moment of the exchange.
fn skew(theirs: i64, before: i64, after: i64) -> Finding {
    let least = theirs - after;
    let most = theirs + 999 - before;
    let apart = if least > 0 { least } else { (-most).max(0) };
    let span = Duration::from_millis(u64::try_from(apart).unwrap_or(0));
    if span > SKEW_MAX {
        let direction = if least > 0 { "ahead of" } else { "behind" };
        let text = format!("the node's clock is {} {direction} this machine's", moment::show_duration(span));
        Finding::warn(
            "clock",
            text,
            "let both machines follow the same time servers (chrony, systemd-timesyncd): retention and reading by time go by these clocks",
        )
    } else {
        Finding::good("clock", "the node's clock and this machine's agree")
    }
}
