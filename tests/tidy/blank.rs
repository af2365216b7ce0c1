//! Source text with its comments and texts blanked out, line for line, so that a rule looks at code only.

/// Replaces what stands in comments, strings and character literals by blanks; line breaks stay.
pub(crate) fn blank(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = skipped(bytes, at);
        if end > at {
            code.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        } else {
            code.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(code).expect("whole comments and texts were replaced by ASCII")
}

/// Where the comment or text that begins at `at` ends; `at` itself if none begins there.
fn skipped(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return block_comment(bytes, at);
    }
    let part_of_a_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    match rest[0] {
        b'"' => string(bytes, at),
        b'r' | b'b' | b'c' if !part_of_a_word => prefixed(bytes, at),
        b'\'' => character(bytes, at),
        _ => at,
    }
}

fn block_comment(bytes: &[u8], mut at: usize) -> usize {
    let mut depth = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// An ordinary string, from its opening sign.
fn string(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'"' => return end + 1,
            _ => end += 1,
        }
    }
    bytes.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br#"…"#`, `c"…"`; `at` if it is just a word.
fn prefixed(bytes: &[u8], at: usize) -> usize {
    let letters = bytes[at..].iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
    let hashes = bytes[at + letters..].iter().take_while(|byte| **byte == b'#').count();
    let open = at + letters + hashes;
    if letters > 2 || bytes.get(open) != Some(&b'"') {
        return at;
    }
    if !bytes[at..at + letters].contains(&b'r') {
        return if hashes == 0 { string(bytes, open) } else { at };
    }
    let mut close = vec![b'"'];
    close.resize(hashes + 1, b'#');
    let body = &bytes[open + 1..];
    match body.windows(close.len()).position(|window| window == close) {
        Some(length) => open + 1 + length + close.len(),
        None => bytes.len(),
    }
}

/// A character literal; `at` if it is a lifetime.
fn character(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        let close = bytes.get(at + 3..).unwrap_or_default().iter().position(|byte| *byte == b'\'');
        return close.map_or(bytes.len(), |length| at + 3 + length + 1);
    }
    // One character of up to four bytes, then the closing sign; a lifetime has none.
    let width = bytes.get(at + 1).map_or(1, |first| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    });
    if bytes.get(at + 1 + width) == Some(&b'\'') { at + 2 + width } else { at }
}
