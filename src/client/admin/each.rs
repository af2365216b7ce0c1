//! Outcomes, one for each thing that was asked about.

use crate::ClientError;

/// One outcome for each thing that was asked about, in the order in which they were asked.
#[derive(Clone, Debug)]
pub struct Each<K, T>(Vec<(K, Result<T, ClientError>)>);

impl<K, T> Each<K, T> {
    pub(super) fn new(outcomes: Vec<(K, Result<T, ClientError>)>) -> Self {
        Self(outcomes)
    }

    /// Every thing with its outcome.
    pub fn iter(&self) -> std::slice::Iter<'_, (K, Result<T, ClientError>)> {
        self.0.iter()
    }

    /// How many things were asked about.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was asked about.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The outcome for one thing.
    pub fn get<Q: ?Sized>(&self, key: &Q) -> Option<&Result<T, ClientError>>
    where
        K: PartialEq<Q>,
    {
        self.0.iter().find(|(asked, _)| asked == key).map(|(_, outcome)| outcome)
    }

    /// Everything, if nothing failed; else the first failure.
    pub fn all(self) -> Result<Vec<(K, T)>, ClientError> {
        self.0.into_iter().map(|(key, outcome)| outcome.map(|value| (key, value))).collect()
    }

    /// The only outcome, for a question on one thing.
    pub fn only(self) -> Result<T, ClientError> {
        let mut outcomes = self.0;
        match outcomes.pop() {
            Some((_, outcome)) if outcomes.is_empty() => outcome,
            _ => Err(ClientError::Illegal("one outcome was asked for, there is another number of them".into())),
        }
    }
}

impl<K, T> IntoIterator for Each<K, T> {
    type Item = (K, Result<T, ClientError>);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, T> IntoIterator for &'a Each<K, T> {
    type Item = &'a (K, Result<T, ClientError>);
    type IntoIter = std::slice::Iter<'a, (K, Result<T, ClientError>)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
