//! The layers, lowest first: defaults, dev defaults, file, environment, flags; merged by `config`, read and checked here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{Config, Map, Source, Value, ValueKind};

use crate::error::{Problem, SettingsError};
use crate::key::{Fault, Key, Spelling};
use crate::nearest::{nearest, nearest_word};
use crate::{SECTIONS, Settings, key, keys};

/// How every variable of ours begins.
pub(crate) const VARIABLE_PREFIX: &str = "CALLBOARD__";

/// The keys that are tables; their entries have Kafka's names.
pub(crate) const TABLES: [&str; 2] = ["kafka.topic_defaults", "kafka.broker"];

/// Where settings are taken from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Which defaults apply.
    pub mode: Mode,
    /// A TOML file, if one was named.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not begin with `CALLBOARD__` are passed over, save the user's data folder in
    /// [`Mode::Dev`].
    pub env: Vec<(String, String)>,
    /// Full key and text, from the command line; of two with the same key the later holds.
    pub flags: Vec<(String, String)>,
}

/// Which defaults apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// A node that is operated: the defaults of the table.
    #[default]
    Server,
    /// `callboard dev`: data in the user's data folder, actors that may be restarted and killed.
    Dev,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody: the table's default.
    Default,
    /// Nobody: what `callboard dev` takes instead of the table's default.
    DevDefault,
    /// The settings file.
    File(PathBuf),
    /// An environment variable, by name.
    Variable(String),
    /// The command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::DevDefault => f.write_str("default of callboard dev"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag => f.write_str("the command line"),
        }
    }
}

/// Legal settings, and who set each of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// By full key: who set it. Every key is there.
    pub origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Who set a key.
    pub fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).cloned().unwrap_or(Origin::Default)
    }
}

