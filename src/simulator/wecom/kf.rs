//! 「客户数据统计」接待人员明细: what servicers of WeCom KF did, per account or per servicer of one account.

use serde_json::{Value, json};

use super::rules::{days, midnight, refuse, refuse_for};
use crate::day::Day;
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal, rounded};
use crate::simulator::apis;
use crate::simulator::company::{KfAccount, Servicer};
use crate::simulator::draw::{Draw, number, rhythm, weekday};

/// The longest span of one call, in days.
const LONGEST_SPAN: u32 = 31;

/// What is counted before rates are taken of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulator) struct Tally {
    pub(in crate::simulator) sessions: u64,
    customers: u64,
    customer_messages: u64,
    replied: u64,
    first_reply_seconds: u64,
    surveys: u64,
    rated: u64,
    satisfied: u64,
    dissatisfied: u64,
    upgraded: u64,
    member_invites: u64,
    member_customers: u64,
    groupchat_invites: u64,
    groupchat_customers: u64,
    rejected: u64,
}

impl Tally {
    /// The counts of a servicer on the day of that number.
    pub(in crate::simulator) fn of(account: &KfAccount, servicer: &Servicer, day: i64) -> Self {
        let mut nature = Draw::of(servicer.key);
        let mut draw = Draw::on(servicer.key, day);
        let closed = account.closed_on_weekends && weekday(day) >= 5;
        // Everyone has days off.
        if closed || draw.unit() < 0.15 {
            return Self::default();
        }
        let sessions = draw.count(nature.between(1.0, 14.0) * rhythm(day));
        let customers = draw.part(sessions, 0.85, 1.0).max(u64::from(sessions > 0));
        let replied = draw.part(sessions, 0.8, 1.0);
        let each = draw.between(8.0, 180.0);
        let asked = draw.part(sessions, 0.4, 0.9);
        let surveys = if account.surveys { asked } else { 0 };
        let rated = draw.part(surveys, 0.1, 0.7);
        let satisfied = draw.part(rated, 0.6, 1.0);
        let dissatisfied = draw.part(rated - satisfied, 0.0, 1.0);
        let member_invites = draw.part(sessions, 0.0, 0.3);
        let member_customers = draw.part(member_invites, 0.2, 0.8);
        let groupchat_invites = draw.part(sessions, 0.0, 0.2);
        let groupchat_customers = draw.part(groupchat_invites, 0.2, 0.8);
        Self {
            sessions,
            customers,
            customer_messages: sessions + draw.count(sessions as f64 * 4.0),
            replied,
            first_reply_seconds: (replied as f64 * each) as u64,
            surveys,
            rated,
            satisfied,
            dissatisfied,
            upgraded: member_customers.max(groupchat_customers),
            member_invites,
            member_customers,
            groupchat_invites,
            groupchat_customers,
            // Sometimes on a day without any session, whose rates are then left out.
            rejected: draw.count(0.08),
        }
    }

    pub(in crate::simulator) fn add(&mut self, other: &Self) {
        self.sessions += other.sessions;
        self.customers += other.customers;
        self.customer_messages += other.customer_messages;
        self.replied += other.replied;
        self.first_reply_seconds += other.first_reply_seconds;
        self.surveys += other.surveys;
        self.rated += other.rated;
        self.satisfied += other.satisfied;
        self.dissatisfied += other.dissatisfied;
        self.upgraded += other.upgraded;
        self.member_invites += other.member_invites;
        self.member_customers += other.member_customers;
        self.groupchat_invites += other.groupchat_invites;
        self.groupchat_customers += other.groupchat_customers;
        self.rejected += other.rejected;
    }

