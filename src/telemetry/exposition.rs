//! The Prometheus text format, version 0.0.4.

use std::fmt::{Display, Write};

use crate::Family;
use crate::metric::{BUCKET_MICROS, Histogram};

/// Writes families one after the other; each is announced once, before its first line.
#[derive(Debug, Default)]
pub(crate) struct Page {
    text: String,
    announced: Option<&'static str>,
}

impl Page {
    /// One line of a counter or gauge; `labels` are the values of the labels declared.
    ///
    /// The lines of one family must follow each other, which the format demands.
    pub(crate) fn line(&mut self, family: &Family, labels: &[&str], value: impl Display) {
        self.announce(family);
        self.text.push_str(family.name);
        self.labels(family, labels, None);
        self.write(format_args!(" {value}\n"));
    }

    /// The lines of one histogram.
    pub(crate) fn histogram(&mut self, family: &Family, labels: &[&str], histogram: &Histogram) {
        self.announce(family);
        let counts = histogram.bucket_counts();
        let mut total = 0;
        for (at, count) in counts.iter().enumerate() {
            total += count;
            let bound = BUCKET_MICROS.get(at).map_or("+Inf".to_owned(), |micros| seconds(*micros).to_string());
            self.write(format_args!("{}_bucket", family.name));
            self.labels(family, labels, Some(&bound));
            self.write(format_args!(" {total}\n"));
        }
        self.write(format_args!("{}_sum", family.name));
        self.labels(family, labels, None);
        self.write(format_args!(" {}\n", histogram.sum().as_secs_f64()));
        self.write(format_args!("{}_count", family.name));
        self.labels(family, labels, None);
        self.write(format_args!(" {total}\n"));
    }

    /// The whole page.
    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn announce(&mut self, family: &Family) {
        if self.announced == Some(family.name) {
            return;
        }
        self.announced = Some(family.name);
        self.write(format_args!(
            "# HELP {} {}\n# TYPE {} {}\n",
            family.name,
            family.help,
            family.name,
            family.kind.name()
        ));
    }

    fn labels(&mut self, family: &Family, values: &[&str], bound: Option<&str>) {
        debug_assert_eq!(family.labels.len(), values.len(), "{} has its declared labels", family.name);
        let mut pairs = family.labels.iter().copied().zip(values.iter().copied()).chain(bound.map(|le| ("le", le)));
        let Some(first) = pairs.next() else {
            return;
        };
        self.text.push('{');
        self.pair(first);
        for pair in pairs {
            self.text.push(',');
            self.pair(pair);
        }
        self.text.push('}');
    }

    fn pair(&mut self, (name, value): (&str, &str)) {
        self.text.push_str(name);
        self.text.push_str("=\"");
        for letter in value.chars() {
            match letter {
                '\\' => self.text.push_str("\\\\"),
                '"' => self.text.push_str("\\\""),
                '\n' => self.text.push_str("\\n"),
                plain => self.text.push(plain),
            }
        }
        self.text.push('"');
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        self.text.write_fmt(arguments).expect("a string takes every write");
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}
