//! What a load found out, as names and numbers.

/// Figures by name.
#[derive(Debug, Default)]
pub(crate) struct Figures(serde_json::Map<String, serde_json::Value>);

impl Figures {
    /// Adds one; whatever is no number (0/0) is left out.
    pub(crate) fn add(&mut self, name: &str, value: f64) {
        if let Some(number) = serde_json::Number::from_f64(value) {
            self.0.insert(name.to_owned(), serde_json::Value::Number(number));
        }
    }

    /// Adds one that may not be known.
    pub(crate) fn add_known(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    /// All of them as one line of JSON.
    pub(crate) fn line(&self) -> String {
        serde_json::Value::Object(self.0.clone()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_and_holds_numbers_only() {
        let mut figures = Figures::default();
        figures.add("p99 ms", 1.5);
        figures.add("nothing", f64::NAN);
        figures.add_known("unknown", None);
        assert_eq!(figures.line(), r#"{"p99 ms":1.5}"#);
    }
}
