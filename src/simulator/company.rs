//! The simulated company: its people, departments, accounts and agents, and its credentials.
//!
//! Made once from a seed and a number of users, and never changed.

use std::collections::{BTreeSet, HashMap};

use super::draw::{Draw, key};
use super::names;

/// The simulated company, as a customer of all three platforms.
#[derive(Debug)]
pub struct Company {
    /// What the company and all its figures are derived from.
    pub seed: u64,
    /// WeCom's id of the company.
    pub corp_id: String,
    /// The secret of the WeCom app that may call everything.
    pub secret: String,
    /// The secret of a second WeCom app, which may only call `kf/*` and read the contacts.
    pub kf_secret: String,
    /// The members in WeCom.
    pub users: Vec<User>,
    /// The departments in WeCom; the first is the root.
    pub departments: Vec<Department>,
    /// The customer service accounts of WeCom KF.
    pub kf_accounts: Vec<KfAccount>,
    /// The application at Tencent Cloud.
    pub sdk_app_id: u32,
    /// The administrator of that application.
    pub identifier: String,
    /// The key that signs its UserSig.
    pub secret_key: String,
    /// The agents of Tencent Cloud Desk.
    pub agents: Vec<Agent>,
    /// The Feishu app that calls.
    pub app_id: String,
    /// Its secret.
    pub app_secret: String,
    /// All apps whose message push can be asked for; the first is `app_id`.
    pub app_ids: Vec<String>,
    /// The departments in Feishu, parents before children.
    pub feishu_departments: Vec<FeishuDepartment>,
    by_userid: HashMap<String, usize>,
    by_partyid: HashMap<i64, usize>,
    by_agent: HashMap<String, usize>,
}

/// A member in WeCom.
#[derive(Debug)]
pub struct User {
    /// The platform's `userid`.
    pub userid: String,
    /// The name, in Chinese.
    pub name: String,
    /// The department that the member belongs to.
    pub partyid: i64,
    /// Tells whether the member may talk to customers; without that, statistics are refused with 84061.
    pub follows_customers: bool,
    /// Tells whether the member owns customer groups.
    pub owns_groups: bool,
    /// How busy: 1 is ordinary, 0 is a person without chats.
    pub activity: f64,
    pub(super) key: u64,
    pub(super) groups_key: u64,
}

/// A department in WeCom.
#[derive(Debug)]
pub struct Department {
    /// The platform's department id.
    pub partyid: i64,
    /// The department above; 0 for the root.
    pub parent: i64,
    /// The name, in Chinese.
    pub name: String,
    /// The places in [`Company::users`] of the members of this department and those below it.
    pub members: Vec<usize>,
}

/// A customer service account of WeCom KF.
#[derive(Debug)]
pub struct KfAccount {
    /// The platform's `open_kfid`.
    pub open_kfid: String,
    /// The name, in Chinese.
    pub name: String,
    /// The members on the servicer list.
    pub named: Vec<String>,
    /// The departments that the servicer list names: all of their members are servicers.
    pub named_departments: Vec<i64>,
    /// All servicers, those of named departments included.
    pub servicers: Vec<Servicer>,
    /// Whether there is no service on Saturdays and Sundays.
    pub closed_on_weekends: bool,
    /// Tells whether customers are asked how satisfied they are.
    pub surveys: bool,
}

/// A servicer of one customer service account.
#[derive(Debug)]
pub struct Servicer {
    /// The platform's `userid`.
    pub userid: String,
    pub(super) key: u64,
}

/// An agent of Tencent Cloud Desk.
#[derive(Debug)]
pub struct Agent {
    /// The platform's `AgentId`, an e-mail address.
    pub agent_id: String,
    /// The platform's `AgentNickName`.
    pub nick_name: String,
    pub(super) key: u64,
}

/// A department in Feishu.
#[derive(Debug)]
pub struct FeishuDepartment {
    /// The `open_department_id`, `od-...`.
    pub open_department_id: String,
    /// The department id that the company chose itself.
    pub department_id: String,
    /// The `open_department_id` of the department above; `0` at the top.
    pub parent: String,
    /// The name, in Chinese.
    pub name: String,
    /// How many people belong to this department itself.
    pub member_count: u64,
    /// Tells whether no bot ever pushes to this department and those below it.
    pub silent: bool,
    /// The places in [`Company::feishu_departments`] of this department and those below it.
    pub subtree: Vec<usize>,
}

