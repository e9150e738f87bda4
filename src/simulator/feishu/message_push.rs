//! 「消息推送概览」: what bots pushed to the tenant or a department, per day, week or month.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::rules::refuse;
use crate::day::{Day, Days, Zone};
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal};
use crate::simulator::apis;
use crate::simulator::company::{Company, FeishuDepartment};
use crate::simulator::draw::{Draw, key, number, rhythm};

/// How far back figures go, in days; the page names no limit.
const KEPT_DAYS: i64 = 365;

/// The pushes to people, of one or more departments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::simulator) struct Tally {
    pub(in crate::simulator) messages: u64,
    users: u64,
    read_in_1h: u64,
    read_in_12h: u64,
}

impl Tally {
    /// The pushes of an app to the people of a department itself, on the day of that number.
    fn of_day(company: &Company, app_id: &str, department: &FeishuDepartment, day: i64) -> Self {
        if department.silent {
            return Self::default();
        }
        let key = key(company.seed, &["push", app_id, &department.open_department_id]);
        let mut nature = Draw::of(key);
        let mut draw = Draw::on(key, day);
        let reach = nature.between(0.2, 1.0) * rhythm(day).min(1.0);
        let users = draw.part(department.member_count, reach * 0.7, reach);
        let messages = users + draw.count(users as f64 * nature.between(0.5, 6.0));
        let read_in_12h = draw.part(messages, 0.6, 0.95);
        Self { messages, users, read_in_12h, read_in_1h: draw.part(read_in_12h, 0.3, 0.8) }
    }

    /// The same over several days: messages add up, but people who were reached again count once.
    fn of_days(company: &Company, app_id: &str, department: &FeishuDepartment, days: Days) -> Self {
        let mut sum = Self::default();
        let mut most = 0;
        for day in days.iter() {
            let tally = Self::of_day(company, app_id, department, number(day));
            most = most.max(tally.users);
            sum.add(&tally);
        }
        sum.users = (most + (sum.users - most) / 4).min(department.member_count);
        sum
    }

    /// The pushes to a department and those below it, or to the tenant.
    pub(in crate::simulator) fn of(
        company: &Company,
        app_id: &str,
        department: Option<&FeishuDepartment>,
        days: Days,
    ) -> Self {
        let all = &company.feishu_departments;
        let mut sum = Self::default();
        let mut add = |department: &FeishuDepartment| sum.add(&Self::of_days(company, app_id, department, days));
        match department {
            None => all.iter().for_each(&mut add),
            Some(top) => top.subtree.iter().map(|place| &all[*place]).for_each(&mut add),
        }
        sum
    }

    fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.users += other.users;
        self.read_in_1h += other.read_in_1h;
        self.read_in_12h += other.read_in_12h;
    }

    /// The names and values of the platform's items.
    pub(in crate::simulator) fn metrics(&self) -> [(&'static str, u64); 4] {
        [
            ("send_msg_count", self.messages),
            ("send_user_count", self.users),
            ("read_in_1h_count", self.read_in_1h),
            ("read_in_12h_count", self.read_in_12h),
        ]
    }
}

/// The days of the period that starts on `date`: 1 is a day, 2 a week, 3 a month.
pub(in crate::simulator) fn period(date: Day, cycle_type: i64) -> Days {
    let last = match cycle_type {
        2 => date.plus(6),
        3 => date.last_of_month(),
        _ => date,
    };
    Days { first: date, last }
}

/// Answers `message_push_overview`.
pub(super) fn answer(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let company = &world.company;
    let app_id = received.ids.first().filter(|id| company.app_ids.contains(id)).ok_or_else(|| refuse(211_005))?;
    let date = received.field("date").and_then(Value::as_str).and_then(|date| date.parse::<Day>().ok());
    let date = date.ok_or_else(|| refuse(211_007))?;
    // The page's own example sends "1", which its own table does not allow.
    let cycle = received.field("cycle_type").ok_or_else(|| refuse(99_992_402))?;
    let cycle = cycle.as_i64().ok_or_else(|| refuse(9499))?;
    if !(1..=3).contains(&cycle) {
        return Err(refuse(99_992_402));
    }
    let department = department(company, received)?;
    let starts = match cycle {
        2 => date.monday(),
        3 => date.first_of_month(),
        _ => date,
    };
    let newest = newest(received.now);
    let oldest = Day::containing(received.now, &Zone::china()).plus(-KEPT_DAYS);
    if date != starts || date > newest || date < oldest {
        return Err(refuse(211_010));
    }
    let whole = period(date, cycle);
    // Of a period that is not over there is what has been produced of it.
    let days = Days { first: whole.first, last: whole.last.min(newest) };
    let subject = department.map_or(app_id.clone(), |d| format!("{app_id}/{}", d.open_department_id));
    let overlay = world.overlay(apis::PUSH, &subject, days.last, received.now);
    let mut tally = Tally::of(company, app_id, department, days);
    if overlay.missing || tally == Tally::default() {
        return Err(refuse(211_011));
    }
    if overlay.zero {
        tally = Tally::default();
    }
    tally.messages = overlay.shift(tally.messages);
    let item = |(name, value): (&str, u64)| json!({ "metric_name": name, "metric_value": value });
    Ok(json!({ "items": tally.metrics().into_iter().map(item).collect::<Vec<Value>>() }))
}

fn department<'a>(company: &'a Company, received: &ApiRequest) -> Result<Option<&'a FeishuDepartment>, Refusal> {
    let id = match received.field("department_id") {
        None => return Ok(None),
        Some(id) => id.as_str().ok_or_else(|| refuse(9499))?,
    };
    if id.is_empty() {
        return Ok(None);
    }
    let of_type = |department: &&FeishuDepartment| match received.parameter("department_id_type") {
        Some("department_id") => department.department_id == id,
        _ => department.open_department_id == id,
    };
    company.feishu_departments.iter().find(of_type).map(Some).ok_or_else(|| refuse(99_992_357))
}

/// The newest day that is produced: at ten o'clock the one before yesterday.
fn newest(now: Timestamp) -> Day {
    let ten_hours_ago = now.saturating_sub(SignedDuration::from_hours(10)).unwrap_or(Timestamp::MIN);
    Day::containing(ten_hours_ago, &Zone::china()).plus(-2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_produced_at_ten_two_days_later() {
        assert_eq!(newest("2026-11-20T09:59:59+08:00".parse().unwrap()), day("2026-11-17"));
        assert_eq!(newest("2026-11-20T10:00:00+08:00".parse().unwrap()), day("2026-11-18"));
    }

    #[test]
    fn a_department_contains_those_below_it_and_a_week_reaches_fewer_people_than_its_days() {
        let company = Company::new(200, 1);
        let app = &company.app_id;
        let week = period(day("2026-11-09"), 2);
        let tenant = Tally::of(&company, app, None, week);
        let days: Vec<Tally> = week.iter().map(|day| Tally::of(&company, app, None, Days::one(day))).collect();
        assert_eq!(tenant.messages, days.iter().map(|tally| tally.messages).sum::<u64>());
        assert!(tenant.users < days.iter().map(|tally| tally.users).sum::<u64>());
        assert!(tenant.users >= days.iter().map(|tally| tally.users).max().unwrap());
        for department in &company.feishu_departments {
            let tally = Tally::of(&company, app, Some(department), week);
            assert!(tally.messages <= tenant.messages && tally.read_in_1h <= tally.read_in_12h);
            assert!(!department.silent || tally == Tally::default());
        }
    }
}
