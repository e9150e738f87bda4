//! 「联系客户统计」: what members did with their customers, per day, for a union of members and departments.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use serde_json::{Value, json};

use super::rules::{days, midnight, numbers, refuse, refuse_for, strings};
use crate::day::Day;
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal, rounded};
use crate::simulator::apis;
use crate::simulator::company::{Company, User};
use crate::simulator::draw::{Draw, number, rhythm};

/// The longest span of one call, in days.
const LONGEST_SPAN: u32 = 30;

/// What is counted before ratios are taken of it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulator) struct Tally {
    new_apply: u64,
    new_contact: u64,
    chats: u64,
    messages: u64,
    /// Chats that customers started, and how many of those were replied to.
    started: u64,
    replied: u64,
    reply_minutes: u64,
    lost: u64,
}

impl Tally {
    /// The counts of a member on the day of that number.
    pub(in crate::simulator) fn of(user: &User, day: i64) -> Self {
        if user.activity == 0.0 || !user.follows_customers {
            return Self::default();
        }
        let busy = user.activity * rhythm(day);
        let mut draw = Draw::on(user.key, day);
        let chats = draw.count(11.0 * busy);
        let started = draw.part(chats + chats / 4, 0.4, 0.9);
        let replied = draw.part(started.min(chats), 0.7, 1.0);
        let messages = chats + draw.count(chats as f64 * 4.5);
        let each = draw.between(1.0, 25.0);
        let new_apply = draw.count(2.2 * busy);
        let new_contact = draw.part(new_apply, 0.3, 0.9) + draw.count(1.1 * busy);
        let lost = draw.count(0.25 * busy);
        Self {
            new_apply,
            new_contact,
            chats,
            messages,
            started,
            replied,
            reply_minutes: (replied as f64 * each) as u64,
            lost,
        }
    }

    /// The figures as the platform writes them, without `stat_time`.
    pub(in crate::simulator) fn figures(&self) -> Value {
        let mut row = json!({
            "new_apply_cnt": self.new_apply,
            "new_contact_cnt": self.new_contact,
            "chat_cnt": self.chats,
            "message_cnt": self.messages,
            "negative_feedback_cnt": self.lost,
        });
        // Both only where there were chats at all, and no average of nothing.
        if self.started > 0 {
            row["reply_percentage"] = rounded(self.replied as f64 * 100.0 / self.started as f64, 2);
        }
        if let Some(minutes) = self.reply_minutes.checked_div(self.replied) {
            row["avg_reply_time"] = minutes.into();
        }
        row
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.new_apply += other.new_apply;
        self.new_contact += other.new_contact;
        self.chats += other.chats;
        self.messages += other.messages;
        self.started += other.started;
        self.replied += other.replied;
        self.reply_minutes += other.reply_minutes;
        self.lost += other.lost;
    }
}

/// The places of all members of a union, each once; ids that do not exist are left out.
pub(in crate::simulator) fn union(company: &Company, userids: &[&str], partyids: &[i64]) -> Vec<usize> {
    let users = userids.iter().filter_map(|userid| company.user_place(userid));
    // By far the most calls name one department or one member.
    if let (0, &[partyid]) = (userids.len(), partyids) {
        return company.department(partyid).map(|department| department.members.clone()).unwrap_or_default();
    }
    let departments = partyids.iter().filter_map(|partyid| company.department(*partyid));
    let members = departments.flat_map(|department| department.members.iter().copied());
    users.chain(members).collect::<BTreeSet<usize>>().into_iter().collect()
}

/// Answers `get_user_behavior_data`.
pub(super) fn answer(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let company = &world.company;
    let userids = strings(received.field("userid"), "userid")?;
    let partyids = numbers(received.field("partyid"), "partyid")?;
    if userids.is_empty() && partyids.is_empty() {
        return Err(refuse_for(40058, "userid and partyid are both empty"));
    }
    let days = days(received, "start_time", "end_time", LONGEST_SPAN)?;
    for userid in &userids {
        let user = company.user(userid).ok_or_else(|| refuse_for(60111, userid))?;
        if !user.follows_customers {
            return Err(refuse(84061));
        }
    }
    for partyid in &partyids {
        company.department(*partyid).ok_or_else(|| refuse_for(60123, &partyid.to_string()))?;
    }
    let members = union(company, &userids, &partyids);
    let parties: Vec<String> = partyids.iter().map(ToString::to_string).collect();
    let row = |day: Day| {
        let mut tally = Tally::default();
        for place in &members {
            let user = &company.users[*place];
            let overlay = world.overlay(apis::CONTACT, &user.userid, day, received.now);
            if !overlay.missing && !overlay.zero {
                tally += Tally::of(user, number(day));
            }
            tally.messages = overlay.shift(tally.messages);
        }
        for party in &parties {
            // Rules without a subject have been applied to the members already.
            let overlay = world.overlay_of(apis::CONTACT, party, day, received.now);
            if overlay.missing || overlay.zero {
                tally = Tally::default();
            }
            tally.messages = overlay.shift(tally.messages);
        }
        let mut figures = tally.figures();
        figures["stat_time"] = midnight(day).into();
        figures
    };
    Ok(json!({ "behavior_data": days.iter().map(row).collect::<Vec<Value>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_fit_their_counts() {
        let company = Company::new(200, 1);
        let (mut silent, mut rates) = (0, 0);
        for user in &company.users {
            for day in 20_700..20_714 {
                let tally = Tally::of(user, day);
                assert!(
                    tally.replied <= tally.started && tally.replied <= tally.chats && tally.chats <= tally.messages
                );
                let figures = tally.figures();
                match figures.get("reply_percentage").and_then(Value::as_f64) {
                    Some(percentage) => {
                        assert!((0.0..=100.0).contains(&percentage));
                        rates += 1;
                    }
                    None => silent += 1,
                }
            }
        }
        assert!(rates > 1500 && silent > 100, "{rates} {silent}");
    }

    #[test]
    fn a_union_counts_everyone_once() {
        let company = Company::new(60, 1);
        let department = &company.departments[1];
        let member = &company.users[department.members[0]].userid;
        assert_eq!(union(&company, &[member, member], &[department.partyid]).len(), department.members.len());
        assert_eq!(union(&company, &[], &[1, 1001]).len(), 60);
    }
}
