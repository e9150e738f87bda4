//! 「群聊数据统计」: the customer groups of their owners, by owner and by day.

use serde_json::{Value, json};

use super::rules::{days, midnight, refuse, refuse_for, strings};
use crate::day::{Day, Days};
use crate::simulator::World;
use crate::simulator::answer::{ApiRequest, Refusal};
use crate::simulator::apis;
use crate::simulator::company::User;
use crate::simulator::draw::{Draw, growth, number};

/// The longest span of one call, in days.
const LONGEST_SPAN: u32 = 30;

/// The groups of owners: what is new in a span, and the rest as of its last day.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::simulator) struct Tally {
    pub(in crate::simulator) new_chats: u64,
    pub(in crate::simulator) chats: u64,
    chats_with_messages: u64,
    pub(in crate::simulator) new_members: u64,
    pub(in crate::simulator) members: u64,
    members_with_messages: u64,
    pub(in crate::simulator) messages: u64,
    migrated: u64,
}

impl Tally {
    /// The groups of an owner in the span of days from `first` to `last`.
    pub(in crate::simulator) fn of(owner: &User, first: i64, last: i64) -> Self {
        let mut nature = Draw::of(owner.groups_key);
        let (chats_key, members_key, messages_key) = (nature.next(), nature.next(), nature.next());
        let busy = 0.2 + owner.activity;
        let chats_rate = 0.02 * busy * nature.between(0.5, 1.5);
        let members_rate = chats_rate * nature.between(15.0, 45.0);
        let messages_rate = members_rate * nature.between(10.0, 40.0);
        let (staying, talking, alive) =
            (nature.between(0.8, 0.97), nature.between(0.1, 0.5), nature.between(0.7, 0.98));
        let share = |total: u64, part: f64| (total as f64 * part) as u64;
        // Every owner has at least one group with its first few members.
        let chats = |day| 1 + growth(chats_key, chats_rate, day);
        let joined = |day| 3 + growth(members_key, members_rate, day);
        let members = share(joined(last), staying).max(3);
        Self {
            new_chats: chats(last) - chats(first - 1),
            chats: chats(last),
            chats_with_messages: share(chats(last), alive),
            new_members: joined(last) - joined(first - 1),
            members,
            members_with_messages: share(members, talking),
            messages: growth(messages_key, messages_rate, last),
            migrated: share(chats(last), 0.1),
        }
    }

    pub(in crate::simulator) fn add(&mut self, other: &Self) {
        self.new_chats += other.new_chats;
        self.chats += other.chats;
        self.chats_with_messages += other.chats_with_messages;
        self.new_members += other.new_members;
        self.members += other.members;
        self.members_with_messages += other.members_with_messages;
        self.messages += other.messages;
        self.migrated += other.migrated;
    }

    /// The figures as the platform writes them; only companies of the education trade have the field of migrations.
    pub(in crate::simulator) fn figures(&self, education: bool) -> Value {
        let mut data = json!({
            "new_chat_cnt": self.new_chats,
            "chat_total": self.chats,
            "chat_has_msg": self.chats_with_messages,
            "new_member_cnt": self.new_members,
            "member_total": self.members,
            "member_has_msg": self.members_with_messages,
            "msg_total": self.messages,
        });
        if education {
            data["migrate_trainee_chat_cnt"] = self.migrated.into();
        }
        data
    }
}

