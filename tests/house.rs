//! The order of the modules, and the documents against the code.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use imstats_exporter::config::known_keys;
use imstats_exporter::source::{Combine, Span, Unit, apis};

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

/// The table of all metrics, as README.md has it.
fn metrics_table() -> String {
    let mut text = String::new();
    for api in apis() {
        let _ = writeln!(text, "\n**`{}`**: [{}]({}), `{}`\n", api.name, api.title, api.page, api.path);
        let mut last: *const imstats_exporter::source::Field = std::ptr::null();
        for table in api.tables {
            let labels: Vec<_> = ["account"].iter().chain(table.labels).copied().collect();
            let _ = writeln!(text, "- `{}*{{{}}}`: {}", prefix(table), labels.join(","), table.of);
        }
        for table in api.tables {
            // Tables of one API mostly share their fields.
            if std::ptr::eq(last, table.fields.as_ptr()) {
                continue;
            }
            last = table.fields.as_ptr();
            text.push_str("\n| field | metric ends with | what it is | combine |\n|---|---|---|---|\n");
            for field in table.fields {
                let suffix = if field.suffix.is_empty() {
                    "(the prefix alone)".to_owned()
                } else {
                    format!("`{}`", field.suffix)
                };
                let end = if field.span == Span::EndOfDay { " \\*" } else { "" };
                let unit = match field.unit {
                    Unit::Minutes => " (minutes, shown as seconds)",
                    Unit::Percent => " (percent, shown as 0 to 1)",
                    _ => "",
                };
                let combine = match field.combine {
                    Combine::Sum | Combine::Repeats(_)
                        if table.overlap.is_some() && api.tables.iter().all(|table| table.overlap.is_some()) =>
                    {
                        "no".to_owned()
                    }
                    Combine::Sum => "sum".to_owned(),
                    Combine::Repeats(whom) => format!("sum, which counts {whom} several times"),
                    Combine::Weighted(by) => format!("average by {}", by.join(" × ")),
                    Combine::Never(_) => "no".to_owned(),
                };
                let _ = writeln!(text, "| `{}`{end} | {suffix} | {}{unit} | {combine} |", field.name, field.help);
            }
        }
    }
    let _ = writeln!(text, "\n**Names** to join on, value 1:\n");
    let mut infos: Vec<_> = apis().into_iter().flat_map(|api| api.infos).collect();
    infos.sort_by_key(|info| info.name);
    infos.dedup_by_key(|info| info.name);
    for info in infos {
        let parent = info.parent.map(|parent| format!("{parent},")).unwrap_or_default();
        let when = if info.people { " (only with `names: true`)" } else { "" };
        let _ = writeln!(text, "- `{}{{account,{},{parent}name}}`: {}{when}", info.name, info.id, info.help);
    }
    text
}

fn prefix(table: &imstats_exporter::source::Table) -> String {
    if table.fields.iter().any(|field| field.suffix.is_empty()) {
        table.prefix.to_owned()
    } else {
        format!("{}_", table.prefix)
    }
}

/// Compares what stands between the marks of `file` with `expected`; `UPDATE_FIXTURES=1` writes it there instead.
fn between_marks(file: &str, mark: &str, expected: &str) {
    let text = read(file);
    let (start, end) = (format!("<!-- {mark} -->\n"), format!("<!-- end of {mark} -->\n"));
    let from = text.find(&start).unwrap_or_else(|| panic!("{file} has no {start}")) + start.len();
    let to = text.find(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::write(root().join(file), format!("{}{expected}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(&text[from..to], expected, "{file}: run the tests once with UPDATE_FIXTURES=1");
    }
}

/// README in both languages, which say the same.
const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// The Chinese words around the table's rows, which are the same as HELP in both languages.
const CHINESE: &[(&str, &str)] = &[
    ("| field | metric ends with | what it is | combine |", "| 字段 | 指标名结尾 | 含义 | 合并 |"),
    ("**Names** to join on, value 1:", "用来关联的**名称**，值为 1："),
    ("(only with `names: true`)", "（仅当 `names: true`）"),
];

#[test]
fn readmes_list_every_metric() {
    let [english, chinese] = READMES;
    let mut table = metrics_table();
    between_marks(english, "metrics", &table);
    for (words, in_chinese) in CHINESE {
        assert!(table.contains(words), "{words}");
        table = table.replace(words, in_chinese);
    }
    between_marks(chinese, "metrics", &table);
}

/// What stands in `marks` in the first cell of each row of each table: it has the same names in every language.
fn first_cells(text: &str) -> Vec<Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| ") || line.starts_with("|-"));
    rows.map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect()).collect()
}

