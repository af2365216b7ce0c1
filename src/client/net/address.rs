//! `host:port`, as people write it.

use std::sync::Arc;

use crate::error::Broken;
use crate::options::DEFAULT_PORT;

/// Splits an address into host and port; `[::1]:9092` is one too, and the port may be missing.
pub(crate) fn parse(text: &str) -> Result<(String, u16), Broken> {
    let wrong = |why: &str| Broken::Address(format!("'{text}': {why}").into());
    // Kafka's own configs put the listener's protocol in front.
    let plain = text.strip_prefix("PLAINTEXT://").unwrap_or(text);
    if plain.contains("://") {
        return Err(wrong("host:port is expected, not a URL"));
    }
    let (host, port) = match plain.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("a ']' is missing"))?;
            (host, rest.strip_prefix(':'))
        }
        None if plain.matches(':').count() > 1 => (plain, None),
        None => plain.split_once(':').map_or((plain, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(wrong("host:port is expected"));
    }
    let port = port.map_or(Ok(DEFAULT_PORT), str::parse).map_err(|_| wrong("the port is no number up to 65535"))?;
    Ok((host.to_owned(), port))
}

/// The text form of host and port.
pub(crate) fn format(host: &str, port: u16) -> Arc<str> {
    if host.contains(':') { format!("[{host}]:{port}").into() } else { format!("{host}:{port}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_with_and_without_a_port() {
        for (text, host, port) in [
            ("a", "a", 9092),
            ("a:1", "a", 1),
            ("10.0.0.1:65535", "10.0.0.1", 65535),
            ("[::1]:7", "::1", 7),
            ("[::1]", "::1", 9092),
            ("::1", "::1", 9092),
            ("PLAINTEXT://a:1", "a", 1),
        ] {
            assert_eq!(parse(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["", ":1", "a:", "a:b", "a:65536", "a b:1", "[::1:1", "http://a:1", "SSL://a:1"] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(&format!("'{text}'")), "{error}");
        }
    }
}
