//! The figures themselves, for tests to compare with: pure functions of the company, a subject and days.
//!
//! They are what the simulated platforms answer as long as no fault changes them.

use serde_json::{Value, json};

use super::company::Company;
use super::desk;
use super::draw::number;
use super::feishu::message_push;
use super::wecom::{contact, groupchat, kf};
use crate::day::{Day, Days};

/// The `behavior_data` of a union of members and departments on `day`, without `stat_time`.
#[must_use]
pub fn contact(company: &Company, userids: &[&str], partyids: &[i64], day: Day) -> Value {
    let mut sum = contact::Tally::default();
    for place in contact::union(company, userids, partyids) {
        sum += contact::Tally::of(&company.users[place], number(day));
    }
    sum.figures()
}

/// The `data` of the groups of all `owners` together on `day`; `None` where none of them has groups.
#[must_use]
pub fn groupchat(company: &Company, owners: &[&str], day: Day) -> Option<Value> {
    let mut sum = groupchat::Tally::default();
    let mut any = false;
    for owner in owners.iter().filter_map(|userid| company.user(userid)).filter(|user| user.owns_groups) {
        sum.add(&groupchat::Tally::of(owner, number(day), number(day)));
        any = true;
    }
    any.then(|| sum.figures(false))
}

/// The `statistic` of an account, or of one of its servicers, on `day`; `None` where nothing happened.
#[must_use]
pub fn kf(company: &Company, open_kfid: &str, servicer: Option<&str>, day: Day) -> Option<Value> {
    let account = company.kf_account(open_kfid)?;
    let mut sum = kf::Tally::default();
    for each in account.servicers.iter().filter(|each| servicer.is_none_or(|userid| userid == each.userid)) {
        sum.add(&kf::Tally::of(account, each, number(day)));
    }
    sum.figures()
}

/// The row of an agent over `days`.
#[must_use]
pub fn desk(company: &Company, agent_id: &str, days: Days) -> Option<Value> {
    let agent = company.agent(agent_id)?;
    let mut sum = desk::Tally::default();
    for day in days.iter() {
        sum.add(&desk::Tally::of(agent, day));
    }
    Some(sum.figures(agent))
}

/// The metrics, by name, of an app's pushes to a department or the tenant over `days`; `None` where there were none.
#[must_use]
pub fn message_push(company: &Company, app_id: &str, department: Option<&str>, days: Days) -> Option<Value> {
    let department = match department {
        Some(id) => Some(company.feishu_department(id)?),
        None => None,
    };
    let tally = message_push::Tally::of(company, app_id, department, days);
    let mut metrics = json!({});
    for (name, value) in tally.metrics() {
        metrics[name] = value.into();
    }
    (tally.messages > 0).then_some(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_agree_and_two_seeds_do_not() {
        let day: Day = "2026-11-18".parse().unwrap();
        let of = |seed| {
            let company = Company::new(40, seed);
            contact(&company, &[], &[1], day)
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn an_account_has_the_sessions_of_its_servicers() {
        let company = Company::new(40, 1);
        let day: Day = "2026-11-18".parse().unwrap();
        let account = &company.kf_accounts[0];
        let sessions = |servicer| {
            kf(&company, &account.open_kfid, servicer, day)
                .map_or(0, |figures| figures["session_cnt"].as_u64().unwrap())
        };
        let sum: u64 = account.servicers.iter().map(|servicer| sessions(Some(servicer.userid.as_str()))).sum();
        assert_eq!(sessions(None), sum);
    }
}