impl Company {
    /// Makes the company of a seed with so many users.
    #[must_use]
    pub fn new(users: u32, seed: u64) -> Self {
        let count = users.max(4) as usize;
        let people = people(count, seed);
        let departments = departments(&people);
        let kf_accounts = kf_accounts(&people, &departments, seed);
        let agents = agents((count / 20).max(3), seed);
        let app_ids = vec![format!("cli_{}", id(seed, "app", 16)), format!("cli_{}", id(seed, "other app", 16))];
        Self {
            seed,
            corp_id: format!("ww{}", id(seed, "corp", 16)),
            secret: id(seed, "wecom secret", 43),
            kf_secret: id(seed, "kf secret", 43),
            sdk_app_id: 1_400_000_000 + (key(seed, &["sdkappid"]) % 1_000_000) as u32,
            identifier: "administrator".to_owned(),
            secret_key: id(seed, "desk key", 64),
            app_id: app_ids[0].clone(),
            app_secret: id(seed, "feishu secret", 32),
            app_ids,
            feishu_departments: feishu_departments((count / 20).max(8), seed),
            by_userid: people.iter().enumerate().map(|(n, user)| (user.userid.to_ascii_lowercase(), n)).collect(),
            by_partyid: departments.iter().enumerate().map(|(n, department)| (department.partyid, n)).collect(),
            by_agent: agents.iter().enumerate().map(|(n, agent)| (agent.agent_id.to_ascii_lowercase(), n)).collect(),
            users: people,
            departments,
            kf_accounts,
            agents,
        }
    }

    /// The member with that `userid`, in which case does not matter.
    #[must_use]
    pub fn user(&self, userid: &str) -> Option<&User> {
        self.user_place(userid).map(|place| &self.users[place])
    }

    /// The department in WeCom with that id.
    #[must_use]
    pub fn department(&self, partyid: i64) -> Option<&Department> {
        self.by_partyid.get(&partyid).map(|place| &self.departments[*place])
    }

    /// The members who own customer groups.
    pub fn owners(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| user.owns_groups)
    }

    /// The members with the right to customer contact, as on `get_follow_user_list`.
    pub fn follow_users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter(|user| user.follows_customers)
    }

    /// The customer service account with that `open_kfid`.
    #[must_use]
    pub fn kf_account(&self, open_kfid: &str) -> Option<&KfAccount> {
        self.kf_accounts.iter().find(|account| account.open_kfid == open_kfid)
    }

    /// The agent with that `AgentId`, an e-mail address, in which case does not matter.
    #[must_use]
    pub fn agent(&self, agent_id: &str) -> Option<&Agent> {
        self.by_agent.get(&agent_id.to_ascii_lowercase()).map(|place| &self.agents[*place])
    }

    /// The department in Feishu with that id of either type.
    #[must_use]
    pub fn feishu_department(&self, id: &str) -> Option<&FeishuDepartment> {
        self.feishu_departments.iter().find(|d| d.open_department_id == id || d.department_id == id)
    }

    pub(super) fn user_place(&self, userid: &str) -> Option<usize> {
        self.by_userid.get(&userid.to_ascii_lowercase()).copied()
    }
}

/// `length` hexadecimal digits.
pub(super) fn id(seed: u64, what: &str, length: usize) -> String {
    let mut draw = Draw::of(key(seed, &["id", what]));
    let mut text = String::new();
    while text.len() < length {
        text.push_str(&format!("{:016x}", draw.next()));
    }
    text.truncate(length);
    text
}

/// The number of departments for so many people, the root included.
fn department_count(people: usize) -> usize {
    (people / 15).max(4)
}

fn people(count: usize, seed: u64) -> Vec<User> {
    let below_root = department_count(count) - 1;
    (0..count)
        .map(|index| {
            let (name, spelling) = names::person(index);
            // Ids that break programs which take a userid for a plain word.
            let userid = match index {
                0 => "Zhang.San".to_owned(),
                1 => "li.si@acme".to_owned(),
                2 => "WangWu".to_owned(),
                _ => spelling,
            };
            let key_of = |what| key(seed, &[what, &userid]);
            let mut draw = Draw::of(key_of("nature"));
            let activity = match (index, draw.next() % 20) {
                (3, _) => 0.0,
                (_, 0 | 1) => draw.between(2.5, 4.0),
                (_, 2..5) => draw.between(0.03, 0.25),
                _ => draw.between(0.6, 1.4),
            };
            let partyid = if index == 0 { 1 } else { 1001 + (index % below_root) as i64 };
            let (key, groups_key) = (key_of("contact"), key_of("groupchat"));
            let (follows_customers, owns_groups) = (index % 10 != 9, index % 5 == 0);
            User { name, partyid, follows_customers, owns_groups, activity, key, groups_key, userid }
        })
        .collect()
}

/// A root, regions below it, teams below those; people belong to all three.
fn departments(people: &[User]) -> Vec<Department> {
    let below_root = department_count(people.len()) - 1;
    let regions = (below_root / 5).max(2);
    let mut departments = vec![Department {
        partyid: 1,
        parent: 0,
        name: "示例科技有限公司".to_owned(),
        members: (0..people.len()).collect(),
    }];
    for index in 0..below_root {
        let (parent, name) = if index < regions {
            (1, names::region(index))
        } else {
            (1001 + (index % regions) as i64, names::team(index - regions))
        };
        departments.push(Department { partyid: 1001 + index as i64, parent, name, members: Vec::new() });
    }
    for (place, user) in people.iter().enumerate().filter(|(_, user)| user.partyid != 1) {
        let own = (user.partyid - 1000) as usize;
        let above = departments[own].parent;
        departments[own].members.push(place);
        if above != 1 {
            departments[(above - 1000) as usize].members.push(place);
        }
    }
    departments
}