    /// The `statistic` as the platform writes it; `None` on a day on which nothing happened.
    pub(in crate::simulator) fn figures(&self) -> Option<Value> {
        // All other counts are parts of the sessions.
        if self.sessions == 0 && self.rejected == 0 {
            return None;
        }
        let mut statistic = json!({
            "session_cnt": self.sessions,
            "customer_cnt": self.customers,
            "customer_msg_cnt": self.customer_messages,
            "satisfaction_investgate_cnt": self.surveys,
            "upgrade_service_customer_cnt": self.upgraded,
            "upgrade_service_member_invite_cnt": self.member_invites,
            "upgrade_service_member_customer_cnt": self.member_customers,
            "upgrade_service_groupchat_invite_cnt": self.groupchat_invites,
            "upgrade_service_groupchat_customer_cnt": self.groupchat_customers,
            "msg_rejected_customer_cnt": self.rejected,
        });
        let mut rate = |name: &str, part: u64, whole: u64, decimals| {
            if whole > 0 {
                statistic[name] = rounded(part as f64 / whole as f64, decimals);
            }
        };
        rate("reply_rate", self.replied, self.sessions, 4);
        rate("first_reply_average_sec", self.first_reply_seconds, self.replied, 2);
        rate("satisfaction_participation_rate", self.rated, self.surveys, 4);
        rate("satisfied_rate", self.satisfied, self.rated, 4);
        rate("middling_rate", self.rated - self.satisfied - self.dissatisfied, self.rated, 4);
        rate("dissatisfied_rate", self.dissatisfied, self.rated, 4);
        Some(statistic)
    }
}

/// Answers `kf/get_servicer_statistic`.
pub(super) fn answer(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let open_kfid = received.field("open_kfid").ok_or_else(|| refuse(60251))?;
    let open_kfid = open_kfid.as_str().ok_or_else(|| refuse(60252))?;
    let account = world.company.kf_account(open_kfid).ok_or_else(|| refuse_for(95004, open_kfid))?;
    let servicers: Vec<&Servicer> = match received.field("servicer_userid") {
        None => account.servicers.iter().collect(),
        Some(userid) => {
            let named = userid.as_str().unwrap_or_default();
            let found = account.servicers.iter().find(|servicer| servicer.userid.eq_ignore_ascii_case(named));
            vec![found.ok_or_else(|| refuse_for(60253, &userid.to_string()))?]
        }
    };
    let servicers: Vec<(String, &Servicer)> =
        servicers.into_iter().map(|servicer| (format!("{open_kfid}/{}", servicer.userid), servicer)).collect();
    let of_account = received.field("servicer_userid").is_none();
    let days = days(received, "start_time", "end_time", LONGEST_SPAN)?;
    let row = |day: Day| {
        let mut sum = Tally::default();
        for (subject, servicer) in &servicers {
            // What is missing or restated for a servicer is so for the account, too.
            let overlay = world.overlay(apis::KF, subject, day, received.now);
            let mut tally = Tally::of(account, servicer, number(day));
            if overlay.missing || overlay.zero {
                tally = Tally::default();
            }
            tally.sessions = overlay.shift(tally.sessions);
            sum.add(&tally);
        }
        let overlay = world.overlay_of(apis::KF, open_kfid, day, received.now);
        if of_account {
            sum.sessions = overlay.shift(sum.sessions);
        }
        let mut row = json!({ "stat_time": midnight(day) });
        if let Some(statistic) = sum.figures().filter(|_| !overlay.missing && !overlay.zero) {
            row["statistic"] = statistic;
        }
        row
    };
    Ok(json!({ "statistic_list": days.iter().map(row).collect::<Vec<Value>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::company::Company;

    #[test]
    fn all_the_ways_of_leaving_something_out_occur() {
        let company = Company::new(500, 1);
        let (mut nothing, mut no_rate, mut no_survey, mut no_rating, mut whole) = (0, 0, 0, 0, 0);
        for account in &company.kf_accounts {
            for servicer in &account.servicers {
                for day in 20_700..20_730 {
                    let Some(figures) = Tally::of(account, servicer, day).figures() else {
                        nothing += 1;
                        continue;
                    };
                    no_rate += usize::from(figures.get("reply_rate").is_none());
                    no_survey += usize::from(figures.get("satisfaction_participation_rate").is_none());
                    no_rating += usize::from(figures.get("satisfied_rate").is_none());
                    whole += usize::from(figures.get("middling_rate").is_some());
                }
            }
        }
        assert!(nothing > 10 && no_rate > 0 && no_survey > 10 && no_rating > no_survey && whole > 100);
    }

    #[test]
    fn the_account_that_closes_on_weekends_has_nothing_then() {
        let company = Company::new(50, 1);
        let account = company.kf_accounts.iter().find(|account| account.closed_on_weekends).unwrap();
        let saturday = number("2026-11-14".parse().unwrap());
        for servicer in &account.servicers {
            assert!(Tally::of(account, servicer, saturday).figures().is_none());
        }
    }
}
