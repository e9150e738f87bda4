//! Feishu: how many people an application's bot messages reached, by day, week and month.
//!
//! One call per application, cycle, and tenant or department; rows are pairs of metric name and value. A department's
//! figures contain its children's, so nothing is asked below one without data.
//! Pages: <https://open.feishu.cn/document/server-docs/application-v6/app-usage/message_push_overview>,
//! <https://open.feishu.cn/document/server-docs/contact-v3/department/children>.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::api::{self, Api, Block, Info, Source};
use super::filter::Filter;
use super::listing::{self, Carrier, Directory, Entry, ListEntry, ListPaging, ListRequest, Need, array, id, text};
use super::malformed::Malformed;
use super::selection::Selection;
use super::shape::{NoRows, Paging, Shape};
use super::table::{Combine, Field, Span, Table, Unit};
use super::target::Target;
use crate::day::{Cycle, Days, Zone};
use crate::platform::{Call, Feishu};
use crate::yaml::{Key, Words, cut};

/// The largest page of departments that Feishu gives.
const PAGE: &str = "50";

/// The part of the path that takes an application.
const APP: &str = ":app_id";

/// The id of the root department.
const ROOT: &str = "0";

const FIELDS: &[Field] = &[Field {
    name: "metric_value",
    suffix: "",
    help: "the figure named by metric_name (messages pushed, people reached, reads within 1 h and 12 h)",
    unit: Unit::Count,
    span: Span::Cycle,
    combine: Combine::Sum,
}];

const TENANT: Table = Table {
    prefix: "feishu_message_push",
    labels: &["app_id", "cycle", "metric_name"],
    person: None,
    of: "one application in the whole tenant",
    overlap: Some("cycles overlap, metrics differ, and people may be reached by several applications"),
    fields: FIELDS,
};

const DEPARTMENT: Table = Table {
    prefix: "feishu_department_message_push",
    labels: &["app_id", "department_id", "cycle", "metric_name"],
    person: None,
    of: "one application in one department and its children",
    overlap: Some("departments contain their children, cycles overlap and metrics differ"),
    fields: FIELDS,
};

const DEPARTMENT_INFO: Info = Info {
    name: "feishu_department_info",
    help: "Feishu: the name of a department",
    id: "department_id",
    parent: Some("parent_department_id"),
    people: false,
};

/// The API.
pub(super) const API: Api = Api {
    name: "feishu_message_push",
    title: "Feishu message push",
    platform: &Feishu,
    path: "application/v6/applications/:app_id/app_usage/message_push_overview",
    page: "https://open.feishu.cn/document/server-docs/application-v6/app-usage/message_push_overview",
    tables: &[&TENANT, &DEPARTMENT],
    shape: Shape {
        rows: "/data/items",
        no_rows: NoRows::Empty,
        day: None,
        subject: Some("metric_name"),
        figures: "",
        figures_optional: false,
        name: None,
        paging: Paging::Single,
    },
    days_per_call: 1,
    batch: 1,
    union: 0,
    ready_hour: 10,
    lag_days: 2,
    refresh_interval: Duration::from_hours(24),
    keeps_days: None,
    date_codes: &["211010"],
    infos: &[&DEPARTMENT_INFO],
    row_names: None,
};

/// The block `message_push`.
pub(super) const BLOCK: Block =
    Block { platform: &Feishu, name: "message_push", apis: &[&API], new: || Box::new(Params::new()) };

/// Its parameters.
#[derive(Debug)]
pub(super) struct Params {
    /// The account's own application unless written.
    apps: Option<Vec<String>>,
    departments: Selection,
    cycles: Vec<Cycle>,
}

const CYCLES: &[Cycle] = &[Cycle::Day, Cycle::Week, Cycle::Month];

impl Params {
    fn new() -> Self {
        Self { apps: None, departments: Selection::None, cycles: vec![Cycle::Day] }
    }
}

