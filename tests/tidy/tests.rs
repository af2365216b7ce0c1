//! Every rule finds what it is for, in a house made for it; and the real house is in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::blank::blank;
use crate::manifest::Manifest;

/// A small house in a temporary folder, in order until a test breaks it.
struct House(PathBuf);

impl House {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("callboard-tidy-{}-{number}", std::process::id()));
        let house = Self(root);
        house.write("Cargo.toml", "[workspace]\nmembers = [\n  \"src/model\", # vocabulary\n  \"src/partition\",\n  \"actors\"]\n[package]\nname = \"callboard\"\n[lints]\nworkspace = true\n");
        for file in ["Cargo.lock", "LICENSE", "README.md", "examples/README.md", "tests/README.md", "deploy/README.md"]
        {
            house.write(file, "text\n");
        }
        house.write("src/model/Cargo.toml", &manifest(""));
        house.write("src/model/lib.rs", "//! The vocabulary.\n");
        house.write("src/partition/Cargo.toml", &manifest("callboard-model.workspace = true\n"));
        house.write("src/partition/lib.rs", "//! Machines.\n");
        house.write("actors/Cargo.toml", &manifest("actix.workspace = true\ncallboard-partition.workspace = true\n"));
        house.write("actors/lib.rs", "//! Shells.\n");
        house
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// What is found: `file:line: rule`, without the advice.
    fn found(&self) -> Vec<String> {
        let findings = inspect(&self.0).unwrap();
        findings.all.iter().map(|one| format!("{}:{}: {}", one.file, one.line, one.rule)).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn manifest(dependencies: &str) -> String {
    format!("[package]\nname = \"x\"\n\n[dependencies]\n{dependencies}\n[lints]\nworkspace = true\n")
}

/// What is found after one file was written.
fn found_with(file: &str, text: &str) -> Vec<String> {
    let house = House::new();
    house.write(file, text);
    house.found()
}

#[test]
fn the_real_house_is_in_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let findings = inspect(&root).unwrap();
    assert!(!findings.failed(), "\n{findings}");
}

#[test]
fn a_house_in_order_has_no_findings() {
    assert_eq!(House::new().found(), [""; 0]);
}

#[test]
fn a_room_that_uses_a_neighbour_is_found() {
    let text = manifest("callboard-wire.workspace = true\n");
    assert_eq!(found_with("src/partition/Cargo.toml", &text), ["src/partition/Cargo.toml:5: layers"]);
    let text =
        manifest("callboard-model = { path = \"../model\" }\n[dev-dependencies.callboard-storage]\npath = \"x\"\n");
    assert_eq!(found_with("src/partition/Cargo.toml", &text), ["src/partition/Cargo.toml:6: layers"]);
}

#[test]
fn a_crate_outside_its_wall_is_found_under_any_spelling() {
    for dependency in ["rocksdb.workspace = true", "rocksdb = \"1\"", "db = { package = \"rocksdb\", version = \"1\" }"]
    {
        let text = manifest(&format!("{dependency}\n"));
        assert_eq!(found_with("src/model/Cargo.toml", &text), ["src/model/Cargo.toml:5: walls"], "{dependency}");
    }
    for name in ["actix", "config", "rmp-serde", "rmp_serde", "openraft", "tracing-subscriber", "tokio"] {
        let text = manifest(&format!("{name} = \"1\"\n"));
        assert_eq!(found_with("src/model/Cargo.toml", &text), ["src/model/Cargo.toml:5: walls"], "{name}");
    }
    let text = format!("{}[target.'cfg(unix)'.dependencies]\nactix = \"1\"\n", manifest(""));
    assert_eq!(found_with("src/model/Cargo.toml", &text), ["src/model/Cargo.toml:9: walls"]);
}

