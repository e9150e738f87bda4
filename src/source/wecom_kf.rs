//! WeCom KF (微信客服): customer service by account, and by servicer of an account.
//!
//! One call per account or servicer, a row per day of the span; figures are under `statistic`, which is left out
//! where there are none.
//! Pages: <https://developer.work.weixin.qq.com/document/path/95493> (statistics),
//! <https://developer.work.weixin.qq.com/document/path/94661> (accounts),
//! <https://developer.work.weixin.qq.com/document/path/94645> (servicers).

use std::time::Duration;

use serde_json::json;

use super::api::{self, Api, Block, Info, Source};
use super::filter::Filter;
use super::listing::{self, Directory, Entry, ListEntry, ListPaging, ListRequest, Need, each, id, text};
use super::selection::Selection;
use super::shape::{NoRows, Paging, Shape};
use super::table::{Combine, Field, Span, Table, Unit};
use super::target::Target;
use super::wecom_directory::{USER_INFO, USER_NAMES, members, user_names};
use crate::day::{Days, Zone};
use crate::platform::{Call, Wecom};
use crate::yaml::Key;

/// The largest page of accounts that WeCom gives.
const PAGE: usize = 100;

/// The key of the list of accounts.
const ACCOUNTS: &str = "kf_account";

const fn count(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    Field { name, suffix, help, unit: Unit::Count, span: Span::Day, combine: Combine::Sum }
}

