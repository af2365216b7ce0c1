//! Named clusters in a TOML file of the user: where they are, and how to speak to them.
//!
//! `$CALLBOARD_CONTEXTS` is the file; set but empty it means that there is none. Otherwise it lies in the user's config folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use toml_edit::{DocumentMut, Item, Table, value};

use crate::fault::{Exit, Fault};

/// The context that `callboard dev` writes.
pub const DEV: &str = "dev";

/// One named cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Context {
    pub(crate) brokers: String,
    pub(crate) admin: Option<String>,
    /// Settings of the client by Kafka's names.
    pub(crate) options: Vec<(String, String)>,
}

/// The user's file; comments in it stay.
#[derive(Debug, Clone)]
pub(crate) struct Contexts {
    path: Option<PathBuf>,
    text: DocumentMut,
}

impl Contexts {
    /// The user's file as it is; without one there are no contexts.
    pub(crate) fn load() -> Result<Self, Fault> {
        Self::load_from(place(|name| std::env::var_os(name).map(PathBuf::from)))
    }

    /// A given file.
    #[cfg(test)]
    pub(crate) fn load_at(path: PathBuf) -> Result<Self, Fault> {
        Self::load_from(Some(path))
    }

    fn load_from(path: Option<PathBuf>) -> Result<Self, Fault> {
        let text = match &path {
            None => String::new(),
            Some(path) => match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
                Err(error) => return Err(unreadable(path, &error.to_string())),
            },
        };
        let parsed = text.parse::<DocumentMut>();
        let text = parsed.map_err(|error| {
            unreadable(path.as_deref().unwrap_or(std::path::Path::new("")), error.to_string().trim_end())
        })?;
        Ok(Self { path, text })
    }

    /// The name of the current context.
    pub(crate) fn current(&self) -> Option<&str> {
        self.text.get("current").and_then(Item::as_str).filter(|name| !name.is_empty())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let table = self.text.get("contexts").and_then(Item::as_table_like);
        table.map_or_else(Vec::new, |table| table.iter().map(|(name, _)| name.to_owned()).collect())
    }

    /// The context of a name, or what is wrong with it.
    pub(crate) fn get(&self, name: &str) -> Result<Context, Fault> {
        let entry = self.text.get("contexts").and_then(|all| all.get(name)).and_then(Item::as_table_like);
        let Some(entry) = entry else {
            let names = self.names();
            let fault = Fault::not_found(format!("there is no context '{name}'"));
            return Err(match crate::nearest::nearest(name, names.iter().map(String::as_str)) {
                Some(near) => fault.hint(format!("did you mean '{near}'?")),
                None if names.is_empty() => fault.hint("callboard context add NAME --brokers HOST:PORT makes one"),
                None => fault.hint(format!("there are: {}", names.join(", "))),
            });
        };
        let text = |key: &str| entry.get(key).and_then(Item::as_str).map(str::to_owned);
        let Some(brokers) = text("brokers").filter(|brokers| !brokers.is_empty()) else {
            let path = self.path.as_deref().unwrap_or(std::path::Path::new("")).display().to_string();
            return Err(Fault::new(Exit::BadConfig, format!("context '{name}' names no brokers"))
                .hint(format!("write brokers = \"HOST:PORT\" below [contexts.{name}] in {path}")));
        };
        let options: BTreeMap<String, String> = entry
            .get("options")
            .and_then(Item::as_table_like)
            .map(|table| {
                let plain =
                    |item: &Item| item.as_str().map_or_else(|| item.to_string().trim().to_owned(), str::to_owned);
                table.iter().map(|(key, item)| (key.to_owned(), plain(item))).collect()
            })
            .unwrap_or_default();
        Ok(Context { brokers, admin: text("admin"), options: options.into_iter().collect() })
    }

    pub(crate) fn put(&mut self, name: &str, context: &Context) {
        let mut entry = Table::new();
        entry["brokers"] = value(&context.brokers);
        if let Some(admin) = &context.admin {
            entry["admin"] = value(admin);
        }
        if !context.options.is_empty() {
            let mut options = Table::new();
            for (key, text) in &context.options {
                options[key] = value(text);
            }
            entry["options"] = Item::Table(options);
        }
        let all = self.text.entry("contexts").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if all.as_table_like().is_none() {
            *all = Item::Table(Table::new());
        }
        all[name] = Item::Table(entry);
    }

    pub(crate) fn make_current(&mut self, name: &str) {
        self.text["current"] = value(name);
    }

    /// Takes a context out; a current one leaves no current one.
    pub(crate) fn remove(&mut self, name: &str) {
        if let Some(all) = self.text.get_mut("contexts").and_then(Item::as_table_like_mut) {
            all.remove(name);
        }
        if self.current() == Some(name) {
            // The key stays, since a comment may hang on it.
            self.text["current"] = value("");
        }
    }

    /// Writes the file whole, or not at all.
    pub(crate) fn save(&self) -> Result<(), Fault> {
        let Some(path) = &self.path else {
            return Err(Fault::failed("there is no file to keep contexts in")
                .because("CALLBOARD_CONTEXTS is empty, or neither XDG_CONFIG_HOME nor HOME is set")
                .hint("set CALLBOARD_CONTEXTS to a path"));
        };
        let failed = |error: std::io::Error| {
            Fault::failed(format!("{} cannot be written", path.display())).because(error.to_string())
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut beside = path.clone().into_os_string();
        beside.push(format!(".{}", std::process::id()));
        std::fs::write(&beside, self.text.to_string()).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(|error| {
            std::fs::remove_file(&beside).ok();
            failed(error)
        })
    }
}