/// The variables of this process; names and values that are not Unicode are passed on with the bad parts replaced.
pub fn process_environment() -> Vec<(String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

impl Settings {
    /// Merges the layers, reads every value, and checks them; all problems are told at once.
    pub fn load(sources: Sources) -> Result<Loaded, SettingsError> {
        let mut gathered = Gathered::default();
        if sources.mode == Mode::Dev {
            gathered.dev_defaults(&sources);
        }
        if let Some(path) = &sources.file {
            gathered.file(path);
        }
        gathered.environment(&sources.env);
        gathered.flags(&sources.flags);
        gathered.finish()
    }

    /// What `callboard dev` runs with when nothing is set: the defaults, but for those of [`Mode::Dev`].
    pub fn dev_defaults() -> Result<Self, SettingsError> {
        let only_folders = |(name, _): &(String, String)| !name.starts_with(VARIABLE_PREFIX);
        let env = process_environment().into_iter().filter(only_folders).collect();
        Self::load(Sources { mode: Mode::Dev, env, ..Sources::default() }).map(|loaded| loaded.settings)
    }
}

/// One layer's values, for `config` to merge; each carries the number of its origin.
#[derive(Clone, Debug, Default)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    /// Puts a value below `section.name`.
    fn put(&mut self, section: &str, name: &str, value: Value) {
        let table = self.0.entry(section.to_owned()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
        if let ValueKind::Table(entries) = &mut table.kind {
            entries.insert(name.to_owned(), value);
        }
    }
}

/// What has been read so far.
#[derive(Default)]
struct Gathered {
    layers: Vec<Layer>,
    /// A value's origin is remembered by `config` as a text: the index into this list. Higher layers have higher indexes.
    origins: Vec<Origin>,
    problems: Vec<Problem>,
    /// `callboard dev` found no folder of the user's.
    folder_missing: bool,
}

impl Gathered {
    fn origin(&mut self, origin: Origin) -> String {
        self.origins.push(origin);
        (self.origins.len() - 1).to_string()
    }

    fn dev_defaults(&mut self, sources: &Sources) {
        let origin = self.origin(Origin::DevDefault);
        let mut layer = Layer::default();
        match user_data_folder(&sources.env) {
            Some(folder) => {
                let folder = folder.to_string_lossy().into_owned();
                layer.put("storage", "data_dir", Value::new(Some(&origin), folder));
            }
            // Wrong only if no layer above names a folder or asks for memory, which is known at the end.
            None => self.folder_missing = true,
        }
        layer.put("admin", "allow_control", Value::new(Some(&origin), true));
        self.layers.push(layer);
    }

    fn file(&mut self, path: &Path) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(Problem::Unreadable { path: path.to_owned(), reason: error.to_string() });
                return;
            }
        };
        let parsed = config::File::from_str(&text, config::FileFormat::Toml).collect();
        let sections = match parsed {
            Ok(sections) => sections,
            Err(error) => {
                let reason = toml_reason(&error);
                self.problems.push(Problem::NotToml { path: path.to_owned(), reason });
                return;
            }
        };
        let origin = Origin::File(path.to_owned());
        let index = self.origin(origin.clone());
        let mut layer = Layer::default();
        // `config` hands tables out in no order; problems are told in one.
        for (section, table) in sections.into_iter().collect::<BTreeMap<_, _>>() {
            if !SECTIONS.iter().any(|(name, ..)| *name == section) {
                let nearest = match &table.kind {
                    ValueKind::Table(_) => nearest_word(&section, SECTIONS.iter().map(|(name, ..)| *name))
                        .map(|name| format!("[{name}]"))
                        .or_else(|| first_leaf(&section, &table).and_then(|leaf| nearest_name(&leaf))),
                    _ => nearest_name(&section),
                };
                self.problems.push(Problem::UnknownKey { key: section, origin: origin.clone(), nearest });
                continue;
            }
            let ValueKind::Table(entries) = table.kind else {
                self.problems.push(Problem::NotATable { section, origin: origin.clone() });
                continue;
            };
            for (name, value) in entries.into_iter().collect::<BTreeMap<_, _>>() {
                let full = format!("{section}.{name}");
                if key(&full).is_some() {
                    layer.put(&section, &name, Value::new(Some(&index), with_origin(&index, value.kind)));
                } else {
                    let written = first_leaf(&full, &value).unwrap_or(full);
                    self.unknown(written, origin.clone());
                }
            }
        }
        self.layers.push(layer);
    }

    fn environment(&mut self, env: &[(String, String)]) {
        let mut layer = Layer::default();
        let ours: BTreeMap<_, _> = env.iter().filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)).cloned().collect();
        for (variable, text) in ours {
            let name = variable[VARIABLE_PREFIX.len()..].to_lowercase().replace("__", ".");
            let origin = self.origin(Origin::Variable(variable.clone()));
            self.text(&mut layer, &name, text, &origin, || Origin::Variable(variable.clone()));
        }
        self.layers.push(layer);
    }

    fn flags(&mut self, flags: &[(String, String)]) {
        let mut layer = Layer::default();
        for (name, text) in flags {
            let origin = self.origin(Origin::Flag);
            self.text(&mut layer, name, text.clone(), &origin, || Origin::Flag);
        }
        self.layers.push(layer);
    }

    /// Takes a bare text for a key, or for one entry of a table.
    fn text(&mut self, layer: &mut Layer, name: &str, text: String, index: &String, origin: impl Fn() -> Origin) {
        let value = Value::new(Some(index), text);
        if let Some(key) = key(name) {
            layer.put(key.section(), key.short_name(), value);
            return;
        }
        for key in TABLES.iter().filter_map(|table| key(table)) {
            let entry = name.strip_prefix(key.name).and_then(|rest| rest.strip_prefix('.'));
            if let Some(entry) = entry.filter(|entry| !entry.is_empty()) {
                // No setting of Kafka's has an underscore, and no variable's name a dot.
                let table = Map::from([(entry.replace('_', "."), value)]);
                let mut single = Layer::default();
                single.put(key.section(), key.short_name(), Value::new(Some(index), table));
                self.layers.push(single);
                return;
            }
        }
        self.unknown(name.to_owned(), origin());
    }

    fn unknown(&mut self, key: String, origin: Origin) {
        let nearest = nearest_name(&key);
        self.problems.push(Problem::UnknownKey { key, origin, nearest });
    }

    fn finish(mut self) -> Result<Loaded, SettingsError> {
        let mut builder = Config::builder();
        for layer in std::mem::take(&mut self.layers) {
            builder = builder.add_source(layer);
        }
        let merged = builder.build().expect("merging values that are already in memory cannot fail");
        let mut settings = Settings::default();
        let mut origins = BTreeMap::new();
        for key in keys() {
            let Some(value) = value_of(&merged.cache, key) else {
                origins.insert(key.name, Origin::Default);
                continue;
            };
            let origin = self.origin_of(value);
            let spelling = match origin {
                Origin::Variable(_) | Origin::Flag => Spelling::Text,
                _ => Spelling::Toml,
            };
            if let Err(fault) = (key.read)(&mut settings, &value.kind, spelling) {
                self.problems.push(problem(key, value, origin.clone(), fault));
            }
            origins.insert(key.name, origin);
        }
        let loaded = Loaded { settings, origins };
        let named = loaded.origin("storage.data_dir") != Origin::Default;
        if self.folder_missing && !named && !loaded.settings.storage.memory {
            self.problems.push(Problem::NoDataFolder);
        }
        if self.problems.is_empty() {
            self.problems = loaded.settings.validate(&|key| loaded.origin(key));
        }
        if self.problems.is_empty() { Ok(loaded) } else { Err(SettingsError { problems: self.problems }) }
    }

    /// Who set a value; of a table's entries, the highest layer.
    fn origin_of(&self, value: &Value) -> Origin {
        let index = |value: &Value| value.origin().and_then(|text| text.parse::<usize>().ok());
        let highest = match &value.kind {
            ValueKind::Table(entries) => entries.values().filter_map(index).max().or_else(|| index(value)),
            _ => index(value),
        };
        highest.and_then(|at| self.origins.get(at)).cloned().unwrap_or(Origin::Default)
    }
}

