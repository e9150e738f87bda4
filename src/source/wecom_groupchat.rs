//! WeCom customer group chats: the groups of each owner, and of teams of owners.
//!
//! Owners are asked 100 at a time, in pages, for one day, as their rows carry none; teams are added up by WeCom, a row
//! per day. Figures are under `data`.
//! Page: <https://developer.work.weixin.qq.com/document/path/93476>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{self, Api, Block, Info, Source};
use super::filter::Filter;
use super::listing::{self, Directory, ListRequest};
use super::selection::Selection;
use super::shape::{NoRows, Paging, Shape};
use super::table::{Combine, Field, Span, Table, Unit};
use super::target::Target;
use super::wecom_directory::{FOLLOW_USERS, USER_INFO, USER_NAMES, follow_users, user_names};
use crate::day::{Days, Zone};
use crate::platform::{Call, Wecom};
use crate::yaml::{Each, Group, Key, Slot};

/// The most owners that WeCom takes in one request.
const MOST_OWNERS: usize = 100;

/// The field of a request that takes owners.
const OWNERS: &str = "userid_list";

/// The largest page of owners that WeCom gives.
const PAGE: usize = 1000;

const fn count(name: &'static str, suffix: &'static str, help: &'static str, span: Span) -> Field {
    Field { name, suffix, help, unit: Unit::Count, span, combine: Combine::Sum }
}

/// People at the end of the day.
const fn people(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    let combine = Combine::Repeats("people in chats of several owners");
    Field { combine, ..count(name, suffix, help, Span::EndOfDay) }
}

const FIELDS: &[Field] = &[
    count("new_chat_cnt", "new_chats", "customer group chats newly made", Span::Day),
    count("chat_total", "chats", "customer group chats", Span::EndOfDay),
    count("chat_has_msg", "chats_with_messages", "customer group chats that ever had a message", Span::EndOfDay),
    count("new_member_cnt", "new_members", "people who newly joined customer group chats", Span::Day),
    people("member_total", "members", "people in customer group chats"),
    people("member_has_msg", "members_with_messages", "people in customer group chats who ever sent a message"),
    count("msg_total", "messages", "messages in customer group chats", Span::EndOfDay),
    count(
        "migrate_trainee_chat_cnt",
        "migrated_trainee_chats",
        "migrated trainee group chats (education companies only)",
        Span::EndOfDay,
    ),
];

const OWNER: Table = Table {
    prefix: "wecom_groupchat_owner",
    labels: &["owner"],
    person: Some("owner"),
    of: "one owner",
    overlap: None,
    fields: FIELDS,
};

const TEAM: Table = Table {
    prefix: "wecom_groupchat_team",
    labels: &["team_name"],
    person: None,
    of: "one team of owners",
    overlap: Some(
        "teams may overlap; where WeCom is asked in parts (above 100 owners, or above fewer that it takes), a person in groups of two parts counts twice",
    ),
    fields: FIELDS,
};

const PAGE_URL: &str = "https://developer.work.weixin.qq.com/document/path/93476";

/// The API by owner.
pub(super) const OWNER_API: Api = Api {
    name: "wecom_groupchat_owner",
    title: "WeCom group chats",
    platform: &Wecom,
    path: "externalcontact/groupchat/statistic",
    page: PAGE_URL,
    tables: &[&OWNER],
    shape: Shape {
        rows: "/items",
        no_rows: NoRows::EmptyByTotal,
        day: None,
        subject: Some("owner"),
        figures: "data",
        figures_optional: false,
        name: None,
        paging: Paging::Offset { offset: "offset", total: "/total", next: Some("/next_offset") },
    },
    days_per_call: 1,
    batch: MOST_OWNERS,
    union: 0,
    ready_hour: 6,
    lag_days: 1,
    refresh_interval: Duration::from_hours(6),
    keeps_days: Some(180),
    date_codes: &["600018"],
    infos: &[&USER_INFO],
    row_names: None,
};

/// The API by day, of a team.
pub(super) const TEAM_API: Api = Api {
    name: "wecom_groupchat_team",
    title: "WeCom group chats",
    platform: &Wecom,
    path: "externalcontact/groupchat/statistic_group_by_day",
    page: PAGE_URL,
    tables: &[&TEAM],
    shape: Shape {
        rows: "/items",
        no_rows: NoRows::Malformed,
        day: Some("stat_time"),
        subject: None,
        figures: "data",
        figures_optional: false,
        name: None,
        paging: Paging::Single,
    },
    days_per_call: 30,
    batch: 1,
    union: MOST_OWNERS,
    ready_hour: 6,
    lag_days: 1,
    refresh_interval: Duration::from_hours(6),
    keeps_days: Some(180),
    date_codes: &["600018"],
    infos: &[],
    row_names: None,
};

/// The block `groupchat`.
pub(super) const BLOCK: Block =
    Block { platform: &Wecom, name: "groupchat", apis: &[&OWNER_API, &TEAM_API], new: || Box::new(Params::new()) };