/// Answers `groupchat/statistic`: an item for each owner who has groups, sorted and paged.
pub(super) fn by_owner(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let (owners, days) = asked(world, received)?;
    let number_of = |name: &str, default: i64| match received.field(name) {
        None => Ok(default),
        Some(value) => value.as_i64().ok_or_else(|| refuse_for(40058, name)),
    };
    let order = number_of("order_by", 1)?;
    let ascending = number_of("order_asc", 0)?;
    let offset = usize::try_from(number_of("offset", 0)?).map_err(|_| refuse_for(40058, "offset"))?;
    let limit = number_of("limit", 500)?;
    if !(1..=4).contains(&order) || !(0..=1).contains(&ascending) || !(1..=1000).contains(&limit) {
        return Err(refuse_for(40058, "order_by, order_asc or limit"));
    }
    let mut items: Vec<(&User, Tally)> = owners
        .into_iter()
        .filter_map(|owner| Some((owner, tally(world, received, owner, days, apis::GROUPCHAT)?)))
        .collect();
    let rank = |tally: &Tally| match order {
        1 => tally.new_chats,
        2 => tally.chats,
        3 => tally.new_members,
        _ => tally.members,
    };
    items.sort_by(|(a, left), (b, right)| {
        let by_rank = rank(left).cmp(&rank(right));
        (if ascending == 1 { by_rank } else { by_rank.reverse() }).then_with(|| a.userid.cmp(&b.userid))
    });
    let total = items.len();
    let education = world.education;
    let item = |(owner, tally): &(&User, Tally)| json!({ "owner": owner.userid, "data": tally.figures(education) });
    let page: Vec<Value> = items.iter().skip(offset).take(limit as usize).map(item).collect();
    Ok(json!({ "total": total, "next_offset": (offset + page.len()).min(total), "items": page }))
}

/// Answers `groupchat/statistic_group_by_day`: an item for each day, summed over the owners.
pub(super) fn by_day(world: &World, received: &ApiRequest) -> Result<Value, Refusal> {
    let (owners, days) = asked(world, received)?;
    let item = |day: Day| {
        let mut sum = Tally::default();
        for owner in &owners {
            if let Some(tally) = tally(world, received, owner, Days::one(day), apis::GROUPCHAT_BY_DAY) {
                sum.add(&tally);
            }
        }
        json!({ "stat_time": midnight(day), "data": sum.figures(world.education) })
    };
    Ok(json!({ "items": days.iter().map(item).collect::<Vec<Value>>() }))
}

/// The owner's groups, after faults; nothing for someone who has none.
fn tally(world: &World, received: &ApiRequest, owner: &User, days: Days, api: &'static str) -> Option<Tally> {
    if !owner.owns_groups {
        return None;
    }
    let overlay = world.overlay(api, &owner.userid, days.last, received.now);
    if overlay.missing {
        return None;
    }
    let real = Tally::of(owner, number(days.first), number(days.last));
    let mut tally = if overlay.zero { Tally::default() } else { real };
    tally.messages = overlay.shift(tally.messages);
    Some(tally)
}

/// The owners, each once, and the days that a call asks for.
fn asked<'a>(world: &'a World, received: &ApiRequest) -> Result<(Vec<&'a User>, Days), Refusal> {
    let filter = received.field("owner_filter").and_then(|filter| filter.get("userid_list"));
    let userids = strings(filter, "owner_filter.userid_list")?;
    if userids.is_empty() {
        return Err(refuse_for(40058, "owner_filter.userid_list"));
    }
    let end = if received.field("day_end_time").is_some() { "day_end_time" } else { "day_begin_time" };
    let days = days(received, "day_begin_time", end, LONGEST_SPAN)?;
    let mut places: Vec<usize> = userids.iter().filter_map(|userid| world.company.user_place(userid)).collect();
    places.sort_unstable();
    places.dedup();
    let owners: Vec<&User> = places.into_iter().map(|place| &world.company.users[place]).collect();
    match userids.iter().find(|userid| world.company.user(userid).is_none()) {
        None => Ok((owners, days)),
        Some(_) if owners.is_empty() && userids.len() > 1 => Err(refuse(81013)),
        Some(unknown) => Err(refuse_for(60111, unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::company::Company;

    #[test]
    fn totals_grow_by_what_is_new() {
        let company = Company::new(100, 1);
        for owner in company.owners() {
            let (before, after) = (Tally::of(owner, 20_700, 20_700), Tally::of(owner, 20_701, 20_701));
            assert_eq!(after.chats - before.chats, after.new_chats);
            assert!(after.members_with_messages <= after.members && after.chats_with_messages <= after.chats);
            let span = Tally::of(owner, 20_700, 20_701);
            assert_eq!(span.new_members, before.new_members + after.new_members);
            assert_eq!(span.messages, after.messages);
        }
    }
}