impl api::Params for Params {
    fn keys(&mut self) -> Vec<Key<'_>> {
        let apps = |words| match words {
            Words::List(apps) => Ok(Some(apps)),
            Words::One(_) => Err("expected a list of app ids".to_owned()),
        };
        let cycles = |words| {
            let shape = "it is a list of cycles, each of them day, week or month";
            let Words::List(words) = words else { return Err(shape.to_owned()) };
            let cycle = |word: &String| {
                let known = CYCLES.iter().copied().find(|cycle| cycle.name() == word);
                known.ok_or_else(|| format!("unknown cycle `{}`; {shape}", cut(word)))
            };
            words.iter().map(cycle).collect()
        };
        vec![
            Key::words("apps", "a list of app ids", &mut self.apps, apps),
            Key::words("departments", Selection::SHAPE, &mut self.departments, Selection::read),
            Key::words("cycles", "a list of cycles", &mut self.cycles, cycles),
        ]
    }

    fn check(&self, path: &str, faults: &mut Vec<String>) {
        let apps = self.apps.as_deref().unwrap_or_default();
        Selection::These(apps.to_vec()).check(&format!("{path}.apps"), false, faults);
        self.departments.check(&format!("{path}.departments"), true, faults);
        for (n, app) in apps.iter().enumerate() {
            if !app.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
                faults.push(format!("{path}.apps[{n}]: `{app}` is not a Feishu app id such as cli_9f115af860f7901b"));
            }
        }
        let names = self.cycles.iter().map(|cycle| cycle.name().to_owned()).collect();
        Selection::These(names).check(&format!("{path}.cycles"), false, faults);
        for (key, is_empty) in
            [("apps", self.apps.as_ref().is_some_and(Vec::is_empty)), ("cycles", self.cycles.is_empty())]
        {
            if is_empty {
                faults.push(format!("{path}.{key}: the list is empty, so that nothing would be asked"));
            }
        }
    }

    fn warn(&self, path: &str, warnings: &mut Vec<String>) {
        for (n, id) in self.departments.listed().iter().enumerate().filter(|(_, id)| !id.starts_with("od-")) {
            warnings.push(format!(
                "{path}.departments[{n}]: `{id}` is most likely not an open_department_id, which begins with `od-`: the admin \
                 console shows another id; `departments: all` asks Feishu for the right ones"
            ));
        }
    }

    fn sources(self: Box<Self>, id: &str) -> Vec<Box<dyn Source>> {
        let apps = self.apps.unwrap_or_else(|| vec![id.to_owned()]);
        vec![Box::new(Self { apps: Some(apps), ..*self })]
    }
}

impl Params {
    /// The list that the departments are taken from.
    fn listing(&self) -> Option<ListRequest> {
        let (key, below) = match self.departments {
            Selection::All => ("department", "true"),
            Selection::Top => ("top_department", "false"),
            _ => return None,
        };
        let path = "contact/v3/departments/:department_id/children";
        let query = vec![
            ("department_id_type", "open_department_id".to_owned()),
            ("fetch_child", below.to_owned()),
            ("page_size", PAGE.to_owned()),
        ];
        Some(ListRequest {
            key: key.to_owned(),
            call: Call::get(path, format!("open-apis/contact/v3/departments/{ROOT}/children"), query),
            paging: ListPaging::Cursor {
                more: "/data/has_more",
                next: "/data/page_token",
                carrier: Carrier::Query("page_token"),
            },
            read: read_departments,
            need: Need::Required,
            people: false,
            when_empty: Some(NO_DEPARTMENTS),
        })
    }
}

const NO_DEPARTMENTS: &str = "the app sees no department: set its contacts range under 开发者后台 > the app > 权限管理 > \
    通讯录权限范围 (Developer Console > the app > Permissions & Scopes > Contacts range), and publish a version under \
    版本管理与发布 (Version Management & Release)";

