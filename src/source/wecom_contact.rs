//! WeCom customer contact: how members, departments and teams deal with customers.
//!
//! One call per target, a row per day of the span, figures in the row itself.
//! Page: <https://developer.work.weixin.qq.com/document/path/92132>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::api::{self, Api, Block, Info, Source};
use super::filter::Filter;
use super::listing::{self, Directory, ListRequest};
use super::selection::Selection;
use super::shape::{NoRows, Paging, Shape};
use super::table::{Combine, Field, Span, Table, Unit};
use super::target::Target;
use super::wecom_directory::{
    DEPARTMENT_INFO, DEPARTMENT_NAMES, DEPARTMENTS, FOLLOW_USERS, USER_INFO, USER_NAMES, department_names, departments,
    follow_users, user_names,
};
use crate::day::{Days, Zone};
use crate::platform::{Call, Wecom};
use crate::yaml::{Each, Group, Key, Slot};

/// The most members, and the most departments, that WeCom aggregates in one answer.
const MOST_IDS: usize = 100;

/// The field of a request that takes members.
const USERS: &str = "userid";

/// The field of a request that takes departments.
const PARTIES: &str = "partyid";

const NO_COUNT: &str = "WeCom does not say how many chats it is of, so ask for a department or team";

const FIELDS: &[Field] = &[
    Field {
        name: "new_apply_cnt",
        suffix: "friend_requests_sent",
        help: "friend requests to customers",
        unit: Unit::Count,
        span: Span::Day,
        combine: Combine::Sum,
    },
    Field {
        name: "new_contact_cnt",
        suffix: "new_contacts",
        help: "customers newly added",
        unit: Unit::Count,
        span: Span::Day,
        combine: Combine::Sum,
    },
    Field {
        name: "chat_cnt",
        suffix: "active_chats",
        help: "single chats with a message sent to the customer",
        unit: Unit::Count,
        span: Span::Day,
        combine: Combine::Sum,
    },
    Field {
        name: "message_cnt",
        suffix: "messages_sent",
        help: "messages sent in single chats",
        unit: Unit::Count,
        span: Span::Day,
        combine: Combine::Sum,
    },
    Field {
        name: "reply_percentage",
        suffix: "replied_chats_ratio",
        help: "share of the chats started by customers that got a reply on the same day",
        unit: Unit::Percent,
        span: Span::Day,
        combine: Combine::Never(NO_COUNT),
    },
    Field {
        name: "avg_reply_time",
        suffix: "first_reply_average_seconds",
        help: "average time to the first reply in chats started by customers",
        unit: Unit::Minutes,
        span: Span::Day,
        combine: Combine::Never(NO_COUNT),
    },
    Field {
        name: "negative_feedback_cnt",
        suffix: "lost_customers",
        help: "customers who deleted or blocked the member",
        unit: Unit::Count,
        span: Span::Day,
        combine: Combine::Sum,
    },
];

const USER: Table = Table {
    prefix: "wecom_contact_user",
    labels: &["userid"],
    person: Some("userid"),
    of: "one member",
    overlap: None,
    fields: FIELDS,
};

const DEPARTMENT: Table = Table {
    prefix: "wecom_contact_department",
    labels: &["partyid"],
    person: None,
    of: "one department",
    overlap: Some("a department contains its children"),
    fields: FIELDS,
};

const TEAM: Table = Table {
    prefix: "wecom_contact_team",
    labels: &["team_name"],
    person: None,
    of: "one team",
    overlap: Some("teams may overlap"),
    fields: FIELDS,
};

/// The API.
pub(super) const API: Api = Api {
    name: "wecom_contact",
    title: "WeCom customer contact",
    platform: &Wecom,
    path: "externalcontact/get_user_behavior_data",
    page: "https://developer.work.weixin.qq.com/document/path/92132",
    tables: &[&USER, &DEPARTMENT, &TEAM],
    shape: Shape {
        rows: "/behavior_data",
        no_rows: NoRows::Malformed,
        day: Some("stat_time"),
        subject: None,
        figures: "",
        figures_optional: false,
        name: None,
        paging: Paging::Single,
    },
    days_per_call: 30,
    batch: 1,
    union: 0,
    ready_hour: 6,
    lag_days: 1,
    refresh_interval: Duration::from_hours(6),
    keeps_days: Some(180),
    date_codes: &["600018"],
    infos: &[&USER_INFO, &DEPARTMENT_INFO],
    row_names: None,
};

/// The block `contact`.
pub(super) const BLOCK: Block =
    Block { platform: &Wecom, name: "contact", apis: &[&API], new: || Box::new(Params::new()) };

/// Its parameters.
#[derive(Debug)]
pub(super) struct Params {
    users: Selection,
    departments: Selection,
    teams: BTreeMap<String, Team>,
}

/// A union of members and departments.
#[derive(Debug, Default)]
struct Team {
    users: Selection,
    departments: Selection,
}

