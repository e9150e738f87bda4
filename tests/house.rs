//! The order of the modules, and the tests that documents name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The modules in the order of `src/lib.rs`: each may name only those before it.
const ORDER: &[&str] = &[
    "day",
    "sample",
    "files",
    "printable",
    "telemetry",
    "platform",
    "yaml",
    "source",
    "config",
    "client",
    "store",
    "discovery",
    "exposition",
    "poller",
    "history",
    "http",
    "cli",
];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust file below `src`, with the module that it belongs to.
pub(crate) fn sources() -> Vec<(String, PathBuf)> {
    let mut folders = vec![root().join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(root().join("src")).unwrap();
                let first = relative.iter().next().unwrap().to_str().unwrap();
                files.push((first.trim_end_matches(".rs").to_owned(), path));
            }
        }
    }
    files.retain(|(module, _)| module != "lib" && module != "main");
    files
}

/// The code of a file, without its comments and without its tests.
pub(crate) fn code(path: &Path) -> String {
    let text = read(path);
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

pub(crate) fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part.to_string_lossy().trim_end_matches(".rs").ends_with("tests"))
}

/// The modules that `code` names after `crate::`, also in braces.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (place, _) in code.match_indices("crate::") {
        let rest = &code[place + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split('}').next().unwrap().split(',').map(|item| word(item.trim()))),
            None => drop(names.insert(word(rest))),
        }
    }
    names
}

#[test]
fn each_module_names_only_those_before_it() {
    let place = |module: &str| ORDER.iter().position(|other| *other == module);
    let mut checked = 0;
    for (module, path) in sources().into_iter().filter(|(_, path)| !is_test(path)) {
        for name in named(&code(&path)) {
            let Some(named) = place(&name) else {
                let simulates = name == "simulator" && (module == "simulator" || module == "cli");
                assert!(simulates, "{} names {name}", path.display());
                continue;
            };
            checked += 1;
            match place(&module) {
                Some(own) => assert!(named <= own, "{} names {name}, which comes after it", path.display()),
                None => assert_eq!((module.as_str(), name.as_str()), ("simulator", "day"), "{}", path.display()),
            }
        }
    }
    assert!(checked > 100, "the test must see the modules: {checked}");
}

#[test]
fn lib_rs_lists_the_modules_in_their_order() {
    let lib = read("src/lib.rs");
    let listed: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("//! * [`")?.split('`').next()).collect();
    let expected: Vec<_> = ORDER.iter().filter(|module| lib.contains(&format!("pub mod {module};"))).copied().collect();
    assert_eq!(listed, expected);
}

#[test]
fn libraries_stay_in_their_rooms() {
    let rooms: &[(&str, &[&str])] = &[
        ("prometheus_client", &["telemetry", "exposition"]),
        ("rusqlite", &["store"]),
        ("reqwest::Client", &["client", "history", "http"]),
        ("clap", &["cli"]),
        ("anyhow", &["cli"]),
        ("serde_yaml", &["yaml"]),
    ];
    for (library, modules) in rooms {
        for (module, path) in sources().into_iter().filter(|(_, path)| !is_test(path)) {
            let names = code(&path).contains(&format!("{library}::"));
            assert!(!names || modules.contains(&module.as_str()), "{} names {library}", path.display());
        }
    }
}

#[test]
fn the_architecture_names_the_modules_in_their_order() {
    let text = read("docs/architecture.md");
    let (_, chapter) = text.split_once("\n## The modules\n").expect("the chapter");
    let items = chapter.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("- `"));
    let named: Vec<_> = items.flat_map(|item| item.split("`:").next().unwrap().split("`, `")).collect();
    assert_eq!(named, ORDER);
}

/// The functions with `#[test]` or `#[tokio::test]` in a file.
pub(crate) fn tests_of(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let marked = text.split("test]\n").chain(text.split("test(flavor = \"multi_thread\")]\n")).skip(1);
    let name = |code: &str| {
        let code = code.lines().find(|line| !line.trim_start().starts_with("#["))?.trim_start();
        let code = code.strip_prefix("async ").unwrap_or(code).strip_prefix("fn ")?;
        Some(code.split('(').next()?.to_owned())
    };
    marked.filter_map(name).collect()
}

#[test]
fn every_fault_of_reliability_md_has_a_test() {
    let text = read("docs/reliability.md");
    let (text, _) = text.split_once("\n## Weeks").expect("the chapter after the faults");
    let mut rows = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what ")) {
        let cells: Vec<_> = row.split(" | ").collect();
        assert_eq!(cells.len(), 5, "{row}");
        let named: Vec<_> = cells[4].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "{row}");
        for test in named {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            assert!(tests_of(file).contains(name), "{file} has no test {name}");
        }
        rows += 1;
    }
    assert!(rows >= 60, "{rows}");
}
