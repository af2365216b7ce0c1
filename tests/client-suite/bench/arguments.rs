//! What the load is.

/// The arguments of one run.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) load: String,
    pub(crate) bootstrap: String,
    pub(crate) topic: String,
    pub(crate) records: u64,
    pub(crate) size: usize,
    pub(crate) threads: usize,
    /// Options of the client, by name.
    pub(crate) options: Vec<(String, String)>,
}

impl Arguments {
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut read = Self {
            load: words.next().ok_or("produce or consume is expected")?,
            bootstrap: "localhost:9092".to_owned(),
            topic: "bench".to_owned(),
            records: 1_000_000,
            size: 1024,
            threads: 2,
            options: Vec::new(),
        };
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number, not '{value}'"));
            match word.as_str() {
                "--bootstrap" => read.bootstrap = value,
                "--topic" => read.topic = value,
                "--records" => read.records = number()?,
                "--size" => read.size = number()? as usize,
                "--threads" => read.threads = number()?.max(1) as usize,
                "-X" => {
                    let (name, value) =
                        value.split_once('=').ok_or_else(|| format!("-X {value}: key=value is expected"))?;
                    read.options.push((name.to_owned(), value.to_owned()));
                }
                other => return Err(format!("there is no argument '{other}'")),
            }
        }
        Ok(read)
    }
}
