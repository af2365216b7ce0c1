//! `callboard topic`.

mod change;
pub(super) mod show;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_client::{Admin, ClientError, ConfigEntry, ConfigResource, Metadata, OffsetSpec, Topic, TopicPartition};

use super::pattern::matches;
use crate::arguments::{Shown, TopicCommand, TopicDescribe, TopicList, TopicNoun, TopicOffsets};
use crate::connection::{Place, unknown_name};
use crate::fault::Fault;
use crate::output::Answer;
use crate::run::{Outcome, watch};

pub(crate) async fn run(noun: TopicNoun) -> Result<Outcome, Fault> {
    let place = Place::find(&noun.link, None)?;
    let shown = &noun.shown;
    match noun.command {
        TopicCommand::List(asked) => list(&place, shown, &asked).await,
        TopicCommand::Describe(asked) => describe(&place, shown, &asked).await,
        TopicCommand::Offsets(asked) => offsets(&place, shown, &asked).await,
        TopicCommand::Create(asked) => change::create(&place, &asked).await,
        TopicCommand::Alter(asked) => change::alter(&place, &asked).await,
        TopicCommand::Delete(asked) => change::delete(&place, &asked).await,
        TopicCommand::AddPartitions(asked) => change::add_partitions(&place, &asked).await,
        TopicCommand::Trim(asked) => change::trim(&place, &asked).await,
    }
}

