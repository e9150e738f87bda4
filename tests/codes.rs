//! Every code that a platform is known to refuse with, by what comes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use imstats_exporter::simulator::Effect;

use crate::harness::*;
use crate::ill::*;

/// What comes of a code.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Comes {
    /// A new token is tried, once.
    Token,
    /// All of the credential rests for ten minutes.
    Denied,
    /// Only the target is refused.
    Refused,
    /// The API pauses.
    Throttled,
    /// It is tried three times, and again at the next waking.
    Unavailable,
    /// There are no figures.
    NoData,
    /// It is tried again at the next waking.
    Failed,
}

use Comes::{Denied, Failed, NoData, Refused, Throttled, Token, Unavailable};

/// From the pages of the platforms; one for each of [`PLATFORMS`].
const CODES: [&[(Comes, &[i64])]; 3] = [
    &[
        (Token, &[40001, 40014, 42001]),
        (Denied, &[40013, 40091, 48001, 48002, 48004, 48006, 50003, 50006, 60020, 60031, 701_008, 701_099]),
        (Denied, &[95011, 95012, 95017, 48009, 301_002]),
        (Refused, &[40003, 40031, 40032, 40058, 40063, 40066, 45029, 46004, 48007, 50002, 60003, 60011, 60021]),
        (Refused, &[60030, 60111, 60123, 60251, 60252, 60253, 81013, 81017, 84061, 84074, 84083, 84084, 95000]),
        (Refused, &[95004, 95014, 600_018]),
        (Throttled, &[45009, 45033]),
        (Unavailable, &[-1, 6000, 81026]),
        (Failed, &[41001, 41002, 41004, 7, -99, 1_000_000_007]),
    ],
    &[
        (Token, &[70001]),
        (Denied, &[60004, 60005, 60006, 60009, 60010, 60015, 60016, 60017, 60020, 60021, 70003, 70009, 70013, 70014]),
        (Denied, &[70016, 70020, 70050, 70051, 70107, 141_000]),
        (Refused, &[141_004, 141_010]),
        (Throttled, &[60007, 60011, 60018, 60019, 141_009]),
        (Unavailable, &[60008, 60014, 70169, 70500, 141_002]),
        (Failed, &[60002, 60003, 60012, 60013, 7, -99]),
    ],
    &[
        (Token, &[99_991_661, 99_991_663, 99_991_664, 99_991_665, 99_991_666, 99_991_668, 99_991_671, 99_991_677]),
        (Denied, &[10003, 10005, 10012, 10013, 10014, 10015, 20009, 99_991_543, 99_991_662, 99_991_673]),
        (Denied, &[99_991_401, 99_991_403, 99_991_672, 99_991_679, 211_004]),
        (Refused, &[211_005, 211_007, 9499, 99_992_402, 40003, 40004]),
        (Refused, &[99_992_357, 99_992_358, 99_992_379, 99_992_380]),
        (Throttled, &[99_991_400]),
        (Unavailable, &[1500, 1551, 1557, 2200]),
        (NoData, &[211_011]),
        (Failed, &[211_010, 7, -99]),
    ],
];

#[tokio::test]
async fn every_code_of_wecom_does_what_its_class_says_and_no_harm() {
    every_code("wecom").await;
}

#[tokio::test]
async fn every_code_of_tencent_desk_does_what_its_class_says_and_no_harm() {
    every_code("tencent_desk").await;
}

#[tokio::test]
async fn every_code_of_feishu_does_what_its_class_says_and_no_harm() {
    every_code("feishu").await;
}

/// Each code of the platform with that name, on a stage of its own.
async fn every_code(name: &str) {
    let well = well().await;
    let (platform, classes) = PLATFORMS.iter().zip(CODES).find(|(platform, _)| platform.name == name).unwrap();
    for (comes, codes) in classes {
        for code in *codes {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.api, Effect::Refuse(*code));
            stage.wake_slowly().await;
            look(&stage, platform, *comes, *code, well);
        }
    }
}

/// The page and the calls after the platform said nothing but `code`.
fn look(stage: &Stage, platform: &Platform, comes: Comes, code: i64, well: &BTreeMap<String, f64>) {
    let what = format!("{} {code} {comes:?}", platform.name);
    only_the_others(stage, platform, well, &what);
    // Of Feishu's tenant nothing but the tenant is asked, of Desk's agents all in one call.
    let (up, calls, targets, outcome) = match comes {
        Token => (false, 2..=2, [0, 0, 0, 1, 0], "token"),
        Denied => (false, 1..=1, [0, 0, 0, 1, 0], "denied"),
        Refused => (true, 1..=1, [0, 0, 1, 0, 0], "refused"),
        Throttled => (false, 2..=3, [0, 0, 0, 1, 0], "throttled"),
        Unavailable => (false, 3..=3, [0, 0, 0, 1, 0], "unavailable"),
        NoData => (true, 1..=1, [0, 1, 0, 0, 0], "no_data"),
        Failed => (false, 1..=1, [0, 0, 0, 1, 0], "refused"),
    };
    assert_eq!(stage.up(platform.source), up, "up: {what}");
    assert_eq!(stage.targets(platform.source), targets, "targets: {what}");
    assert!(calls.contains(&stage.calls(platform.api)), "{what}: {} calls", stage.calls(platform.api));
    let counted =
        stage.page().all(&format!("imstats_api_requests_total{{api=\"{}\",outcome=\"{outcome}\"}}", platform.api));
    assert_eq!(counted.iter().sum::<f64>(), stage.calls(platform.api) as f64, "{what}");
    let error = stage.error(platform.source);
    let told = comes == NoData || error.contains(&code.to_string());
    assert!(told && (comes == NoData) == error.is_empty(), "{what}: {error}");
}

#[tokio::test]
async fn every_class_passes_when_the_platform_says_yes_again() {
    let well = well().await;
    for (platform, classes) in PLATFORMS.iter().zip(CODES) {
        for (comes, codes) in classes.iter().filter(|(comes, _)| !matches!(comes, NoData)) {
            let mut stage = Stage::new(MORNING, WELL).await;
            stage.every(platform.api, Effect::Refuse(codes[0]));
            stage.wake_slowly().await;
            if matches!(comes, Refused | Throttled) {
                // Settled until the refresh; or paused for an hour.
                stage.clock.advance(Duration::from_hours(1));
            }
            recovers(&mut stage, platform, well, &format!("{comes:?}")).await;
        }
    }
}