const fn ratio(name: &'static str, suffix: &'static str, help: &'static str, by: &'static [&'static str]) -> Field {
    Field { name, suffix, help, unit: Unit::Ratio, span: Span::Day, combine: Combine::Weighted(by) }
}

/// A field that the platform counts once for each servicer.
const fn customers(name: &'static str, suffix: &'static str, help: &'static str) -> Field {
    Field { combine: Combine::Repeats("customers of several servicers"), ..count(name, suffix, help) }
}

const ANSWERED: &[&str] = &["satisfaction_surveys_sent", "satisfaction_participation_ratio"];

const FIELDS: &[Field] = &[
    count("session_cnt", "sessions", "sessions that reached a servicer"),
    customers("customer_cnt", "customers", "customers who wrote in a session with a servicer, each once"),
    count("customer_msg_cnt", "customer_messages", "messages that customers sent in sessions"),
    ratio(
        "reply_rate",
        "replied_sessions_ratio",
        "share of the sessions that got a reply on the same day",
        &["sessions"],
    ),
    Field {
        name: "first_reply_average_sec",
        suffix: "first_reply_average_seconds",
        help: "average time from a customer's first message to the first reply",
        unit: Unit::Seconds,
        span: Span::Day,
        combine: Combine::Weighted(&["sessions", "replied_sessions_ratio"]),
    },
    // Sic: the platform spells it so.
    count("satisfaction_investgate_cnt", "satisfaction_surveys_sent", "satisfaction surveys sent"),
    ratio(
        "satisfaction_participation_rate",
        "satisfaction_participation_ratio",
        "share of the satisfaction surveys that were answered",
        &["satisfaction_surveys_sent"],
    ),
    ratio("satisfied_rate", "satisfied_ratio", "share of the answered surveys that say satisfied", ANSWERED),
    ratio("middling_rate", "middling_ratio", "share of the answered surveys that say so-so", ANSWERED),
    ratio("dissatisfied_rate", "dissatisfied_ratio", "share of the answered surveys that say dissatisfied", ANSWERED),
    customers(
        "upgrade_service_customer_cnt",
        "upgraded_customers",
        "customers who added a specialist or joined a group chat through an upgrade of service, each once",
    ),
    count("upgrade_service_member_invite_cnt", "upgrade_member_invites", "cards of specialists sent to customers"),
    count(
        "upgrade_service_member_customer_cnt",
        "upgrade_member_customers",
        "times that a customer added a specialist",
    ),
    count(
        "upgrade_service_groupchat_invite_cnt",
        "upgrade_groupchat_invites",
        "QR codes of group chats sent to customers",
    ),
    count(
        "upgrade_service_groupchat_customer_cnt",
        "upgrade_groupchat_customers",
        "times that a customer joined a group chat",
    ),
    customers(
        "msg_rejected_customer_cnt",
        "rejected_customers",
        "customers from whom a servicer chose to receive no more messages",
    ),
];

const ACCOUNT: Table = Table {
    prefix: "wecom_kf_account",
    labels: &["open_kfid"],
    person: None,
    of: "one KF account",
    overlap: None,
    fields: FIELDS,
};

const SERVICER: Table = Table {
    prefix: "wecom_kf_servicer",
    labels: &["open_kfid", "userid"],
    person: Some("userid"),
    of: "one servicer in one KF account",
    overlap: None,
    fields: FIELDS,
};

const ACCOUNT_INFO: Info = Info {
    name: "wecom_kf_account_info",
    help: "WeCom KF: the name of a KF account",
    id: "open_kfid",
    parent: None,
    people: false,
};

/// The API.
pub(super) const API: Api = Api {
    name: "wecom_kf",
    title: "WeCom KF",
    platform: &Wecom,
    path: "kf/get_servicer_statistic",
    page: "https://developer.work.weixin.qq.com/document/path/95493",
    tables: &[&ACCOUNT, &SERVICER],
    shape: Shape {
        rows: "/statistic_list",
        no_rows: NoRows::Malformed,
        day: Some("stat_time"),
        subject: None,
        figures: "statistic",
        figures_optional: true,
        name: None,
        paging: Paging::Single,
    },
    days_per_call: 31,
    batch: 1,
    union: 0,
    ready_hour: 6,
    lag_days: 1,
    refresh_interval: Duration::from_hours(6),
    keeps_days: Some(180),
    date_codes: &["600018"],
    infos: &[&ACCOUNT_INFO, &USER_INFO],
    row_names: None,
};

/// The block `kf`.
pub(super) const BLOCK: Block = Block { platform: &Wecom, name: "kf", apis: &[&API], new: || Box::new(Params::new()) };

/// Its parameters.
#[derive(Debug)]
pub(super) struct Params {
    accounts: Selection,
    servicers: Selection,
}

impl Params {
    fn new() -> Self {
        Self { accounts: Selection::All, servicers: Selection::None }
    }
}

impl api::Params for Params {
    fn keys(&mut self) -> Vec<Key<'_>> {
        vec![
            Key::words("accounts", Selection::SHAPE, &mut self.accounts, Selection::read),
            Key::words("servicers", Selection::SHAPE, &mut self.servicers, Selection::read),
        ]
    }

    fn check(&self, path: &str, faults: &mut Vec<String>) {
        self.accounts.check(&format!("{path}.accounts"), false, faults);
        self.servicers.check_people(&format!("{path}.servicers"), faults);
        if self.accounts == Selection::None {
            faults.push(format!(
                "{path}.accounts: nothing is asked without accounts: write all, list some, or drop the block"
            ));
        }
    }

    fn sources(self: Box<Self>, _: &str) -> Vec<Box<dyn Source>> {
        vec![self]
    }
}

impl Params {
    fn accounts(&self, directory: &Directory) -> Vec<String> {
        match &self.accounts {
            Selection::All => listing::entries(directory, ACCOUNTS).iter().map(|found| found.id.clone()).collect(),
            listed => listed.listed().to_vec(),
        }
    }
}

/// The key of the list of one account's servicers.
fn servicers_key(open_kfid: &str) -> String {
    format!("kf_servicer/{open_kfid}")
}

const NO_ACCOUNTS: &str = "the app may manage no KF account: choose the app under 应用管理 > 微信客服 > API (App management > \
    WeChat customer service > API), and the accounts that it may manage, or make an account first";

fn account_listing() -> ListRequest {
    let path = "kf/account/list";
    ListRequest {
        key: ACCOUNTS.to_owned(),
        call: Call::post(path, format!("cgi-bin/{path}"), json!({"offset": 0, "limit": PAGE})),
        // There is neither a total nor a cursor.
        paging: ListPaging::Offset(PAGE),
        read: |page, _| {
            each(page, "/account_list", |account, n| {
                let id = id(account, "open_kfid", "/account_list", n)?;
                Ok(Entry::Subject(ListEntry { id, parent: None, name: text(account, "name") }))
            })
        },
        need: Need::Required,
        people: false,
        when_empty: Some(NO_ACCOUNTS),
    }
}