/// The fenced blocks, without comments.
fn blocks(text: &str) -> Vec<String> {
    let code = |line: &str| line.split("  #").next().unwrap().trim_end().to_owned();
    text.split("```").skip(1).step_by(2).map(|block| block.lines().map(code).collect::<Vec<_>>().join("\n")).collect()
}

#[test]
fn both_readmes_say_the_same() {
    let [english, chinese] = READMES.map(read);
    assert_eq!(first_cells(&english), first_cells(&chinese));
    assert_eq!(blocks(&english), blocks(&chinese));
    let headings = |text: &str| -> Vec<usize> {
        let lines = text.lines().filter(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '));
        lines.map(|line| line.len() - line.trim_start_matches('#').len()).collect()
    };
    assert_eq!(headings(&english), headings(&chinese));
    let questions =
        |text: &str, mark: &str| text.lines().filter(|line| line.starts_with("**") && line.contains(mark)).count();
    assert_eq!(questions(&english, "?**"), questions(&chinese, "？**"));
    let targets = |text: &str| -> BTreeSet<String> {
        // The pictures are of dashboards in the language of the text.
        let links = links(text).into_iter().filter(|link| !READMES.contains(&link.as_str()));
        links.map(|link| link.replace("images/zh/", "images/")).collect()
    };
    assert_eq!(targets(&english), targets(&chinese));
}

/// Where the links of a Markdown text lead.
fn links(text: &str) -> Vec<String> {
    text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

/// The documents, relative to the top of the tree.
fn documents() -> Vec<PathBuf> {
    let of = |folder: &str| std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let all = of(".").chain(of("docs")).filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    all.map(|path| path.strip_prefix(root()).unwrap().components().collect()).collect()
}

#[test]
fn links_in_documents_lead_to_files_that_exist() {
    let mut seen = 0;
    for document in documents() {
        let folder = document.parent().unwrap().to_owned();
        for link in links(&read(&document)).iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let path = root().join(&folder).join(link.split('#').next().unwrap());
            assert!(path.exists(), "{}: {link}", document.display());
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}

#[test]
fn the_architecture_names_the_modules_in_their_order() {
    let text = read("docs/architecture.md");
    let (_, chapter) = text.split_once("\n## The modules\n").expect("the chapter");
    let items = chapter.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("- `"));
    let named: Vec<_> = items.flat_map(|item| item.split("`:").next().unwrap().split("`, `")).collect();
    assert_eq!(named, ORDER);
}

#[test]
fn readmes_name_every_flag_and_no_other() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_imstats_exporter")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || "-.".contains(c)));
        let flags = words
            .filter(|word| ["--config.", "--web.", "--storage.", "--log."].iter().any(|start| word.starts_with(start)));
        flags.map(|flag| flag.trim_end_matches('.').to_owned()).collect()
    };
    assert!(flags(&help).len() >= 8, "{help}");
    for readme in READMES {
        assert_eq!(flags(&read(readme)), flags(&help), "{readme}");
    }
}

#[test]
fn readme_names_only_keys_that_exist() {
    let known: BTreeSet<_> =
        known_keys().iter().map(|key| key.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned()).collect();
    let readme = read("README.md");
    let (_, chapter) = readme.split_once("## Configuration").expect("the chapter");
    let chapter = chapter.split("\n## ").next().unwrap();
    let mut seen = 0;
    for row in chapter.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| `--")) {
        for key in row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2) {
            assert!(known.contains(key), "README.md names the key {key}");
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen}");
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