fn kf_accounts(people: &[User], departments: &[Department], seed: u64) -> Vec<KfAccount> {
    (0..(people.len() / 100).max(2))
        .map(|index| {
            let open_kfid = format!("wk{}", id(seed, &format!("kf {index}"), 30));
            let mut draw = Draw::of(key(seed, &["kf account", &open_kfid]));
            let wanted = 3 + draw.next() % 6;
            let chosen: BTreeSet<usize> = (0..wanted).map(|_| draw.next() as usize % people.len()).collect();
            let named: Vec<String> = chosen.into_iter().map(|place| people[place].userid.clone()).collect();
            let department = if index == 0 { departments.last() } else { None };
            let mut userids: BTreeSet<&str> = named.iter().map(String::as_str).collect();
            if let Some(department) = department {
                userids.extend(department.members.iter().map(|place| people[*place].userid.as_str()));
            }
            let servicer = |userid: &str| Servicer {
                userid: userid.to_owned(),
                key: key(seed, &["servicer", &open_kfid, userid]),
            };
            KfAccount {
                name: names::desk(index),
                servicers: userids.into_iter().map(servicer).collect(),
                named,
                named_departments: department.map(|department| department.partyid).into_iter().collect(),
                closed_on_weekends: index % 7 == 1,
                surveys: index % 5 != 4,
                open_kfid,
            }
        })
        .collect()
}

fn agents(count: usize, seed: u64) -> Vec<Agent> {
    (0..count)
        .map(|index| {
            let (nick_name, spelling) = names::person(index * 5 + 2);
            let agent_id = match index {
                0 => "1289316652@qq.com".to_owned(),
                1 => "Kefu.Mei+1@example.com".to_owned(),
                _ => format!("{spelling}@example.com"),
            };
            Agent { key: key(seed, &["agent", &agent_id]), agent_id, nick_name }
        })
        .collect()
}

fn feishu_departments(count: usize, seed: u64) -> Vec<FeishuDepartment> {
    let tops = (count / 5).max(2);
    let middles = (count / 3).max(2);
    let mut departments: Vec<FeishuDepartment> = Vec::with_capacity(count);
    for index in 0..count {
        let (above, name) = match index {
            top if top < tops => (None, names::region(index)),
            middle if middle < tops + middles => (Some(index % tops), names::team(index - tops)),
            _ => (Some(tops + index % middles), format!("{}直属", names::team(index - tops))),
        };
        let silent = index + 1 == tops || above.is_some_and(|above| departments[above].silent) || index % 11 == 7;
        departments.push(FeishuDepartment {
            open_department_id: format!("od-{}", id(seed, &format!("feishu {index}"), 32)),
            department_id: format!("D{index:04}"),
            parent: above.map_or_else(|| "0".to_owned(), |above| departments[above].open_department_id.clone()),
            name,
            member_count: 5 + key(seed, &["members", &index.to_string()]) % 40,
            silent,
            subtree: vec![index],
        });
        let mut next = above;
        while let Some(above) = next {
            departments[above].subtree.push(index);
            next = departments.iter().position(|d| d.open_department_id == departments[above].parent);
        }
    }
    departments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companies_of_all_sizes_hold_together() {
        for users in [0, 1, 7, 40, 1000] {
            let company = Company::new(users, 1);
            assert_eq!(company.users.len(), users.max(4) as usize);
            assert_eq!(company.by_userid.len(), company.users.len());
            assert_eq!(company.by_agent.len(), company.agents.len());
            assert_eq!(company.by_partyid.len(), company.departments.len());
            for department in &company.departments[1..] {
                assert!(company.department(department.parent).is_some());
            }
            for account in &company.kf_accounts {
                assert!(!account.servicers.is_empty());
            }
            assert!(!company.kf_accounts[0].named_departments.is_empty());
            assert!(company.feishu_departments.iter().any(|d| d.silent));
            assert!(company.feishu_departments.iter().any(|d| !d.silent && d.subtree.len() > 1));
        }
    }

    #[test]
    fn the_tree_of_departments_has_three_levels() {
        let company = Company::new(300, 1);
        let depth = |mut partyid: i64| {
            let mut depth = 0;
            while let Some(department) = company.department(partyid) {
                partyid = department.parent;
                depth += 1;
            }
            depth
        };
        assert_eq!(company.departments.iter().map(|d| depth(d.partyid)).max(), Some(3));
        assert_eq!(company.departments[0].members.len(), 300);
    }
}
