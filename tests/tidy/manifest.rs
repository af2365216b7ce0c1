//! As much of TOML as a `Cargo.toml` of this house needs.

/// A manifest, as far as the rules look at it.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    /// Crates used, with the line that says so; renamed ones by their real name.
    pub(crate) dependencies: Vec<(String, usize)>,
    /// Members of the workspace, if this is its root.
    pub(crate) members: Vec<String>,
    /// Whether a workspace begins here.
    pub(crate) is_workspace: bool,
    /// Whether the workspace's lints apply.
    pub(crate) takes_lints: bool,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Self {
        let mut manifest = Self::default();
        let mut section = String::new();
        let mut in_members = false;
        for (at, raw) in text.lines().enumerate() {
            let line = without_comment(raw).trim();
            if in_members {
                in_members = !line.contains(']');
                manifest.members.extend(quoted(line));
            } else if let Some(header) = line.strip_prefix('[') {
                section = header.trim_matches(['[', ']']).trim().to_owned();
                manifest.is_workspace |= section == "workspace";
                if let Some(name) = dependency_header(&section) {
                    manifest.dependencies.push((name.to_owned(), at + 1));
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let (key, value) = (key.trim().trim_matches('"'), value.trim());
                manifest.takes_lints |= section == "lints" && key == "workspace" && value == "true";
                if section == "workspace" && key == "members" {
                    manifest.members.extend(quoted(value));
                    in_members = !value.contains(']');
                } else if is_dependencies(&section) {
                    // `a.workspace = true` and `a = { … }` both name crate `a`.
                    let name = key.split('.').next().unwrap_or(key).trim_matches('"');
                    manifest.dependencies.push((real_name(value).unwrap_or(name).to_owned(), at + 1));
                } else if dependency_header(&section).is_some() && key == "package" {
                    let renamed = quoted(value).next().unwrap_or_default();
                    manifest.dependencies.push((renamed, at + 1));
                }
            }
        }
        manifest
    }
}

const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// `dependencies`, `dev-dependencies`, `target.'cfg(unix)'.dependencies`; not `workspace.dependencies`, which uses nothing.
fn is_dependencies(section: &str) -> bool {
    let kind = section.rsplit('.').next().unwrap_or(section);
    KINDS.contains(&kind) && (section == kind || section.starts_with("target."))
}

/// The crate of a section `[dependencies.crate]`.
fn dependency_header(section: &str) -> Option<&str> {
    let (before, name) = section.rsplit_once('.')?;
    is_dependencies(before).then_some(name)
}

/// The crate behind `{ package = "…" }`.
fn real_name(value: &str) -> Option<&str> {
    let (_, after) = value.split_once("package")?;
    let after = after.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?;
    after.split('"').next()
}

fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('"').skip(1).step_by(2).map(str::to_owned)
}

/// A line up to a `#` that does not stand between quotes.
fn without_comment(line: &str) -> &str {
    let mut inside = false;
    for (at, letter) in line.char_indices() {
        match letter {
            '"' => inside = !inside,
            '#' if !inside => return &line[..at],
            _ => {}
        }
    }
    line
}
