//! The platforms' APIs that are simulated: how their paths look, their verbs and their published limits.

use hyper::Method;

/// A platform, as faults name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// WeCom, and WeCom KF, which is part of it.
    Wecom,
    /// Tencent Cloud Desk.
    TencentDesk,
    /// Feishu.
    Feishu,
}

impl Platform {
    /// The name by which a fault reaches all APIs of the platform: `wecom`, `tencent_desk` or `feishu`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wecom => "wecom",
            Self::TencentDesk => "tencent_desk",
            Self::Feishu => "feishu",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Wecom => "/cgi-bin/",
            Self::TencentDesk => "/v4/",
            Self::Feishu => "/open-apis/",
        }
    }
}

/// One API; a path segment that starts with `:` matches any id.
pub(super) struct Api {
    pub(super) platform: Platform,
    pub(super) path: &'static str,
    pub(super) verb: Method,
    pub(super) per_minute: u32,
    /// 0 where the platform publishes none.
    pub(super) per_hour: u32,
}

const fn wecom(verb: Method, path: &'static str) -> Api {
    Api { platform: Platform::Wecom, path, verb, per_minute: 10_000, per_hour: 150_000 }
}

const fn feishu(verb: Method, path: &'static str, per_minute: u32) -> Api {
    Api { platform: Platform::Feishu, path, verb, per_minute, per_hour: 0 }
}

pub(super) const GETTOKEN: &str = "gettoken";
pub(super) const CONTACT: &str = "externalcontact/get_user_behavior_data";
pub(super) const GROUPCHAT: &str = "externalcontact/groupchat/statistic";
pub(super) const GROUPCHAT_BY_DAY: &str = "externalcontact/groupchat/statistic_group_by_day";
pub(super) const FOLLOW_USERS: &str = "externalcontact/get_follow_user_list";
pub(super) const DEPARTMENT_IDS: &str = "department/simplelist";
pub(super) const DEPARTMENTS: &str = "department/list";
pub(super) const USERS: &str = "user/simplelist";
pub(super) const KF: &str = "kf/get_servicer_statistic";
pub(super) const KF_ACCOUNTS: &str = "kf/account/list";
pub(super) const KF_SERVICERS: &str = "kf/servicer/list";
pub(super) const DESK: &str = "desk_http_svc/describe_agent_statistics";
pub(super) const TENANT_TOKEN: &str = "auth/v3/tenant_access_token/internal";
pub(super) const PUSH: &str = "application/v6/applications/:app_id/app_usage/message_push_overview";
pub(super) const CHILDREN: &str = "contact/v3/departments/:department_id/children";

/// All of them. Feishu publishes 100 calls a minute for the message push, 1000 for the rest; Desk publishes none.
pub(super) const APIS: &[Api] = &[
    wecom(Method::GET, GETTOKEN),
    wecom(Method::POST, CONTACT),
    wecom(Method::POST, GROUPCHAT),
    wecom(Method::POST, GROUPCHAT_BY_DAY),
    wecom(Method::GET, FOLLOW_USERS),
    wecom(Method::GET, DEPARTMENT_IDS),
    wecom(Method::GET, DEPARTMENTS),
    wecom(Method::GET, USERS),
    wecom(Method::POST, KF),
    wecom(Method::POST, KF_ACCOUNTS),
    wecom(Method::GET, KF_SERVICERS),
    Api { platform: Platform::TencentDesk, path: DESK, verb: Method::POST, per_minute: 400, per_hour: 0 },
    feishu(Method::POST, TENANT_TOKEN, 1000),
    feishu(Method::POST, PUSH, 100),
    feishu(Method::GET, CHILDREN, 1000),
];

/// Finds the API of a URL path: its place in [`APIS`], and the ids in the path.
pub(super) fn find(path: &str) -> Option<(usize, Vec<String>)> {
    APIS.iter().enumerate().find_map(|(index, api)| {
        let ids = ids_in(path.strip_prefix(api.platform.prefix())?, api.path)?;
        Some((index, ids))
    })
}

/// The platform whose prefix a URL path has.
pub(super) fn platform_of(path: &str) -> Option<Platform> {
    [Platform::Wecom, Platform::TencentDesk, Platform::Feishu]
        .into_iter()
        .find(|platform| path.starts_with(platform.prefix()))
}

fn ids_in(path: &str, pattern: &str) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    let mut segments = path.split('/');
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        if expected.starts_with(':') {
            ids.push(segment.to_owned());
        } else if segment != expected {
            return None;
        }
    }
    segments.next().is_none().then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_out_of_the_path() {
        let (index, ids) = find("/open-apis/contact/v3/departments/0/children").unwrap();
        assert_eq!((APIS[index].path, ids), (CHILDREN, vec!["0".to_owned()]));
        assert_eq!(APIS[find("/cgi-bin/gettoken").unwrap().0].path, GETTOKEN);
    }

    #[test]
    fn a_path_that_is_longer_or_shorter_is_another_one() {
        assert!(find("/cgi-bin/gettoken/x").is_none());
        assert!(find("/cgi-bin/externalcontact").is_none());
        assert!(find("/v4/gettoken").is_none());
    }
}
