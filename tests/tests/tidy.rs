//! The house rules that a compiler does not know: who may depend on whom, what is pure, how long a file is.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xb_pipeline::process::Invocation;
use xb_tests::files::files_below;

/// The floor each crate is on. A crate knows only crates on floors below its own.
const FLOORS: [(&str, u32); 10] = [
    ("xb-core", 0),
    ("xb-formats", 0),
    ("xb-pipeline", 1),
    ("xb-catalog", 2),
    ("xb-binlog", 2),
    ("xb-sandbox", 2),
    ("xb-engine", 3),
    ("pyxbackup-cli", 4),
    ("xb-tests", 5),
    ("xtask", 6),
];
/// The one edge along a floor: codecs speak in the words of the vocabulary.
const ALONG: (&str, &str) = ("xb-formats", "xb-core");
/// Crates without a world outside.
const PURE: [&str; 2] = ["xb-core", "xb-formats"];
/// The world outside, as `std` has it.
const WORLD: [&str; 6] = ["fs", "net", "env", "process", "thread", "time::SystemTime"];
/// Longer than that, a file is two.
const LINES: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A source file: its path in the workspace, and its text.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// What stands before the tests in it; nothing of a file that is all tests.
    fn before_tests(&self) -> &str {
        let all_tests = self.path.iter().any(|part| part == "tests" || part == "tests.rs");
        let is_ours = self.path.starts_with("tests");
        match self.text.find("#[cfg(test)]") {
            _ if all_tests && !is_ours => "",
            Some(at) => &self.text[..at],
            None => &self.text,
        }
    }
}

fn sources() -> Vec<Source> {
    let roots = ["crates", "tests", "xtask"].map(|name| root().join(name));
    let all = roots.iter().flat_map(|root| files_below(root));
    let rust = all.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let rust = rust.filter(|path| path.iter().all(|part| part != "target"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        Source { path: path.strip_prefix(root()).unwrap().to_owned(), text }
    };
    let sources: Vec<Source> = rust.map(read).collect();
    assert!(sources.len() > 100, "these are not all: {}", sources.len());
    sources
}

/// The sources of which `says` has something to say, with what it says.
fn complaints(says: impl Fn(&Source) -> Option<String>) -> Vec<String> {
    let said =
        sources().into_iter().filter_map(|source| Some((source.path.display().to_string(), says(&source)?)));
    said.map(|(path, said)| format!("{path}: {said}")).collect()
}

/// The crates of this workspace and those of them that each depends on, in whatever way.
fn edges() -> Vec<(String, String)> {
    let output = Invocation::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(root().join("Cargo.toml"))
        .output(Duration::from_secs(60))
        .unwrap();
    assert!(output.status.success(), "{}", output.stderr);
    let metadata: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let mut edges = Vec::new();
    for package in packages {
        let dependencies = package["dependencies"].as_array().unwrap();
        let ours = dependencies.iter().filter(|dependency| dependency["path"].is_string());
        edges.extend(ours.map(|dependency| (text(&package["name"]), text(&dependency["name"]))));
    }
    assert!(edges.len() > 10, "these are not all: {edges:?}");
    edges
}

#[test]
fn arrows_point_down() {
    let floors = BTreeMap::from(FLOORS);
    let floor = |name: &str| *floors.get(name).unwrap_or_else(|| panic!("on which floor is {name}?"));
    let is_wrong =
        |(from, to): &(String, String)| floor(to) >= floor(from) && (from.as_str(), to.as_str()) != ALONG;
    let wrong: Vec<_> = edges().into_iter().filter(is_wrong).collect();
    assert!(wrong.is_empty(), "these point up or along their floor: {wrong:?}");
}

#[test]
fn what_is_pure_knows_no_world_outside() {
    let world = |source: &Source| {
        let pure =
            PURE.iter().any(|name| source.path.starts_with(Path::new("crates").join(name).join("src")));
        let code = source.before_tests().lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let found = WORLD.iter().find(|part| {
            let in_braces = code.split("use std::{").skip(1).filter_map(|rest| rest.split('}').next());
            let imported =
                in_braces.flat_map(|list| list.split(',')).any(|item| item.trim().starts_with(**part));
            code.contains(&format!("std::{part}")) || imported
        });
        found.filter(|_| pure).map(|part| format!("it uses std::{part}"))
    };
    assert_eq!(complaints(world), Vec::<String>::new());
}

#[test]
fn no_file_is_too_long() {
    let long = |source: &Source| {
        let lines = source.before_tests().lines().count();
        (lines > LINES).then(|| format!("{lines} lines before its tests"))
    };
    assert_eq!(complaints(long), Vec::<String>::new());
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |source: &Source| {
        // What stands apart from its module only for its length belongs to that module's head.
        let is_apart = source.path.ends_with("tests.rs");
        (!is_apart && !source.text.starts_with("//!")).then(|| "no word at its head".to_owned())
    };
    assert_eq!(complaints(silent), Vec::<String>::new());
}

#[test]
fn nothing_is_left_for_later_and_no_test_is_skipped() {
    // In two parts, so that this file is not one of them. A process of its own for another test is no test.
    let unwanted = [
        concat!("#[ig", "nore]"),
        concat!("#[ig", "nore = "),
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
    ];
    let helper = concat!("#[ig", "nore = \"a helper process of ");
    let later = |source: &Source| {
        let text = source.text.replace(helper, "");
        unwanted.iter().find(|word| text.contains(**word)).map(|word| format!("it has {word}"))
    };
    assert_eq!(complaints(later), Vec::<String>::new());
}
