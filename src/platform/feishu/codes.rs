//! What each of Feishu's codes means for what we do next, and what the operator can do about it.
//!
//! Console pages are named as the console shows them, with the English in brackets.

use super::super::Class::{Account, NoData, Permission, Target, Throttled, Token, Unavailable, Unknown};
use super::super::{Code, Codes};

/// Codes that Feishu's SDKs disagree about: they are throttles where the rate-limit header comes with them.
pub(super) const THROTTLES_WITH_RESET: &[&str] = &["99991402", "11020", "11021"];

/// The codes of the page, of the token call and of the generic list; the lists of departments are refused as a whole.
pub(super) const CODES: Codes = Codes { of_apis: &[("contact/", DIRECTORY)], of_all: ALL };

const BAD_SECRET: &str = "app_id or app_secret is wrong: copy both anew from 开发者后台 > the app > 凭证与基础信息 (Developer \
    Console > the app > Credentials & Basic Info); a Lark app is known only at base_url: https://open.larksuite.com";
const BAD_APP: &str = "app_secret is wrong, or the app is unknown or disabled: copy app_id and app_secret anew from 开发者后台 > \
    the app > 凭证与基础信息 (Developer Console > the app > Credentials & Basic Info), and see whether it is enabled under \
    管理后台 > 工作台 > 应用管理 (Admin Console > Workplace > App Management); a Lark app is known only at base_url: \
    https://open.larksuite.com";
const DISABLED: &str = "the app is disabled in this tenant: an administrator enables it under 管理后台 > 工作台 > 应用管理 (Admin \
    Console > Workplace > App Management)";
const NOT_RELEASED: &str = "the app is not installed in this tenant, as it has no released version: publish one under \
    开发者后台 > the app > 版本管理与发布 (Developer Console > the app > Version Management & Release); an administrator approves \
    it under 管理后台 > 工作台 > 应用审核 (Admin Console > Workplace > App Review)";
const SCOPE: &str = "the app lacks a permission: in the developer console add application:application.app_message_stats.\
    overview:readonly under 开发者后台 > the app > 权限管理 (Developer Console > the app > Permissions & Scopes), for \
    departments also contact:department.organize:readonly and contact:department.base:readonly, and publish a version under \
    版本管理与发布 (Version Management & Release)";
const CONTACTS_RANGE: &str = "the app may not see all departments: set its contacts range to all members (全部成员) under \
    开发者后台 > the app > 权限管理 > 通讯录权限范围 (Developer Console > the app > Permissions & Scopes > Contacts range), and \
    publish a version";
const DEPARTMENT: &str = "the department is not an open_department_id such as od-4e6ac4d14bcd5071a37a39de902c7141 (the \
    admin console shows another id), or it is deleted, or outside the app's contacts range: 开发者后台 > the app > 权限管理 > \
    通讯录权限范围 (Developer Console > the app > Permissions & Scopes > Contacts range)";
const TOKEN: &str = "the access token is not valid";
const BUSY: &str = "Feishu failed";
const BAD_INPUT: &str = "Feishu does not accept the department, application or date that was asked for";

/// What means something else in the list of departments.
const DIRECTORY: &[Code] = &[Code(&["40003", "40004"], Permission, CONTACTS_RANGE)];

/// What codes mean for all calls.
const ALL: &[Code] = &[
    Code(&["10003", "10015", "99991543"], Account, BAD_SECRET),
    Code(&["10005", "20009", "99991673"], Account, NOT_RELEASED),
    Code(&["10012", "10013", "10014"], Account, BAD_APP),
    Code(&["99991662"], Account, DISABLED),
    Code(
        &["99991661", "99991663", "99991664", "99991665", "99991666", "99991668", "99991671", "99991677"],
        Token,
        TOKEN,
    ),
    Code(&["99991672", "99991679"], Permission, SCOPE),
    Code(
        &["99991401"],
        Account,
        "Feishu refuses this address: add it to the app's IP allowlist under 开发者后台 > the app > 安全设置 > IP 白名单 (Developer \
        Console > the app > Security Settings > IP Allowlist)",
    ),
    Code(
        &["99991403"],
        Permission,
        "the calls that the tenant's free edition has for a month are used up, by this or other apps: nothing is answered \
        before the 1st of the next month, or with a paid edition",
    ),
    Code(&["99991400"], Throttled, "the API's call quota is used up; the company's other programs share it"),
    Code(&["1500", "1551", "1557", "2200"], Unavailable, BUSY),
    Code(&["211011"], NoData, "there are no figures"),
    Code(
        &["211004"],
        Permission,
        "the tenant's edition has no such statistics: they need 企业版 or 旗舰版 (the Business or Enterprise edition)",
    ),
    // It is not documented whether a day that is not produced yet is this or 211011: so it is asked again soon.
    Code(&["211010"], Unknown, "the date is out of range, or not produced yet"),
    Code(&["211007", "9499", "99992402"], Target, BAD_INPUT),
    Code(&["211005"], Target, "the application is unknown, or not one of the tenant's own: look at `apps`"),
    Code(&["40003", "40004", "99992357", "99992358", "99992379", "99992380"], Target, DEPARTMENT),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_department_out_of_sight_is_refused_alone_and_a_list_as_a_whole() {
        let refusal = |api: &str, code| CODES.refusal(api, i64::into(code), "");
        for code in [40003, 40004] {
            assert_eq!(refusal("application/v6/push", code).class, Target);
            let list = refusal("contact/v3/departments/:department_id/children", code);
            assert_eq!(list.class, Permission);
            assert!(list.text.contains("通讯录权限范围") && list.text.contains("contacts range"), "{}", list.text);
        }
    }
}