fn value_of<'a>(root: &'a Value, key: &Key) -> Option<&'a Value> {
    let below = |value: &'a Value, name: &str| match &value.kind {
        ValueKind::Table(entries) => entries.get(name),
        _ => None,
    };
    below(below(root, key.section())?, key.short_name())
}

fn problem(key: &'static Key, value: &Value, origin: Origin, fault: Fault) -> Problem {
    let value = shown(&value.kind);
    match (fault, key.range) {
        (Fault::Range, Some((low, high))) => Problem::OutOfRange { key: key.name, value, origin, low, high },
        _ => Problem::WrongForm { key: key.name, value, origin, expects: key.expects },
    }
}

/// A value as it is shown in a message: as TOML, cut to a printable length.
fn shown(kind: &ValueKind) -> String {
    const SHOWN_MAX: usize = 60;
    let text = match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::String(text) => crate::value::quote(text),
        ValueKind::Table(_) => "a table".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() > SHOWN_MAX { text.chars().take(SHOWN_MAX).chain("…".chars()).collect() } else { text }
}

fn nearest_name(wrong: &str) -> Option<String> {
    nearest(wrong).map(|key| key.name.to_owned())
}

/// The dotted name of the first value below a table: `num.partitions` reads as a table of a table.
fn first_leaf(name: &str, value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(entries) => {
            let (first, below) = entries.iter().min_by_key(|(name, _)| name.as_str())?;
            first_leaf(&format!("{name}.{first}"), below)
        }
        _ => Some(name.to_owned()),
    }
}

/// Marks a value and all that lies in it with its origin.
fn with_origin(index: &String, kind: ValueKind) -> ValueKind {
    match kind {
        ValueKind::Table(entries) => ValueKind::Table(
            entries
                .into_iter()
                .map(|(name, value)| (name, Value::new(Some(index), with_origin(index, value.kind))))
                .collect(),
        ),
        other => other,
    }
}

/// `config` wraps the parser's message; the first line of ours has no use for the wrapping.
fn toml_reason(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::FileParse { cause, .. } => cause.to_string().trim_end().to_owned(),
        other => other.to_string(),
    }
}

/// Where a user's programs keep their data (XDG base directories): relative paths there are to be ignored.
fn user_data_folder(env: &[(String, String)]) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let (_, value) = env.iter().find(|(variable, _)| variable == name)?;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("callboard"))
}