fn servicer_listing(open_kfid: &str) -> ListRequest {
    let path = "kf/servicer/list";
    let query = vec![("open_kfid", open_kfid.to_owned())];
    ListRequest {
        key: servicers_key(open_kfid),
        call: Call::get(path, format!("cgi-bin/{path}"), query),
        paging: ListPaging::Single,
        read: |page, _| {
            each(page, "/servicer_list", |servicer, n| {
                // A department has no `userid`, or an empty one.
                let has_userid = servicer.get("userid").is_some_and(|userid| !userid.is_null() && userid != "");
                if !has_userid && servicer.get("department_id").is_some() {
                    return Ok(Entry::Sublist(department(&id(servicer, "department_id", "/servicer_list", n)?)));
                }
                let id = id(servicer, "userid", "/servicer_list", n)?;
                Ok(Entry::Subject(ListEntry { id, parent: None, name: None }))
            })
        },
        need: Need::Optional,
        people: true,
        when_empty: None,
    }
}

/// The members of a department and of those below it.
fn department(department: &str) -> ListRequest {
    let path = "department/simplelist";
    let query = vec![("id", department.to_owned())];
    ListRequest {
        key: format!("department_member/{department}"),
        call: Call::get(path, format!("cgi-bin/{path}"), query),
        paging: ListPaging::Single,
        read: |page, _| {
            each(page, "/department_id", |entry, n| Ok(Entry::Sublist(members(&id(entry, "id", "/department_id", n)?))))
        },
        need: Need::Optional,
        people: true,
        when_empty: None,
    }
}

impl Source for Params {
    fn api(&self) -> &'static Api {
        &API
    }

    fn listings(&self, directory: &Directory, names: bool) -> Vec<ListRequest> {
        if self.accounts == Selection::All && !directory.contains_key(ACCOUNTS) {
            return vec![account_listing()];
        }
        let mut listings = Vec::new();
        if self.servicers == Selection::All {
            let missing = |open_kfid: &String| !directory.contains_key(&servicers_key(open_kfid));
            let accounts = self.accounts(directory);
            listings.extend(accounts.iter().filter(|open_kfid| missing(open_kfid)).map(|id| servicer_listing(id)));
        }
        if names && self.servicers != Selection::None && !directory.contains_key(USER_NAMES) {
            listings.push(user_names());
        }
        listings
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let accounts = self.accounts(directory);
        let account = |id: &String| Target::named(&ACCOUNT, vec![id.clone()], Filter::one("open_kfid", id));
        let mut targets: Vec<_> = accounts.iter().map(account).collect();
        for open_kfid in &accounts {
            let listed = self.servicers.listed().iter();
            let found = listing::entries(directory, &servicers_key(open_kfid)).iter().map(|found| &found.id);
            let found = found.take(if self.servicers == Selection::All { usize::MAX } else { 0 });
            let servicer = |userid: &String| {
                let filter = Filter::one("open_kfid", open_kfid).and("servicer_userid", userid);
                let after = Some(Target::key_of(&ACCOUNT, std::slice::from_ref(open_kfid)));
                Target { after, ..Target::named(&SERVICER, vec![open_kfid.clone(), userid.clone()], filter) }
            };
            targets.extend(listed.chain(found).map(servicer));
        }
        targets
    }

    fn calls(&self, targets: &[&Target], days: Days, zone: &Zone) -> Vec<Call> {
        let call = |target: &&Target| {
            let mut body = json!({
                "start_time": days.first.midnight(zone).as_second(),
                "end_time": days.last.midnight(zone).as_second(),
            });
            for (field, ids) in target.filter.fields() {
                body[field] = json!(ids[0]);
            }
            Call::post(API.path, format!("cgi-bin/{}", API.path), body)
        };
        targets.iter().map(call).collect()
    }

    fn names(&self) -> Vec<(&'static Info, String)> {
        vec![(&ACCOUNT_INFO, ACCOUNTS.to_owned()), (&USER_INFO, USER_NAMES.to_owned())]
    }
}