impl Group for Team {
    fn shape(&self) -> String {
        "a team, a map with users or departments".to_owned()
    }

    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![
            Key::words("users", Selection::SHAPE, &mut self.users, Selection::read),
            Key::words("departments", Selection::SHAPE, &mut self.departments, Selection::read),
        ]
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
        Self { users: Selection::All, departments: Selection::None, teams: BTreeMap::new() }
    }
}

impl api::Params for Params {
    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![
            Key::words("users", Selection::SHAPE, &mut self.users, Selection::read),
            Key::words("departments", Selection::SHAPE, &mut self.departments, Selection::read),
            Key::of("teams", Slot::Named("a map of teams, each with its name".to_owned(), &mut self.teams)),
        ]
    }

    fn check(&self, path: &str, faults: &mut Vec<String>) {
        self.users.check_people(&format!("{path}.users"), faults);
        check_departments(&self.departments, &format!("{path}.departments"), faults);
        for (name, team) in &self.teams {
            let path = format!("{path}.teams.{name}");
            team.users.check_people(&format!("{path}.users"), faults);
            check_departments(&team.departments, &format!("{path}.departments"), faults);
            for (key, ids) in [("users", &team.users), ("departments", &team.departments)] {
                if *ids == Selection::All {
                    faults.push(format!(
                        "{path}.{key}: a contact team is a list of ids, as WeCom adds up at most {MOST_IDS}"
                    ));
                }
                if ids.listed().len() > MOST_IDS {
                    let count = ids.listed().len();
                    faults.push(format!("{path}.{key}: {count} ids, but WeCom adds up at most {MOST_IDS}, and averages of parts don't add up"));
                }
            }
            if team.users == Selection::None && team.departments == Selection::None {
                faults.push(format!("{path}: the team is empty: list users or departments"));
            }
        }
    }

    fn sources(self: Box<Self>, _: &str) -> Vec<Box<dyn Source>> {
        if self.users == Selection::None && self.departments == Selection::None && self.teams.is_empty() {
            return Vec::new();
        }
        vec![self]
    }
}

fn check_departments(departments: &Selection, path: &str, faults: &mut Vec<String>) {
    departments.check(path, false, faults);
    for (n, id) in departments.listed().iter().enumerate() {
        if id.parse::<u32>().is_err() {
            faults.push(format!("{path}[{n}]: `{id}` is not a WeCom department id, which is a whole number"));
        }
    }
}

impl Source for Params {
    fn api(&self) -> &'static Api {
        &API
    }

    fn listings(&self, directory: &Directory, names: bool) -> Vec<ListRequest> {
        let all_departments = self.departments == Selection::All;
        let wanted = [
            (self.users == Selection::All, FOLLOW_USERS, follow_users as fn() -> ListRequest),
            (all_departments, DEPARTMENTS, departments),
            (all_departments, DEPARTMENT_NAMES, department_names),
            (names, USER_NAMES, user_names),
        ];
        let missing = wanted.iter().filter(|(wanted, key, _)| *wanted && !directory.contains_key(*key));
        missing.map(|(_, _, listing)| listing()).collect()
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let subjects = |selection: &Selection, key, table: &'static Table, field| -> Vec<Target> {
            let found = if *selection == Selection::All { listing::entries(directory, key) } else { &[] };
            let found = found.iter().map(|found| &found.id);
            let ids = found.chain(selection.listed());
            ids.map(|id| Target::named(table, vec![id.clone()], Filter::one(field, id))).collect()
        };
        let mut targets = subjects(&self.users, FOLLOW_USERS, &USER, USERS);
        targets.extend(subjects(&self.departments, DEPARTMENTS, &DEPARTMENT, PARTIES));
        targets.extend(self.teams.iter().map(|(name, team)| {
            let (users, departments) = (team.users.listed(), team.departments.listed());
            let filter = Filter::new([(USERS, users.to_vec()), (PARTIES, departments.to_vec())]);
            let definition = json!([users, departments]).to_string();
            Target { definition, ..Target::named(&TEAM, vec![name.clone()], filter) }
        }));
        targets
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        let call = |target: &&Target| {
            let mut body = json!({
                "start_time": days.first.midnight(zone).as_second(),
                "end_time": days.last.midnight(zone).as_second(),
            });
            for (field, ids) in target.filter.fields() {
                body[field] = match field {
                    // Checked to be numbers where they were written, and listed as such by WeCom.
                    PARTIES => ids.iter().filter_map(|id| id.parse::<u32>().ok()).collect(),
                    _ => json!(ids),
                };
            }
            Call::post(API.path, format!("cgi-bin/{}", API.path), body)
        };
        targets.iter().map(call).collect()
    }

    fn names(&self) -> Vec<(&'static Info, String)> {
        vec![(&USER_INFO, USER_NAMES.to_owned()), (&DEPARTMENT_INFO, DEPARTMENT_NAMES.to_owned())]
    }
}
