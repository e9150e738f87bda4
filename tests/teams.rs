//! Teams of owners of group chats, of whom WeCom refuses one, or takes fewer at once.

use imstats_exporter::poller::probe;
use imstats_exporter::simulator::{Effect, Fault};

use crate::harness::*;

const TEAM: &str = "wecom_groupchat_team";
const ALL: &str = "wecom: [{$wecom, groupchat: {owners: none, teams: {t: {owners: all}}, $fast}}]";

/// A team of the first members of a company of 140, and more owners.
async fn listed(count: usize, more: &str, keys: &str) -> Stage {
    Stage::with(140, "2026-11-20T06:00:00", |simulator| {
        let members = simulator.company().users.iter().take(count).map(|user| user.userid.clone());
        let owners: Vec<_> = members.chain((!more.is_empty()).then(|| more.to_owned())).collect();
        let teams = format!("{{t: {{owners: {owners:?}}}}}");
        filled(&format!("wecom: [{{$wecom, {keys} groupchat: {{owners: none, teams: {teams}, $fast}}}}]"), simulator)
    })
    .await
}

#[tokio::test]
async fn a_team_above_what_wecom_takes_at_once_is_added_up() {
    let mut well = listed(100, "", "").await;
    well.wake().await;
    assert_eq!((well.calls(TEAMS), well.targets(TEAM)), (1, [1, 0, 0, 0, 0]));
    let mut limited = listed(100, "", "").await;
    limited.every(TEAMS, Effect::LongestList(64));
    limited.wake().await;
    assert_eq!((limited.calls(TEAMS), limited.targets(TEAM)), (3, [1, 0, 0, 0, 0]), "{}", limited.error(TEAM));
    assert_eq!(limited.page().figures(), well.page().figures());
    assert_eq!(limited.error(TEAM), "");
}

#[tokio::test]
async fn a_listed_team_with_an_owner_who_left_is_absent_and_its_place_is_told() {
    let mut stage = listed(40, "lizhi", "").await;
    stage.wake().await;
    assert_eq!(stage.targets(TEAM), [0, 0, 1, 0, 0]);
    assert!(stage.page().figures().is_empty(), "without that owner it would be another team");
    let told = stage.error(TEAM);
    assert!(told.contains("code 60111: ") && told.contains("(number 41 of the 41 that the configuration"), "{told}");
    assert!(!told.contains("lizhi"), "{told}");
    assert!(stage.calls(TEAMS) <= 1 + 2 * 6, "{}", stage.calls(TEAMS));
}

#[tokio::test]
async fn check_names_the_owner_who_left_but_for_pseudonyms() {
    for (keys, is_named) in [("", true), ("pseudonymize: {key: \"a key that is long enough\"},", false)] {
        let stage = listed(10, "lizhi", keys).await;
        let config = stage.sources().remove(0);
        let steps = probe(&stage.context, &config).await.unwrap();
        let told = steps.iter().find_map(|step| step.result.as_ref().err()).unwrap();
        assert!(told.contains("code 60111") && told.contains("number 11 of the 11"), "{told}");
        assert_eq!(told.contains("`lizhi`"), is_named, "{told}");
    }
}

#[tokio::test]
async fn a_team_of_all_owners_goes_on_without_one_who_left() {
    let mut stage = Stage::new("2026-11-20T06:00:00", ALL).await;
    let members = stage.company().follow_users().count();
    let gone = stage.company().owners().next().unwrap().userid.clone();
    stage.fault(Fault::on(TEAMS, Effect::Refuse(60111)).subject(&gone));
    stage.wake().await;
    assert_eq!(stage.targets(TEAM), [1, 0, 0, 0, 0], "{}", stage.error(TEAM));
    let told = stage.error(TEAM);
    assert!(
        told.starts_with(&format!("1 of {members} of wecom_groupchat_team/t are left out: code 60111: ")),
        "{told}"
    );
    assert!(!told.contains(&gone), "{told}");
    let without = stage.series("wecom_groupchat_team_chats").unwrap();
    let last = stage.log(TEAMS).pop().unwrap();
    assert_eq!(last.subject.split(',').count(), members - 1, "the others in one call, as before");
    stage.mend();
    stage.wake_at("2026-11-20T07:30:00").await;
    assert_eq!(stage.error(TEAM), "");
    assert!(stage.series("wecom_groupchat_team_chats").unwrap() > without);
}

#[tokio::test]
async fn a_team_that_is_refused_as_a_whole_is_refused() {
    for (code, calls) in [(600_018, 1), (40058, 2 * 36 - 1)] {
        let mut stage = Stage::new("2026-11-20T06:00:00", ALL).await;
        assert_eq!(stage.company().follow_users().count(), 36);
        stage.every(TEAMS, Effect::Refuse(code));
        stage.wake().await;
        assert_eq!(stage.targets(TEAM), [0, 0, 1, 0, 0]);
        assert!(stage.error(TEAM).contains(&format!("code {code}")), "{}", stage.error(TEAM));
        assert_eq!(stage.calls(TEAMS), calls, "{code}");
    }
}