/// Notes where a node for development is, as context `dev`; it becomes the current one if there is none.
///
/// The error says why it could not be noted; the node runs all the same.
pub fn remember_dev(brokers: &str, admin: &str) -> Result<(), String> {
    let remember = || -> Result<(), Fault> {
        let mut contexts = Contexts::load()?;
        if contexts.path.is_none() {
            return Ok(());
        }
        let options = contexts.get(DEV).map(|context| context.options).unwrap_or_default();
        contexts.put(DEV, &Context { brokers: brokers.to_owned(), admin: Some(admin.to_owned()), options });
        if contexts.current().is_none() {
            contexts.make_current(DEV);
        }
        contexts.save()
    };
    remember().map_err(|fault| fault.why.map_or(fault.message.clone(), |why| format!("{}: {why}", fault.message)))
}

fn unreadable(path: &std::path::Path, why: &str) -> Fault {
    Fault::new(Exit::BadConfig, format!("the contexts in {} cannot be read", path.display()))
        .because(why)
        .hint("correct the file, or move it away")
}

/// Where contexts are kept.
fn place(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    if let Some(path) = variable("CALLBOARD_CONTEXTS") {
        return (!path.as_os_str().is_empty()).then_some(path);
    }
    let folder = variable("XDG_CONFIG_HOME")
        .filter(|folder| folder.is_absolute())
        .or_else(|| variable("HOME").filter(|home| !home.as_os_str().is_empty()).map(|home| home.join(".config")))?;
    Some(folder.join("callboard").join("contexts.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context {
            brokers: "a:9092,b:9092".to_owned(),
            admin: Some("http://a:10092".to_owned()),
            options: vec![("client.id".to_owned(), "me".to_owned()), ("linger.ms".to_owned(), "5".to_owned())],
        }
    }

    #[test]
    fn a_context_is_read_back_as_it_was_put_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("contexts.toml");
        let mut contexts = Contexts::load_from(Some(path.clone())).unwrap();
        assert!(contexts.names().is_empty());
        contexts.put("staging", &context());
        contexts.make_current("staging");
        contexts.save().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("# mine\n{text}")).unwrap();

        let mut contexts = Contexts::load_from(Some(path.clone())).unwrap();
        assert_eq!(contexts.names(), ["staging"]);
        assert_eq!(contexts.current(), Some("staging"));
        assert_eq!(contexts.get("staging").unwrap(), context());
        contexts.remove("staging");
        contexts.save().unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("# mine"));
        let contexts = Contexts::load_from(Some(path)).unwrap();
        assert_eq!((contexts.current(), contexts.names().len()), (None, 0));
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest() {
        let mut contexts = Contexts::load_from(None).unwrap();
        contexts.put("staging", &context());
        assert_eq!(contexts.get("stagign").unwrap_err().hint.unwrap(), "did you mean 'staging'?");
        assert_eq!(contexts.get("stagign").unwrap_err().exit, Exit::NotFound);
    }

    #[test]
    fn a_damaged_file_is_named_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("contexts.toml");
        std::fs::write(&path, "contexts = [").unwrap();
        let fault = Contexts::load_from(Some(path.clone())).unwrap_err();
        assert_eq!(fault.exit, Exit::BadConfig);
        assert!(fault.message.contains("contexts.toml"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "contexts = [");
    }

    #[test]
    fn the_file_lies_where_the_variables_say() {
        let with = |pairs: &'static [(&str, &str)]| {
            place(move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("CALLBOARD_CONTEXTS", "/x/c.toml"), ("HOME", "/h")]), Some(PathBuf::from("/x/c.toml")));
        assert_eq!(with(&[("CALLBOARD_CONTEXTS", ""), ("HOME", "/h")]), None);
        assert_eq!(with(&[("XDG_CONFIG_HOME", "/c")]), Some(PathBuf::from("/c/callboard/contexts.toml")));
        assert_eq!(with(&[("HOME", "/h")]), Some(PathBuf::from("/h/.config/callboard/contexts.toml")));
        assert_eq!(with(&[]), None);
    }
}
