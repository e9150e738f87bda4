//! The documents against the code, and each Chinese document against the English one.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use imstats_exporter::config::known_keys;
use imstats_exporter::source::{Combine, Span, Unit, apis};

use crate::dashboards::known::own_page;
use crate::house::{read, root};

/// The tables of all metrics, as docs/metrics.md has them.
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

#[test]
fn the_page_of_metrics_lists_every_metric() {
    between_marks("docs/metrics.md", "metrics", &metrics_table());
}

/// "sum, which counts ... several times", in Chinese.
const REPEATED: &[(&str, &str)] = &[
    ("people in chats of several owners", "同时在多位群主的群里的人"),
    ("customers of several servicers", "由多位接待人员服务的客户"),
    ("users of several agents", "由多位客服服务的用户"),
];

/// A cell of the column "combine", in Chinese.
fn combine_in_chinese(cell: &str) -> String {
    match cell {
        "sum" => "相加".to_owned(),
        "no" => "不可合并".to_owned(),
        _ => match (cell.strip_prefix("sum, which counts "), cell.strip_prefix("average by ")) {
            (Some(whom), _) => {
                let whom = whom.strip_suffix(" several times").unwrap();
                let (_, whom) = REPEATED.iter().find(|(english, _)| *english == whom).expect("its Chinese words");
                format!("相加，{whom}会被计算多次")
            }
            (_, Some(by)) => format!("按 {by} 加权平均"),
            _ => panic!("{cell}: its Chinese words are missing"),
        },
    }
}

#[test]
fn the_chinese_page_of_metrics_lists_every_metric_with_its_meaning() {
    let row = |line: &str| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ']).to_owned()).collect::<Vec<_>>();
    let line = |line: &str| match &row(line)[..] {
        [field, suffix, _, combine] if line.starts_with("| `") => {
            format!("{field}, {:?}, {}", spans(suffix), combine_in_chinese(combine))
        }
        _ => format!("{:?} {:?}", spans(line), links(line)),
    };
    let expected: Vec<_> = metrics_table().lines().map(line).collect();
    let text = read("docs/zh/metrics.md");
    let (_, tables) = text.split_once("<!-- metrics -->\n").expect("the mark");
    let (tables, _) = tables.split_once("<!-- end of metrics -->").expect("the mark of the end");
    let mut found = Vec::new();
    for text in tables.lines() {
        let cells = row(text);
        if text.starts_with("| `") {
            let [field, suffix, meaning, combine] = &cells[..] else { panic!("{text}") };
            assert!(is_chinese(meaning), "{text}");
            found.push(format!("{field}, {:?}, {combine}", spans(suffix)));
        } else {
            found.push(format!("{:?} {:?}", spans(text), links(text)));
        }
    }
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected, "docs/zh/metrics.md");
    }
    assert_eq!(found.len(), expected.len(), "docs/zh/metrics.md");
}

#[test]
fn the_pages_of_metrics_name_every_metric_of_the_exporter_itself() {
    let page = own_page();
    let names: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for document in ["docs/metrics.md", "docs/zh/metrics.md"] {
        let text = read(document);
        let named = spans(&text);
        for name in &names {
            let is_named = ["", "_total", "_info"].iter().any(|end| named.contains(format!("{name}{end}").as_str()));
            assert!(is_named || name.starts_with("process_"), "{document} does not name {name}");
        }
    }
}

/// The documents that exist in both languages: the English one and the Chinese one.
fn pairs() -> Vec<(String, String)> {
    let names = std::fs::read_dir(root().join("docs/zh")).unwrap().map(|entry| entry.unwrap().file_name());
    let of = |name: std::ffi::OsString| {
        let name = name.into_string().unwrap();
        (format!("docs/{name}"), format!("docs/zh/{name}"))
    };
    let mut pairs: Vec<_> = names.map(of).collect();
    pairs.push(("README.md".to_owned(), "README.zh-CN.md".to_owned()));
    pairs.sort();
    pairs
}

fn is_chinese(text: &str) -> bool {
    text.contains(|c: char| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// A Chinese text without what only readers in China need, such as mirrors, between marks that say so.
fn without_own(text: &str) -> String {
    let Some((before, rest)) = text.split_once("<!-- only in Chinese -->\n") else { return text.to_owned() };
    let (_, after) = rest.split_once("<!-- end of only in Chinese -->\n").expect("the mark of the end");
    format!("{before}{}", without_own(after))
}

/// A text without what only those read who work on the code: the tests and constants that security.md names.
fn without_code(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(" | ") {
        Some((rest, last)) if line.starts_with('|') && (last.contains("::") || last.contains("` in `src/")) => {
            format!("{rest} |")
        }
        _ => line.to_owned(),
    };
    text.lines().map(|text| line(text) + "\n").collect()
}

/// The pieces of code within a text: keys, flags, metrics, codes, paths. Not those of fenced blocks.
fn spans(text: &str) -> BTreeSet<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2)).filter(|span| !is_chinese(span)).collect()
}

