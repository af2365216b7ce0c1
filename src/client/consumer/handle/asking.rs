//! Where the user stands, where it wants to stand, and what the brokers know.

use super::super::requests::logs::{self, Found};
use super::*;

impl Consumer {
    /// Goes on at this offset, whatever was fetched before.
    pub fn seek(&mut self, partition: &TopicPartition, offset: i64) -> Result<(), ConsumerError> {
        if offset < 0 {
            return Err(ConsumerError::illegal(format!("{offset} is no offset")));
        }
        self.change(|state| state.positions.seek(partition, Position { offset, epoch: None }))?;
        self.drop_unwanted();
        Ok(())
    }

    /// Goes on at an offset that was committed or kept elsewhere; its epoch is checked against the log (KIP-320).
    pub fn seek_committed(&mut self, partition: &TopicPartition, to: &CommittedOffset) -> Result<(), ConsumerError> {
        self.change(|state| state.positions.seek(partition, to.into()))?;
        self.drop_unwanted();
        Ok(())
    }

    fn seek_all<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        place: Place,
    ) -> Result<(), ConsumerError> {
        let result = self
            .change(|state| partitions.into_iter().try_for_each(|partition| state.positions.seek_to(partition, place)));
        self.drop_unwanted();
        result
    }

    /// Goes on at the oldest records of these partitions.
    pub fn seek_to_beginning<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), ConsumerError> {
        self.seek_all(partitions, Place::Earliest)
    }

    /// Goes on with what comes from now on.
    pub fn seek_to_end<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), ConsumerError> {
        self.seek_all(partitions, Place::Latest)
    }

    /// Goes on, in each of these partitions, at the first record of this time or later; with what comes from now on where
    /// there is none.
    pub fn seek_to_time<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        time: Timestamp,
    ) -> Result<(), ConsumerError> {
        if time.0 < 0 {
            return Err(ConsumerError::illegal(format!("{time} is no time")));
        }
        self.seek_all(partitions, Place::At(time))
    }

    /// Hands out nothing more of these partitions until [`Self::resume`]. What is fetched of them stays.
    pub fn pause<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<(), ConsumerError> {
        self.set_paused(partitions, true)
    }

    /// Hands them out again.
    pub fn resume<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<(), ConsumerError> {
        self.set_paused(partitions, false)
    }

    fn set_paused<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        paused: bool,
    ) -> Result<(), ConsumerError> {
        self.flush();
        let result = self.change(|state| {
            partitions.into_iter().try_for_each(|partition| state.positions.set_paused(partition, paused))
        });
        self.drop_unwanted();
        result
    }

    /// Partitions that are paused.
    pub fn paused(&self) -> BTreeSet<TopicPartition> {
        self.shared.lock().positions.paused()
    }

    /// The offset of the next record that it hands out, once it is known.
    pub async fn position(&mut self, partition: &TopicPartition) -> Result<i64, ConsumerError> {
        let deadline = self.cluster.default_deadline();
        loop {
            if let Some(offset) = self.known_position(partition)? {
                return Ok(offset);
            }
            if Instant::now() >= deadline {
                let what = format!("finding the position in {partition}").into();
                let allowed = self.options.cluster.default_api_timeout;
                return Err(crate::ClientError::Timeout { what, allowed, sent: false, last: None }.into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The same if it is known now.
    pub fn known_position(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ConsumerError> {
        self.flush();
        let state = self.shared.lock();
        if state.positions.slot(partition).is_none() {
            return Err(ConsumerError::NotAssigned(partition.clone()));
        }
        Ok(state.positions.position(partition).map(|position| position.offset))
    }

    /// Records (offsets, to be exact) between its position and the end, as the last fetch told; `None` before the first.
    pub fn lag(&mut self, partition: &TopicPartition) -> Result<Option<i64>, ConsumerError> {
        let committed = self.options.isolation_level == super::super::IsolationLevel::ReadCommitted;
        let position = self.known_position(partition)?;
        let state = self.shared.lock();
        let slot = state.positions.slot(partition);
        let end = slot.and_then(|slot| if committed { slot.last_stable } else { slot.high_watermark });
        Ok(end.zip(position).map(|(end, position)| (end - position).max(0)))
    }

    /// What the group has committed for these partitions; those without a commit are not in it.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ConsumerError> {
        let coordinator = self.coordinator.as_ref().ok_or(ConsumerError::NoGroup)?;
        let stable = self.options.isolation_level == super::super::IsolationLevel::ReadCommitted;
        let deadline = self.cluster.default_deadline();
        let what = "asking what is committed";
        let found = crate::retrying(what, self.cluster.options(), deadline, || async {
            let found = coordinator.committed(partitions, stable, deadline).await;
            if let Err(error) = &found {
                coordinator.note_error(error);
            }
            found
        });
        Ok(found.await?)
    }

    /// The first offsets that these partitions still have.
    pub async fn beginning_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let found = self.look_up(partitions.iter().map(|one| (one.clone(), logs::EARLIEST)).collect()).await?;
        Ok(offsets_of(found))
    }

    /// One past the last offset that can be read of these partitions.
    pub async fn end_offsets(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, ConsumerError> {
        let found = self.look_up(partitions.iter().map(|one| (one.clone(), logs::LATEST)).collect()).await?;
        Ok(offsets_of(found))
    }

    /// The first record at or after a time, offset and time of it, in each partition; `None` where no record is that young.
    pub async fn offsets_for_times(
        &self,
        times: &BTreeMap<TopicPartition, Timestamp>,
    ) -> Result<BTreeMap<TopicPartition, Option<(i64, Timestamp)>>, ConsumerError> {
        if let Some((partition, time)) = times.iter().find(|(_, time)| time.0 < 0) {
            return Err(ConsumerError::illegal(format!("{time} is no time to look for in {partition}")));
        }
        let found = self.look_up(times.iter().map(|(one, time)| (one.clone(), time.0)).collect()).await?;
        let told = |found: Option<Found>| found.map(|found| (found.position.offset, Timestamp(found.timestamp)));
        Ok(found.into_iter().map(|(partition, found)| (partition, told(found))).collect())
    }

    /// Asks the leaders until all have answered.
    async fn look_up(
        &self,
        wanted: Vec<(TopicPartition, i64)>,
    ) -> Result<BTreeMap<TopicPartition, Option<Found>>, ConsumerError> {
        let deadline = self.cluster.default_deadline();
        let level = self.options.isolation_level;
        let left = std::sync::Mutex::new((wanted, BTreeMap::new()));
        let left = &left;
        crate::retrying("looking offsets up", self.cluster.options(), deadline, || async move {
            let asked = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0.clone();
            let answers = logs::offsets(&self.cluster, &asked, level, deadline).await;
            let mut left = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let mut failed = None;
            for (partition, answer) in answers {
                match answer {
                    Ok(found) => {
                        left.0.retain(|(other, _)| *other != partition);
                        left.1.insert(partition, found);
                    }
                    Err(error) => {
                        // What is refused for good is told rather than what may pass.
                        if failed.as_ref().is_none_or(crate::ClientError::is_retriable) {
                            failed = Some(error);
                        }
                    }
                }
            }
            failed.map_or(Ok(()), Err)
        })
        .await?;
        let mut left = left.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(std::mem::take(&mut left.1))
    }
}

fn offsets_of(found: BTreeMap<TopicPartition, Option<Found>>) -> BTreeMap<TopicPartition, i64> {
    found.into_iter().filter_map(|(partition, found)| Some((partition, found?.position.offset))).collect()
}