#[test]
fn what_the_workspace_only_lists_is_used_by_nobody() {
    let text = "[workspace.dependencies]\nrocksdb = \"1\" # \"x\"\n[dependencies]\nserde = \"1\"\n";
    assert_eq!(Manifest::parse(text).dependencies, [("serde".to_owned(), 4)]);
}

#[test]
fn a_room_that_is_no_member_or_not_on_the_plan_is_found() {
    assert_eq!(found_with("src/wire/Cargo.toml", &manifest("")), ["src/wire/Cargo.toml:0: members"]);
    assert_eq!(
        found_with("src/attic/Cargo.toml", &manifest("")),
        ["src/attic/Cargo.toml:0: members", "src/attic/Cargo.toml:0: plan"]
    );
    let apart = format!("[workspace]\n{}", manifest("rocksdb = \"1\"\n"));
    assert_eq!(found_with("tests/compare/Cargo.toml", &apart), [""; 0]);
}

#[test]
fn a_manifest_without_the_house_s_lints_is_found() {
    assert_eq!(found_with("src/model/Cargo.toml", "[package]\nname = \"x\"\n"), ["src/model/Cargo.toml:0: lints"]);
}

#[test]
fn tidy_itself_uses_no_crate() {
    let house = House::new();
    house.write("Cargo.toml", "[workspace]\nmembers = [\"src/model\", \"src/partition\", \"actors\", \"tests/tidy\"]\n[lints]\nworkspace = true\n");
    house.write("tests/tidy/Cargo.toml", &manifest("serde = \"1\"\n"));
    assert_eq!(house.found(), ["tests/tidy/Cargo.toml:5: layers"]);
}

#[test]
fn a_clock_or_chance_in_a_machine_is_found_even_in_its_tests() {
    for word in ["Instant::now()", "std::time::SystemTime::now()", "rand::random()"] {
        let text = format!("//! Job.\nfn f() {{\n    {word};\n}}\n");
        assert_eq!(found_with("src/partition/leader.rs", &text), ["src/partition/leader.rs:3: machines"], "{word}");
        assert_eq!(found_with("src/partition/leader/tests.rs", &text), ["src/partition/leader/tests.rs:3: machines"]);
        assert_eq!(found_with("actors/shell.rs", &text), [""; 0], "{word}");
    }
    let told = "//! Job.\n// Instant::now() is not used.\nconst X: &str = \"Instant::now()\";\nfn operand::f() {}\n";
    assert_eq!(found_with("src/partition/leader.rs", told), [""; 0]);
}

#[test]
fn io_in_a_machine_is_found_outside_of_its_tests() {
    let text = "//! Job.\nuse std::fs;\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n";
    assert_eq!(found_with("src/partition/leader.rs", text), ["src/partition/leader.rs:2: machines"]);
}

#[test]
fn a_file_that_does_not_tell_its_job_is_found() {
    for text in ["", "fn f() {}\n", "//!\n", "// A comment.\n", "\n//! Late.\n"] {
        assert_eq!(found_with("actors/shell.rs", text), ["actors/shell.rs:1: header"], "{text:?}");
    }
    assert_eq!(found_with("actors/shell/tests.rs", "#[test]\n"), [""; 0], "its name says its job");
}

#[test]
fn leftovers_are_found_in_code_and_only_there() {
    // Put together here, so that this file does not hold them.
    for (word, line) in [("todo", "!()"), ("unimplemented", "!()"), ("dbg", "!(x)"), ("#[ign", "ore]")] {
        let text = format!("//! Job.\nfn f() {{\n    {word}{line}\n}}\n");
        assert_eq!(found_with("actors/shell.rs", &text), ["actors/shell.rs:3: leftovers"], "{word}");
        let told = format!("//! Job.\n// {word}{line}\n");
        assert_eq!(found_with("actors/shell.rs", &told), [""; 0], "{word}");
    }
}

