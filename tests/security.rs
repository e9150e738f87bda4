//! docs/security.md against the code: its tests and its limits.

use std::collections::{BTreeMap, BTreeSet};

use crate::house::{code, is_test, read, root, sources, tests_of};

#[test]
fn every_row_of_security_md_has_a_test_or_was_read() {
    let text = read("docs/security.md");
    let (_, chapter) = text.split_once("\n## Who could do what\n").expect("the chapter");
    let chapter = chapter.split("\n## ").next().unwrap();
    let mut rows = 0;
    for row in chapter.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| who |")) {
        let cells: Vec<_> = row.trim_end_matches(" |").split(" | ").collect();
        assert_eq!(cells.len(), 4, "{row}");
        let named: Vec<_> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty() || cells[3] == "read", "{row}");
        for test in named {
            let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}"));
            assert!(tests_of(file).contains(name), "{file} has no test {name}");
        }
        rows += 1;
    }
    assert!(rows >= 17, "{rows}");
}

/// How security.md writes a limit: `Duration::from_secs(10)` as 10 s, `16 * 1024` as 16 KiB, `1_000` as 1,000.
fn in_words(expression: &str) -> String {
    let units = [("from_secs(", "s"), ("from_mins(", "min"), ("from_hours(", "h")];
    if let Some((rest, unit)) = units.iter().find_map(|(call, unit)| Some((expression.split_once(call)?.1, unit))) {
        let product: u64 =
            rest.trim_end_matches(')').split('*').map(|factor| factor.trim().parse::<u64>().unwrap()).product();
        return format!("{} {unit}", in_words(&product.to_string()));
    }
    let number = |text: &str| text.trim().replace('_', "").parse::<u64>().unwrap_or_else(|_| panic!("{expression}"));
    let factors: Vec<_> = expression.split('*').map(number).collect();
    match factors[..] {
        [count, 1024] => format!("{count} KiB"),
        [count, 1024, 1024] => format!("{count} MiB"),
        [count] => {
            let digits = count.to_string();
            let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
            groups.join(",")
        }
        _ => panic!("{expression}"),
    }
}

/// The limits that security.md lists: each limit with its constant, such as `DRAIN in src/http/serve.rs`.
fn limits_of_security_md() -> BTreeMap<String, String> {
    let text = read("docs/security.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains("` in `src/"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[3].replace('`', ""), cells[2].to_owned())
    })
    .collect()
}

/// Constants that limit what the program itself does, and not what comes in.
const OWN_LIMITS: &[&str] = &[
    "LONGEST_BACKOFF in src/client/credential.rs",
    "LONGEST_NAP in src/day/clock.rs",
    "LONGEST_WAIT in src/history/remote_write/send.rs",
    "LONGEST_WAIT in src/poller/trouble.rs",
    "MOST_BYTES in src/history/remote_write/batch.rs",
    "MOST_CALLS in src/poller/probe.rs",
    "MOST_IDS in src/source/wecom_contact.rs",
    "MOST_LAG in src/store/retention.rs",
    "MOST_OWNERS in src/source/wecom_groupchat.rs",
    "MOST_SERIES in src/history/remote_write/batch.rs",
    "MOST_THREADS in src/exposition/render.rs",
    "MOST_TRIES in src/history/backfill.rs",
    "TIMEOUT in src/http/healthcheck.rs",
];

#[test]
fn security_md_has_every_limit_of_the_code() {
    let listed = limits_of_security_md();
    let mut own: BTreeSet<_> = OWN_LIMITS.iter().map(|place| (*place).to_owned()).collect();
    let mut seen = 0;
    for (_, path) in sources().into_iter().filter(|(module, path)| module != "simulator" && !is_test(path)) {
        let file = path.strip_prefix(root()).unwrap().display();
        for line in code(&path).lines() {
            let Some((constant, _)) = line.split_once("const ").and_then(|(_, rest)| rest.split_once(": ")) else {
                continue;
            };
            let is_limit = ["MOST", "MAX", "LONGEST"].iter().any(|start| constant.starts_with(start));
            let is_limit = is_limit || constant.ends_with("TIMEOUT") && line.contains("Duration");
            let place = format!("{constant} in {file}");
            if is_limit && !own.remove(&place) {
                assert!(listed.contains_key(&place), "security.md lacks {place}");
                seen += 1;
            }
        }
    }
    assert_eq!(own, BTreeSet::new(), "there are no such constants any more");
    assert!(seen >= 30, "{seen}");
}

#[test]
fn the_limits_of_security_md_are_those_of_the_code() {
    let mut seen = 0;
    for (place, limit) in limits_of_security_md() {
        let (constant, file) = place.split_once(" in ").unwrap();
        let code = read(file);
        let start = format!("const {constant}: ");
        let line = code.lines().find_map(|line| Some(line.split_once(&start)?.1));
        let line = line.unwrap_or_else(|| panic!("{file} has no {constant}"));
        let expression = line.split_once(" = ").unwrap().1.split(';').next().unwrap();
        assert_eq!(limit, in_words(expression), "{constant} in {file}");
        seen += 1;
    }
    assert!(seen >= 20, "{seen}");
}