/// The pieces of code in the first cell of each row of each table: they are the same in every language.
fn first_cells(text: &str) -> Vec<BTreeSet<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| ") || line.starts_with("|-"));
    rows.map(|row| row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2).collect()).collect()
}

/// The numbers in each row of each table, but for those in pieces of code: limits, defaults, amounts.
fn numbers(text: &str) -> Vec<Vec<String>> {
    let of = |row: &str| {
        let prose: String = row.split('`').step_by(2).collect();
        let words = prose.split(|c: char| !(c.is_ascii_digit() || ",.:".contains(c)));
        let numbers = words.filter(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let mut numbers: Vec<_> = numbers.map(|word| word.trim_end_matches([',', '.', ':']).to_owned()).collect();
        numbers.sort();
        numbers
    };
    text.lines().filter(|line| line.starts_with("| ")).map(of).collect()
}

/// The fenced blocks, without comments.
fn blocks(text: &str) -> Vec<String> {
    let is_comment = |line: &&str| {
        (line.starts_with("# ") || line.starts_with("-- "))
            && !line.starts_with("# HELP")
            && !line.starts_with("# TYPE")
    };
    let code = |line: &str| line.split("  #").next().unwrap().trim_end().to_owned();
    let lines = |block: &str| block.lines().filter(|line| !is_comment(line)).map(code).collect::<Vec<_>>().join("\n");
    text.split("```").skip(1).step_by(2).map(lines).collect()
}

fn heading_levels(text: &str) -> Vec<usize> {
    let prose: String = text.split("```").step_by(2).collect();
    let lines = prose.lines().filter(|line| line.starts_with('#') && line.trim_start_matches('#').starts_with(' '));
    lines.map(|line| line.len() - line.trim_start_matches('#').len()).collect()
}

#[test]
fn a_chinese_document_says_what_the_english_one_says() {
    let pairs = pairs();
    assert!(pairs.len() >= CHINESE_DOCUMENTS, "{pairs:?}");
    for (english_file, file) in pairs {
        let (english, chinese) = (without_code(&read(&english_file)), without_own(&read(&file)));
        let what = format!("{file} has fallen behind {english_file}");
        assert_eq!(heading_levels(&english), heading_levels(&chinese), "{what}: its headings");
        assert_eq!(first_cells(&english), first_cells(&chinese), "{what}: the first cells of its tables");
        assert_eq!(numbers(&english), numbers(&chinese), "{what}: the numbers in its tables");
        let (english_spans, chinese_spans) = (spans(&english), spans(&chinese));
        let missing: Vec<_> = english_spans.difference(&chinese_spans).collect();
        let unknown: Vec<_> = chinese_spans.difference(&english_spans).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "{what}: it lacks {missing:?}, and alone has {unknown:?}");
        assert_eq!(blocks(&english), blocks(&chinese), "{what}: its fenced blocks");
        let questions =
            |text: &str, mark: &str| text.lines().filter(|line| line.starts_with("**") && line.contains(mark)).count();
        assert_eq!(questions(&english, "?**"), questions(&chinese, "？**"), "{what}: its questions");
        // The pictures and pages behind links are of the text's language.
        let targets = |text: &str, from: &str| -> BTreeSet<String> {
            let folder = PathBuf::from(from).parent().unwrap().to_owned();
            let links = links(text).into_iter().filter(|link| !link.contains("README")).map(|link| {
                let file = link.split('#').next().unwrap();
                let path = if link.contains("://") { file.to_owned() } else { plain(&folder.join(file)) };
                path.replace("docs/zh/", "docs/").replace("images/zh/", "images/")
            });
            links.filter(|link| !link.ends_with('/') && PathBuf::from(link).extension().is_some()).collect()
        };
        let (of_english, of_chinese) = (targets(&english, &english_file), targets(&chinese, &file));
        let missing: Vec<_> = of_english.difference(&of_chinese).collect();
        assert!(missing.is_empty(), "{what}: it does not link to {missing:?}");
    }
}

/// How many documents are in Chinese, README among them.
const CHINESE_DOCUMENTS: usize = 7;