/// Its parameters.
#[derive(Debug)]
pub(super) struct Params {
    owners: Selection,
    teams: BTreeMap<String, Team>,
}

#[derive(Debug, Default)]
struct Team {
    owners: Selection,
}

impl Group for Team {
    fn shape(&self) -> String {
        "a team, a map with owners".to_owned()
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![Key::words("owners", Selection::SHAPE, &mut self.owners, Selection::read)]
    }

    fn finish(&mut self, _: &[&'static str], _: &str, _: &mut Vec<String>) {}
}

impl Each for BTreeMap<String, Team> {
    fn entry(&mut self, name: &str) -> Slot<'_> {
        Slot::Map(self.entry(name.to_owned()).or_default())
    }
}

impl Params {
    fn new() -> Self {
        Self { owners: Selection::All, teams: BTreeMap::new() }
    }
}

impl api::Params for Params {
    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![
            Key::words("owners", Selection::SHAPE, &mut self.owners, Selection::read),
            Key::of("teams", Slot::Named("a map of teams, each with its name".to_owned(), &mut self.teams)),
        ]
    }

    fn check(&self, path: &str, faults: &mut Vec<String>) {
        self.owners.check_people(&format!("{path}.owners"), faults);
        for (name, team) in &self.teams {
            let path = format!("{path}.teams.{name}.owners");
            team.owners.check_people(&path, faults);
            if team.owners == Selection::None {
                faults.push(format!("{path}: the team is empty: write all, or list owners"));
            }
        }
    }

    fn sources(self: Box<Self>, _: &str) -> Vec<Box<dyn Source>> {
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        if self.owners != Selection::None {
            sources.push(Box::new(Owners(self.owners)));
        }
        if !self.teams.is_empty() {
            sources.push(Box::new(Teams(self.teams)));
        }
        sources
    }
}

fn owners_listing(wanted: bool, directory: &Directory) -> Vec<ListRequest> {
    if wanted && !directory.contains_key(FOLLOW_USERS) { vec![follow_users()] } else { vec![] }
}

/// The owners of a selection, in the directory's order.
fn owners_of(selection: &Selection, directory: &Directory) -> Vec<String> {
    match selection {
        Selection::All => listing::entries(directory, FOLLOW_USERS).iter().map(|found| found.id.clone()).collect(),
        listed => listed.listed().to_vec(),
    }
}

fn body(owners: &[String], days: Days, zone: &Zone) -> Value {
    json!({
        "day_begin_time": days.first.midnight(zone).as_second(),
        "day_end_time": days.last.midnight(zone).as_second(),
        "owner_filter": {OWNERS: owners},
    })
}

/// `wecom_groupchat_owner`: these owners, one by one.
#[derive(Debug)]
struct Owners(Selection);

impl Source for Owners {
    fn api(&self) -> &'static Api {
        &OWNER_API
    }

    fn listings(&self, directory: &Directory, names: bool) -> Vec<ListRequest> {
        let mut listings = owners_listing(self.0 == Selection::All, directory);
        if names && !directory.contains_key(USER_NAMES) {
            listings.push(user_names());
        }
        listings
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let owners = owners_of(&self.0, directory).into_iter();
        owners.map(|owner| Target::named(&OWNER, vec![owner.clone()], Filter::one(OWNERS, &owner))).collect()
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        let owners: Vec<_> = targets.iter().flat_map(|target| target.filter.members()).cloned().collect();
        let mut body = body(&owners, days, zone);
        body["offset"] = json!(0);
        body["limit"] = json!(PAGE);
        vec![Call::post(OWNER_API.path, format!("cgi-bin/{}", OWNER_API.path), body)]
    }

    fn names(&self) -> Vec<(&'static Info, String)> {
        vec![(&USER_INFO, USER_NAMES.to_owned())]
    }
}

/// `wecom_groupchat_team`: teams of owners, each as a whole.
#[derive(Debug)]
struct Teams(BTreeMap<String, Team>);

impl Source for Teams {
    fn api(&self) -> &'static Api {
        &TEAM_API
    }

    fn listings(&self, directory: &Directory, _: bool) -> Vec<ListRequest> {
        owners_listing(self.0.values().any(|team| team.owners == Selection::All), directory)
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let team = |(name, team): (&String, &Team)| Target {
            is_written: team.owners != Selection::All,
            definition: json!(team.owners.listed()).to_string(),
            ..Target::named(&TEAM, vec![name.clone()], Filter::new([(OWNERS, owners_of(&team.owners, directory))]))
        };
        self.0.iter().map(team).collect()
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        let batches = targets.iter().flat_map(|target| target.filter.members().chunks(MOST_OWNERS));
        batches
            .map(|owners| Call::post(TEAM_API.path, format!("cgi-bin/{}", TEAM_API.path), body(owners, days, zone)))
            .collect()
    }
}
