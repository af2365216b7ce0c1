//! Lists from untrusted bytes: they grow as their elements arrive, whatever count was declared.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

struct Grow<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Grow<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(list)
    }
}

struct GrowOption<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for GrowOption<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or nothing")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
        grow(inner).map(Some)
    }
}

/// A list.
pub(super) fn grow<'de, D: Deserializer<'de>, T: Deserialize<'de>>(source: D) -> Result<Vec<T>, D::Error> {
    source.deserialize_seq(Grow(PhantomData))
}

/// A list that may be absent.
pub(super) fn grow_option<'de, D, T>(source: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    source.deserialize_option(GrowOption(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::value::{Error, SeqDeserializer};

    /// An iterator that claims to hold far more than it does.
    struct Liar(std::ops::Range<i32>);

    impl Iterator for Liar {
        type Item = i32;

        fn next(&mut self) -> Option<i32> {
            self.0.next()
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            (u32::MAX as usize, Some(u32::MAX as usize))
        }
    }

    #[test]
    fn a_declared_count_reserves_nothing() {
        let list: Vec<i32> = grow(SeqDeserializer::<_, Error>::new(Liar(0..3))).expect("three numbers");
        assert_eq!(list, [0, 1, 2]);
        assert!(list.capacity() < 16, "{}", list.capacity());
    }
}