#[test]
fn a_long_file_warns_and_a_longer_one_fails() {
    let of = |lines: usize| format!("//! Job.\n{}", "fn f() {}\n".repeat(lines - 1));
    for (lines, found, failed) in [(500, 0, false), (501, 1, false), (800, 1, false), (801, 1, true)] {
        let house = House::new();
        house.write("actors/shell.rs", &of(lines));
        let findings = inspect(&house.0).unwrap();
        assert_eq!((findings.all.len(), findings.failed()), (found, failed), "{lines} lines");
    }
}

#[test]
fn a_bare_unwrap_warns_outside_of_tests() {
    let text = "//! Job.\nfn f() { x.unwrap(); }\n#[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }\n";
    let house = House::new();
    house.write("actors/shell.rs", text);
    assert_eq!(house.found(), ["actors/shell.rs:2: unwrap"]);
    assert!(!inspect(&house.0).unwrap().failed());
}

#[test]
fn an_address_in_a_public_signature_is_found_outside_the_runtime() {
    let text =
        "//! Job.\npub fn leader() -> Addr<Leader> {}\nfn own() -> Addr<Leader> {}\npub fn a(x: HostAddr<u8>) {}\n";
    assert_eq!(found_with("actors/shell.rs", text), ["actors/shell.rs:2: addresses"]);
    assert_eq!(found_with("actors/runtime/cell.rs", text), [""; 0]);
}

#[test]
fn something_more_or_less_at_the_top_is_found() {
    assert_eq!(found_with("Makefile", "all:\n"), ["Makefile:0: top level"]);
    assert_eq!(found_with(".editorconfig", "x\n"), [""; 0]);
    let house = House::new();
    fs::remove_file(house.0.join("LICENSE")).unwrap();
    house.write(".gitignore", "/target\n");
    house.write("target/debug/x.rs", "x\n");
    assert_eq!(house.found(), ["LICENSE:0: top level"]);
}

#[test]
fn a_name_that_names_nothing_is_found() {
    for file in ["actors/utils.rs", "actors/topic_helper.rs", "actors/common/x.rs", "tests/base-image/x.sh"] {
        assert_eq!(found_with(file, "//! Job.\n"), [format!("{file}:0: names")]);
    }
    assert_eq!(found_with("actors/database.rs", "//! Job.\n"), [""; 0]);
}

#[test]
fn a_path_below_someone_s_home_is_found_in_any_text() {
    for folder in ["home", "root", "Users"] {
        let text = format!("fine\ncd /{folder}/someone\n");
        assert_eq!(found_with("deploy/start", &text), ["deploy/start:2: home paths"]);
        let text = format!("a/{folder}/b $X/{folder}/c ./{folder}/d\n");
        assert_eq!(found_with("deploy/start", &text), [""; 0]);
    }
}

#[test]
fn findings_are_told_with_place_rule_and_advice() {
    let house = House::new();
    house.write("actors/shell.rs", "fn f() {}\n");
    let text = inspect(&house.0).unwrap().to_string();
    assert_eq!(text, "actors/shell.rs:1: header: open the file with a `//!` line that says its job\n");
}

#[test]
fn blanking_keeps_code_and_lines_and_nothing_else() {
    let cases = [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        (r#"f("x\"y") + g"#, "f( ) + g"),
        ("r#\"a\"b\"# + c", "+ c"),
        ("b\"x\" br\"y\" bar", "bar"),
        ("'x' '\\'' '\\n' 'a: &'static", "'a: &'static"),
        ("for'a'b", "for b"),
        ("\"ä\" + 'ß'", "+"),
    ];
    for (source, words) in cases {
        let blanked = blank(source);
        assert_eq!(blanked.split_whitespace().collect::<Vec<_>>().join(" "), words, "{source}");
        assert_eq!((blanked.len(), blanked.lines().count()), (source.len(), source.lines().count()), "{source}");
    }
    for cut in ["\"open", "/* open", "r#\"open\"", "'\\", "b'", "'"] {
        assert!(blank(cut).len() <= cut.len().max(1), "{cut}");
    }
}
