//! The shape of the code, held: who may use whom, and how long a file may be.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A file uses only lines above its own; names on one line do not know each other.
const LAYERS: [&[&str]; 17] = [
    &["base"],
    &["protocol"],
    &["config"],
    &["web", "store"],
    &["audit"],
    &["user_source", "provider", "upstream", "hooks"],
    &["issuer", "vault", "secrets"],
    &["connect"],
    &["gateway"],
    &["execution"],
    &["schedule"],
    &["mcp", "api", "connections"],
    &["reload", "routes", "server", "tasks"],
    &["admin"],
    &["app"],
    &["demo"],
    &["cli"],
];

/// Crates that only some folders may name, because they stand for something there.
const KEPT_TO: [(&str, &[&str]); 5] = [
    ("sled", &["store"]),
    (
        "axum",
        &[
            "web",
            "user_source",
            "connect",
            "connections",
            "issuer",
            "mcp",
            "api",
            "routes",
            "server",
            "admin",
            "app",
            "demo",
        ],
    ),
    ("hyper_util", &["upstream", "server"]),
    ("clap", &["cli"]),
    ("openidconnect", &["user_source"]),
];

const LONGEST_FILE: usize = 400;

/// The Rust files below a folder of the package, with their text.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(path.clone(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(folder),
        &mut found,
    );
    found
}

/// The top module of a file: its folder under `src`, or the file's own name.
fn module(path: &Path) -> String {
    let inside = path
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    let first = inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&module))
}

/// A file without its comments.
fn code(source: &str) -> String {
    let lines = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules that a file names after `crate::`, also in groups.
fn uses(source: &str) -> Vec<String> {
    let code = code(source);
    let word = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            for part in group.split_inclusive(['{', '}', ',']) {
                if depth == 0 {
                    found.push(word(part.trim_start()));
                }
                match part.chars().last() {
                    Some('{') => depth += 1,
                    Some('}') if depth == 0 => break,
                    Some('}') => depth -= 1,
                    _ => {}
                }
            }
        } else {
            found.push(word(rest));
        }
    }
    found.retain(|module| !module.is_empty());
    found
}

#[test]
fn files_use_only_the_layers_above_their_own() {
    for (path, source) in sources("src") {
        let module = module(&path);
        let Some(own) = layer(&module) else {
            assert!(
                ["lib", "main"].contains(&module.as_str()),
                "{module} has no layer; give it one in tests/it/tidy.rs"
            );
            continue;
        };
        for used in uses(&source) {
            let Some(other) = layer(&used) else { continue };
            assert!(
                other < own || used == module,
                "{}: `{module}` must not use `{used}`: it stands beside or below it (DESIGN §3, Layers)",
                path.display()
            );
        }
    }
}

#[test]
fn crates_stay_where_they_belong() {
    // Unit tests stand up servers of their own.
    let is_test = |path: &Path| {
        path.file_stem()
            .is_some_and(|stem| stem.to_str().unwrap().starts_with("tests"))
    };
    for (path, source) in sources("src")
        .into_iter()
        .filter(|(path, _)| !is_test(path))
    {
        let module = module(&path);
        for (name, allowed) in KEPT_TO {
            let named = code(&source).lines().any(|line| {
                let line = line.trim_start().trim_start_matches("pub ");
                let used = line
                    .strip_prefix("use ")
                    .map(|path| path.trim_start_matches("::"));
                used.is_some_and(|path| path.starts_with(&format!("{name}::")))
                    || line.contains(&format!("::{name}::"))
            });
            assert!(
                !named || allowed.contains(&module.as_str()),
                "{}: only {allowed:?} may use {name}",
                path.display()
            );
        }
    }
}

#[test]
fn files_are_short_enough_to_be_held_in_the_head() {
    for (path, source) in sources("src") {
        let lines = source.lines().count();
        assert!(
            lines <= LONGEST_FILE,
            "{} has {lines} lines; split it where the meaning splits",
            path.display()
        );
        assert!(
            source.starts_with("//!") || path.ends_with("tests.rs"),
            "{} does not say what it owns",
            path.display()
        );
    }
}

/// A document that says what a test holds must not outlive the test.
#[test]
fn documents_name_tests_that_are_there() {
    let [code, tests] = ["src", "tests/it"].map(sources);
    let is_there = |name: &str| {
        let written = format!("fn {name}()");
        let mut texts = code.values().chain(tests.values());
        texts.any(|text| text.contains(&written))
    };
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connections.md");
    let text = fs::read_to_string(document).unwrap();
    let table = text.split("## Troubles").nth(1).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| "));
    let named: Vec<&str> = rows
        .filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 40, "{}", named.len());
    for name in named {
        assert!(is_there(name), "{name}");
    }
}