fn read_departments(page: &Value, _: &ListRequest) -> Result<Vec<Entry>, Malformed> {
    let pointer = "/data/items";
    // Feishu leaves out an empty list: of a tenant without departments, and of an app that may see none.
    let is_absent = page.pointer(pointer).is_none_or(Value::is_null);
    let goes_on = page.pointer("/data/has_more") == Some(&Value::Bool(true));
    if is_absent && !goes_on && page["data"].is_object() {
        return Ok(Vec::new());
    }
    let departments = array(page, pointer)?.iter().enumerate();
    let present = departments.filter(|(_, entry)| entry.pointer("/status/is_deleted") != Some(&Value::Bool(true)));
    let read = |(n, entry): (usize, &Value)| {
        let (parent, name) = (text(entry, "parent_department_id"), text(entry, "name"));
        match id(entry, "open_department_id", pointer, n) {
            Ok(id) => Entry::Subject(ListEntry { id, parent, name }),
            Err(malformed) => Entry::Odd(malformed),
        }
    };
    Ok(present.map(read).collect())
}

/// Each department after its parent, with the parent where that is in the list.
fn parents_first(found: &[ListEntry]) -> Vec<(&ListEntry, Option<&str>)> {
    let known: HashMap<&str, &ListEntry> = found.iter().map(|found| (found.id.as_str(), found)).collect();
    let parent = |found: &ListEntry| found.parent.as_deref().and_then(|parent| known.get(parent).copied());
    let depth = |found: &ListEntry| {
        // What a broken list makes its own ancestor is as deep as there are departments.
        std::iter::successors(parent(found), |found| parent(found)).take(found_limit(known.len())).count()
    };
    let mut sorted: Vec<_> = found.iter().map(|found| (depth(found), found)).collect();
    sorted.sort_by_key(|(depth, _)| *depth);
    sorted.into_iter().map(|(_, found)| (found, parent(found).map(|parent| parent.id.as_str()))).collect()
}

/// No company is deeper than this, and no tree deeper than it has nodes.
fn found_limit(nodes: usize) -> usize {
    nodes.min(64)
}

