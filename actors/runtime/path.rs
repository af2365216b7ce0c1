//! Names of actors: where in the tree an actor lives, for people and for the registry.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

/// Place of an actor in the tree, such as `node/1/partitions/orders-3`. Cheap to clone.
///
/// Segments are separated by `/`, are not empty and hold neither white space nor control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path(Arc<str>);

/// Why a text is not a [`Path`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("path {given:?} has an empty segment")]
    EmptySegment { given: String },
    #[error("path {given:?} holds the character {character:?}")]
    IllegalCharacter { given: String, character: char },
}

impl Path {
    /// Reads a path. Errors when a segment is empty or holds white space or a control character.
    pub fn parse(text: &str) -> Result<Path, PathError> {
        if let Some(character) = text.chars().find(|c| is_illegal(*c)) {
            return Err(PathError::IllegalCharacter { given: text.to_owned(), character });
        }
        if text.split('/').any(str::is_empty) {
            return Err(PathError::EmptySegment { given: text.to_owned() });
        }
        Ok(Path(text.into()))
    }

    /// The child of this path called `name`, which may itself hold several segments.
    ///
    /// Never fails: an illegal character becomes `_`, an empty segment is left out, an empty name becomes `_`; so what is joined can always be parsed.
    pub fn join(&self, name: &str) -> Path {
        let mut text = String::with_capacity(self.0.len() + 1 + name.len());
        text.push_str(&self.0);
        text.push('/');
        push_clean(&mut text, name);
        Path(text.into())
    }

    /// A path of its own from `name`, made clean as in [`Path::join`].
    pub fn root(name: &str) -> Path {
        let mut text = String::with_capacity(name.len());
        push_clean(&mut text, name);
        Path(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Last segment.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path without its last segment; `None` for a root.
    pub fn parent(&self) -> Option<Path> {
        self.0.rsplit_once('/').map(|(head, _)| Path(head.into()))
    }

    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether this path lies below `other` or is it.
    pub fn is_within(&self, other: &Path) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn is_illegal(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn push_clean(text: &mut String, name: &str) {
    let mut first = true;
    for segment in name.split('/').filter(|segment| !segment.is_empty()) {
        if !first {
            text.push('/');
        }
        first = false;
        text.extend(segment.chars().map(|c| if is_illegal(c) { '_' } else { c }));
    }
    if first {
        text.push('_');
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        let path = Path::parse("node/1/partitions/orders-3").expect("legal");
        assert_eq!(path.to_string(), "node/1/partitions/orders-3");
        assert_eq!(path.name(), "orders-3");
        assert_eq!(path.parent().expect("has one").as_str(), "node/1/partitions");
        assert_eq!(path.segments().count(), 4);
    }

    #[test]
    fn an_empty_segment_or_white_space_is_refused() {
        assert!(matches!(Path::parse("a//b"), Err(PathError::EmptySegment { .. })));
        assert!(matches!(Path::parse(""), Err(PathError::EmptySegment { .. })));
        assert!(matches!(Path::parse("a b"), Err(PathError::IllegalCharacter { character: ' ', .. })));
    }

    #[test]
    fn whatever_is_joined_can_be_parsed() {
        let root = Path::root("node");
        for name in ["x", "", "/", "a b", "a/b/", "\n", "ünï"] {
            let joined = root.join(name);
            assert_eq!(Path::parse(joined.as_str()), Ok(joined));
        }
    }

    #[test]
    fn within_compares_whole_segments() {
        let root = Path::root("node/1");
        assert!(root.join("x").is_within(&root));
        assert!(!Path::root("node/10").is_within(&root));
    }
}
