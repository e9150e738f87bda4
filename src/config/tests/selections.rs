//! Which ids a configuration names, and how many.

use super::*;

/// The errors of this block of a WeCom or Desk account, without the place; empty where all is well.
fn faults(platform: &str, block: &str) -> Vec<String> {
    let account = match platform {
        "wecom" => "account: a, corp_id: ww1, secret: s3cret",
        _ => "account: a, sdk_app_id: 1400000000, identifier: i, secret_key: s3cret",
    };
    match parse(&format!("{platform}: [{{{account}, {block}}}]")) {
        Ok(_) => Vec::new(),
        Err(error) => {
            error.to_string().lines().map(|line| line.split("[0].").nth(1).unwrap_or(line).to_owned()).collect()
        }
    }
}

#[test]
fn what_is_no_selection_is_told_what_one_is() {
    for (platform, block) in [("wecom", "contact: {users: 5}"), ("tencent_desk", "agent_statistics: {agents: {a: b}}")]
    {
        let told = faults(platform, block).join("\n");
        assert!(told.contains("`all`, `none` or a list of ids"), "{told}");
    }
    let told = faults("wecom", "contact: {users: [[a]]}").join("\n");
    assert!(told.contains("an id"), "{told}");
}

#[test]
fn ids_are_neither_empty_nor_too_long_nor_listed_twice() {
    let long = "x".repeat(257);
    for (ids, expected) in [
        ("a, b", vec![]),
        (&long[1..], vec![]),
        (&long, vec!["[0]: an id is longer than 256 bytes"]),
        ("a, ' ', a", vec!["[1]: an id is empty", "[2]: the same id as in "]),
    ] {
        for (platform, key, block) in [
            ("wecom", "contact.users", format!("contact: {{users: [{ids}]}}")),
            ("wecom", "groupchat.owners", format!("groupchat: {{owners: [{ids}]}}")),
            ("tencent_desk", "agent_statistics.agents", format!("agent_statistics: {{agents: [{ids}]}}")),
        ] {
            let told = faults(platform, &block);
            assert_eq!(told.len(), expected.len(), "{told:?}");
            for (line, end) in told.iter().zip(&expected) {
                assert!(line.starts_with(&format!("{key}{end}")), "{line}");
            }
        }
    }
}

#[test]
fn a_contact_team_has_at_most_a_hundred_of_each() {
    let list = |count: u32| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
    for key in ["users", "departments"] {
        let team = |ids: &str| faults("wecom", &format!("contact: {{teams: {{north: {{{key}: {ids}}}}}}}"));
        assert!(team(&format!("[{}]", list(100))).is_empty());
        let told = team(&format!("[{}]", list(101)));
        assert!(
            told.len() == 1 && told[0].contains(&format!("{key}: 101 ids, but WeCom adds up at most 100")),
            "{told:?}"
        );
        assert!(team("all")[0].contains("a contact team is a list of ids"));
        assert!(team("none")[0].contains("the team is empty"));
    }
}

#[test]
fn a_block_that_asks_for_nobody_is_told() {
    assert!(faults("tencent_desk", "agent_statistics: {agents: none}")[0].contains("nothing is asked without agents"));
    assert!(
        faults("tencent_desk", "agent_statistics: {agents: top}")[0].contains("`top` is for Feishu departments only")
    );
}
