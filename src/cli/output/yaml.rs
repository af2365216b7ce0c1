//! Documents as YAML: block style, texts quoted where YAML would read something else.

use std::fmt::Write as _;

use super::Doc;

/// The whole document, its last line break included.
pub(super) fn write(doc: &Doc) -> String {
    let mut text = String::new();
    match doc {
        Doc::List(items) if !items.is_empty() => list(items, 0, &mut text),
        Doc::Map(pairs) if !pairs.is_empty() => map(pairs, 0, &mut text),
        other => {
            text.push_str(&scalar(other));
            text.push('\n');
        }
    }
    text
}

fn list(items: &[Doc], depth: usize, to: &mut String) {
    for item in items {
        let indent = "  ".repeat(depth);
        match item {
            Doc::Map(pairs) if !pairs.is_empty() => {
                let mut inner = String::new();
                map(pairs, depth + 1, &mut inner);
                // The first key stands behind the dash.
                write!(to, "{indent}- {}", &inner[indent.len() + 2..]).expect("a string takes every write");
            }
            Doc::List(items) if !items.is_empty() => {
                let mut inner = String::new();
                list(items, depth + 1, &mut inner);
                write!(to, "{indent}- {}", &inner[indent.len() + 2..]).expect("a string takes every write");
            }
            other => writeln!(to, "{indent}- {}", scalar(other)).expect("a string takes every write"),
        }
    }
}

fn map(pairs: &[(String, Doc)], depth: usize, to: &mut String) {
    for (key, value) in pairs {
        write!(to, "{}{}:", "  ".repeat(depth), plain_or_quoted(key)).expect("a string takes every write");
        match value {
            Doc::Map(pairs) if !pairs.is_empty() => {
                to.push('\n');
                map(pairs, depth + 1, to);
            }
            Doc::List(items) if !items.is_empty() => {
                to.push('\n');
                list(items, depth + 1, to);
            }
            other => writeln!(to, " {}", scalar(other)).expect("a string takes every write"),
        }
    }
}

fn scalar(doc: &Doc) -> String {
    match doc {
        Doc::Text(text) => plain_or_quoted(text),
        Doc::List(_) => "[]".to_owned(),
        Doc::Map(_) => "{}".to_owned(),
        // JSON's spelling of the rest is YAML's too.
        other => other.json_line(),
    }
}

/// A JSON string is a YAML string; it is used wherever a bare word could be taken for something else.
fn plain_or_quoted(text: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "~", ".inf", ".nan"];
    let first = text.chars().next();
    let bare = first.is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ' | ':' | ',' | '(' | ')'))
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !words.contains(&text.to_lowercase().as_str());
    if bare { text.to_owned() } else { Doc::from(text).json_line() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_lists_and_maps_are_indented_and_odd_texts_quoted() {
        let doc = Doc::List(vec![
            Doc::map([
                ("name", Doc::from("orders")),
                ("replicas", Doc::list([1, 2])),
                ("configs", Doc::map([("retention.ms", Doc::from("604800000")), ("empty", Doc::from(""))])),
                ("none", Doc::Null),
                ("no", Doc::List(Vec::new())),
            ]),
            Doc::List(vec![Doc::Bool(true), Doc::from("yes"), Doc::from("a: b"), Doc::from("- x"), Doc::Float(1.5)]),
        ]);
        let expected = "- name: orders\n  replicas:\n    - 1\n    - 2\n  configs:\n    retention.ms: \"604800000\"\n    \
                        empty: \"\"\n  none: null\n  \"no\": []\n- - true\n  - \"yes\"\n  - \"a: b\"\n  - \"- x\"\n  - 1.5\n";
        assert_eq!(write(&doc), expected);
    }
}