impl Source for Params {
    fn api(&self) -> &'static Api {
        &API
    }

    fn listings(&self, directory: &Directory, _: bool) -> Vec<ListRequest> {
        self.listing().into_iter().filter(|listing| !directory.contains_key(&listing.key)).collect()
    }

    fn targets(&self, directory: &Directory) -> Vec<Target> {
        let found = self.listing().map_or(&[][..], |listing| listing::entries(directory, &listing.key));
        let mut departments = parents_first(found);
        let listed: Vec<_> =
            self.departments.listed().iter().map(|id| ListEntry { id: id.clone(), parent: None, name: None }).collect();
        departments.extend(listed.iter().map(|found| (found, None)));
        let mut targets = Vec::new();
        for cycle in &self.cycles {
            for app in self.apps.iter().flatten() {
                let name = cycle.name().to_owned();
                let labels = vec![app.clone(), name.clone()];
                let tenant = Target { cycle: *cycle, ..Target::listed(&TENANT, labels, Filter::one(APP, app)) };
                let labels = |id: &str| vec![app.clone(), id.to_owned(), name.clone()];
                let key = |id: &str| Target::key_of(&DEPARTMENT, &labels(id));
                let department = |(found, parent): &(&ListEntry, Option<&str>)| Target {
                    cycle: *cycle,
                    after: Some(parent.map_or_else(|| tenant.key(), key)),
                    ..Target::listed(
                        &DEPARTMENT,
                        labels(&found.id),
                        Filter::one(APP, app).and("department_id", &found.id),
                    )
                };
                targets.push(tenant.clone());
                targets.extend(departments.iter().map(department));
            }
        }
        targets
    }

    fn calls(&self, targets: &[&Target], days: Days, _: &Zone) -> Vec<Call> {
        let call = |target: &&Target| {
            let cycle_type = match target.cycle {
                Cycle::Day => 1,
                Cycle::Week => 2,
                Cycle::Month => 3,
            };
            let mut body = json!({"date": days.first.to_string(), "cycle_type": cycle_type});
            let mut path = API.path.to_owned();
            for (field, ids) in target.filter.fields() {
                match field {
                    APP => path = path.replace(APP, &ids[0]),
                    _ => body[field] = json!(ids[0]),
                }
            }
            let mut call = Call::post(API.path, format!("open-apis/{path}"), body);
            call.query.push(("department_id_type", "open_department_id".to_owned()));
            call
        };
        targets.iter().map(call).collect()
    }

    fn names(&self) -> Vec<(&'static Info, String)> {
        self.listing().map(|listing| (&DEPARTMENT_INFO, listing.key)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &str, parent: &str) -> ListEntry {
        ListEntry { id: id.into(), parent: Some(parent.into()), name: None }
    }

    fn params(departments: Selection, apps: &[&str]) -> Params {
        let apps = Some(apps.iter().map(|app| (*app).to_owned()).collect());
        Params { apps, departments, cycles: vec![Cycle::Day] }
    }

    #[test]
    fn an_app_id_stays_within_its_part_of_the_path() {
        for (app, good) in
            [("cli_9f115af860f7901b", true), ("a-B_0", true), ("../x", false), ("a/b", false), ("a?b", false)]
        {
            let mut faults = Vec::new();
            api::Params::check(&params(Selection::None, &[app]), "p", &mut faults);
            assert_eq!(faults.is_empty(), good, "{app}: {faults:?}");
        }
    }

    #[test]
    fn top_departments_are_those_of_the_first_level() {
        let below = |departments| {
            let listing = params(departments, &["cli"]).listing()?;
            let query = listing.call.query.iter().find(|(key, _)| *key == "fetch_child").unwrap().1.clone();
            Some((listing.key, query))
        };
        assert_eq!(below(Selection::Top), Some(("top_department".to_owned(), "false".to_owned())));
        assert_eq!(below(Selection::All), Some(("department".to_owned(), "true".to_owned())));
        assert_eq!(below(Selection::None), None);
    }

    #[test]
    fn departments_are_read_without_those_deleted_and_may_be_none() {
        let listing = params(Selection::All, &["cli"]).listing().unwrap();
        let read = |page| {
            let entries = read_departments(&page, &listing).map_err(|malformed| malformed.path)?;
            let ids = entries.into_iter().map(|entry| match entry {
                Entry::Subject(found) => found.id,
                Entry::Sublist(listing) => listing.key,
                Entry::Odd(malformed) => malformed.path,
            });
            Ok::<_, String>(ids.collect::<Vec<_>>())
        };
        let items = json!([
            {"open_department_id": "a", "status": {"is_deleted": false}}, {"open_department_id": "b"},
            {"open_department_id": "c", "status": {"is_deleted": true}},
        ]);
        assert_eq!(
            read(json!({"data": {"has_more": false, "items": items}})),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(read(json!({"data": {"has_more": false}})), Ok(vec![]));
        assert_eq!(read(json!({"data": {"has_more": false, "items": null}})), Ok(vec![]));
        assert_eq!(read(json!({"data": {"has_more": true}})), Err("/data/items".to_owned()));
        assert_eq!(read(json!({"data": {}})), Ok(vec![]));
        assert_eq!(read(json!({"data": null})), Err("/data/items".to_owned()));
        let odd = json!([{"open_department_id": ""}, {"open_department_id": "a"}]);
        assert_eq!(
            read(json!({"data": {"items": odd}})),
            Ok(vec!["/data/items/0/open_department_id".to_owned(), "a".to_owned()])
        );
    }

    #[test]
    fn parents_come_first_even_where_the_list_is_broken() {
        let list = [found("c", "b"), found("b", "a"), found("a", ROOT), found("x", "y"), found("y", "x")];
        let order: Vec<_> = parents_first(&list).iter().map(|(found, _)| found.id.clone()).collect();
        assert_eq!(&order[..3], ["a", "b", "c"]);
        assert_eq!(order.len(), 5);
    }
}