async fn list(place: &Place, shown: &Shown, asked: &TopicList) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let (admin, asked) = (&admin, asked);
    let gather = || async move {
        let metadata = admin.list_topics().await.map_err(|error| place.fault(&error))?;
        let wanted = |topic: &&Arc<Topic>| {
            (asked.internal || !topic.internal || asked.pattern.as_deref() == Some(&*topic.name))
                && asked.pattern.as_ref().is_none_or(|pattern| matches(pattern, &topic.name))
        };
        let topics: Vec<Arc<Topic>> = metadata.topics().filter(wanted).cloned().collect();
        Ok(Outcome::answer(show::list(&topics)))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

/// A topic with what else is said of it.
pub(super) struct Described {
    pub(super) topic: Arc<Topic>,
    pub(super) configs: Vec<ConfigEntry>,
    /// First and next offset of each partition, where the leader says them.
    pub(super) offsets: BTreeMap<i32, (Option<i64>, Option<i64>)>,
}

async fn describe(place: &Place, shown: &Shown, asked: &TopicDescribe) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let (admin, asked) = (&admin, asked);
    let gather = || async move {
        let (topics, mut faults) = find_topics(place, admin, &asked.topics).await;
        let resources: Vec<_> = topics.iter().map(|topic| ConfigResource::Topic(topic.name.to_string())).collect();
        let mut configs: BTreeMap<String, Vec<ConfigEntry>> = BTreeMap::new();
        for (resource, outcome) in admin.describe_configs(&resources, None).await {
            match (resource, outcome) {
                (ConfigResource::Topic(name), Ok(entries)) => drop(configs.insert(name, entries)),
                (_, Err(error)) => faults.push(place.fault(&error)),
                _ => {}
            }
        }
        let (offsets, failed) = ends(admin, &topics).await;
        faults.extend(failed.iter().map(|error| place.fault(error)));
        let described = topics.into_iter().map(|topic| {
            let configs = configs.remove(&*topic.name).unwrap_or_default();
            let offsets = offsets.get(&*topic.name).cloned().unwrap_or_default();
            show::describe(&Described { topic, configs, offsets }, asked.configs)
        });
        Ok(Outcome::answer(Answer::Many(described.collect())).faults(faults))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

async fn offsets(place: &Place, shown: &Shown, asked: &TopicOffsets) -> Result<Outcome, Fault> {
    let admin = place.admin().await?;
    let (admin, asked) = (&admin, asked);
    let gather = || async move {
        let (topics, mut faults) = find_topics(place, admin, &asked.topics).await;
        let (offsets, failed) = ends(admin, &topics).await;
        faults.extend(failed.iter().map(|error| place.fault(error)));
        let mut at = BTreeMap::new();
        if let Some(when) = asked.at {
            let spec = OffsetSpec::Timestamp(when.millis(now_ms()));
            let questions: Vec<_> = partitions_of(&topics).into_iter().map(|partition| (partition, spec)).collect();
            for (partition, outcome) in admin.list_offsets(&questions, false).await {
                match outcome {
                    Ok(listed) => drop(at.insert(partition, listed)),
                    Err(error) => faults.push(place.fault(&error)),
                }
            }
        }
        let answer = show::offsets(&topics, &offsets, asked.at.is_some().then_some(&at));
        Ok(Outcome::answer(answer).faults(faults))
    };
    watch(shown, &asked.watching, gather, |_| false).await
}

/// The topics of these names; a name that is not there is answered with the nearest.
pub(super) async fn find_topics(place: &Place, admin: &Admin, names: &[String]) -> (Vec<Arc<Topic>>, Vec<Fault>) {
    let asked: Vec<&str> = names.iter().map(String::as_str).collect();
    let (mut topics, mut faults) = (Vec::new(), Vec::new());
    let mut known: Option<Vec<String>> = None;
    for (name, outcome) in admin.describe_topics(&asked).await {
        match outcome {
            Ok(topic) => topics.push(topic),
            Err(error) if is_unknown(&error) => {
                if known.is_none() {
                    let listed = admin.list_topics().await.unwrap_or_default();
                    known = Some(listed.topics().map(|topic| topic.name.to_string()).collect());
                }
                let fault = unknown_name("topic", &name, known.as_deref().unwrap_or_default(), "callboard topic list");
                faults.push(fault.kafka("UNKNOWN_TOPIC_OR_PARTITION"));
            }
            Err(error) => faults.push(place.fault(&error)),
        }
    }
    (topics, faults)
}

fn is_unknown(error: &ClientError) -> bool {
    error.kafka_code() == Some(callboard_client::model::ErrorCode::UnknownTopicOrPartition)
}

/// One topic, or a fault.
pub(super) async fn find_topic(place: &Place, admin: &Admin, name: &str) -> Result<Arc<Topic>, Fault> {
    let (mut topics, mut faults) = find_topics(place, admin, &[name.to_owned()]).await;
    topics
        .pop()
        .ok_or_else(|| faults.pop().unwrap_or_else(|| Fault::not_found(format!("topic '{name}' does not exist"))))
}

pub(super) fn partitions_of(topics: &[Arc<Topic>]) -> Vec<TopicPartition> {
    let of = |topic: &Arc<Topic>| {
        let name = topic.name.clone();
        let indexes: Vec<i32> = topic.partitions.iter().map(|partition| partition.index).collect();
        indexes.into_iter().map(move |index| TopicPartition::new(name.clone(), index))
    };
    topics.iter().flat_map(of).collect()
}

/// Topic -> partition -> first and next offset, where the leader says them.
pub(super) type Ends = BTreeMap<String, BTreeMap<i32, (Option<i64>, Option<i64>)>>;

/// First and next offset of every partition, and what could not be learnt.
pub(super) async fn ends(admin: &Admin, topics: &[Arc<Topic>]) -> (Ends, Vec<ClientError>) {
    let partitions = partitions_of(topics);
    let ask = |spec: OffsetSpec| {
        let questions: Vec<_> = partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        async move { admin.list_offsets(&questions, false).await }
    };
    let (first, next) = tokio::join!(ask(OffsetSpec::Earliest), ask(OffsetSpec::Latest));
    let mut ends: Ends = BTreeMap::new();
    let mut failed = Vec::new();
    for (is_next, outcomes) in [(false, first), (true, next)] {
        for (partition, outcome) in outcomes {
            let entry = ends.entry(partition.topic.to_string()).or_default().entry(partition.partition).or_default();
            match outcome {
                Ok(listed) if is_next => entry.1 = listed.offset,
                Ok(listed) => entry.0 = listed.offset,
                // The same for both ends.
                Err(error) if !is_next => failed.push(error),
                Err(_) => {}
            }
        }
    }
    (ends, failed)
}

pub(super) fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Names of all topics.
pub(super) fn names(metadata: &Metadata) -> Vec<String> {
    metadata.topics().map(|topic| topic.name.to_string()).collect()
}