/// A path without `..`.
fn plain(path: &std::path::Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.iter().map(|part| part.to_str().unwrap()) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Where the links of a Markdown text lead.
fn links(text: &str) -> Vec<String> {
    text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect()
}

/// The documents, relative to the top of the tree.
fn documents() -> Vec<PathBuf> {
    let of = |folder: &str| std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let all = of(".")
        .chain(of("docs"))
        .chain(of("docs/zh"))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    all.map(|path| path.strip_prefix(root()).unwrap().components().collect()).collect()
}

/// Where a link may lead in a Markdown text: its headings, as code hosts make anchors of them, and explicit ids.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let of = |heading: &str| -> String {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let ids = text.split("<a id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    headings.map(of).chain(ids).collect()
}

#[test]
fn links_in_documents_lead_to_files_and_headings_that_exist() {
    let mut seen = 0;
    for document in documents() {
        let folder = document.parent().unwrap().to_owned();
        for link in links(&read(&document)).iter().filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if file.is_empty() { root().join(&document) } else { root().join(&folder).join(file) };
            assert!(path.exists(), "{}: {link}", document.display());
            if !anchor.is_empty() {
                let anchors = anchors(&std::fs::read_to_string(&path).unwrap());
                assert!(anchors.contains(anchor), "{}: {link} is none of {anchors:?}", document.display());
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "{seen}");
}

/// The page about the configuration, in both languages.
const CONFIGURATION: [&str; 2] = ["docs/configuration.md", "docs/zh/configuration.md"];

/// What `--help` prints.
fn help() -> String {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_imstats_exporter")).arg("--help").output().unwrap();
    String::from_utf8(help.stdout).unwrap()
}

#[test]
fn the_page_of_the_configuration_names_every_flag_and_no_document_another() {
    let help = help();
    let flags = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_alphanumeric() || "-.".contains(c)));
        let flags = words
            .filter(|word| ["--config.", "--web.", "--storage.", "--log."].iter().any(|start| word.starts_with(start)));
        flags.map(|flag| flag.trim_end_matches('.').to_owned()).collect()
    };
    assert!(flags(&help).len() >= 8, "{help}");
    for page in CONFIGURATION {
        assert_eq!(flags(&read(page)), flags(&help), "{page}");
    }
    for document in documents() {
        let of_prometheus = ["--web.enable-remote-write-receiver", "--storage.tsdb.retention.time"];
        let unknown: Vec<_> = flags(&read(&document)).difference(&flags(&help)).cloned().collect();
        let unknown: Vec<_> = unknown.iter().filter(|flag| !of_prometheus.contains(&flag.as_str())).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", document.display());
    }
}

#[test]
fn the_page_of_the_configuration_names_every_key_and_no_other() {
    let known: BTreeSet<_> =
        known_keys().iter().map(|key| key.rsplit('.').next().unwrap().trim_end_matches("[]").to_owned()).collect();
    for page in CONFIGURATION {
        let text = read(page);
        let rows = text.lines().take_while(|line| !line.starts_with("| `imstats_exporter`"));
        let rows: String = rows.filter(|line| line.starts_with("| `")).map(|line| format!("{line}\n")).collect();
        let keys: BTreeSet<_> = first_cells(&rows).into_iter().flatten().collect();
        for key in &keys {
            assert!(known.contains(*key), "{page} names the key {key}");
        }
        assert!(keys.len() >= 30, "{page}: {keys:?}");
    }
}

#[test]
fn the_page_of_the_configuration_has_every_command_and_the_defaults_of_flags() {
    let help = help();
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let commands = commands.lines().take_while(|line| line.starts_with("  "));
    let commands: BTreeSet<_> = commands.map(|line| line.split_whitespace().next().unwrap()).collect();
    assert!(commands.len() >= 10, "{help}");
    for page in CONFIGURATION {
        let text = read(page);
        let rows = text.lines().skip_while(|line| !line.starts_with("| `imstats_exporter`"));
        let rows: String = rows.take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect();
        let cells = first_cells(&rows).into_iter().flatten().map(|span| span.split(' ').next().unwrap());
        let named: BTreeSet<_> = cells.filter(|command| *command != "imstats_exporter").collect();
        assert_eq!(named, commands, "{page}");
        for row in text.lines().filter(|line| line.starts_with("| `--")) {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            let flags: Vec<_> = cells[1].split('`').skip(1).step_by(2).collect();
            let defaults: Vec<_> = cells[2].split(", ").collect();
            assert_eq!(flags.len(), defaults.len(), "{page}: {row}");
            for (flag, default) in flags.iter().zip(defaults) {
                let line = help.lines().find(|line| line.split_whitespace().next() == Some(flag)).unwrap();
                let shown = line.split_once("[default: ").map_or("", |(_, rest)| rest.trim_end_matches(']'));
                assert_eq!(default, shown, "{page}: {flag}");
            }
        }
    }
}
