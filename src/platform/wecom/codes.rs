//! What each of WeCom's codes means for what we do next, and what the operator can do about it.
//!
//! Console pages are named as the console shows them, with the English in brackets.

use std::time::Duration;

use super::super::Class::{Account, Permission, Target, Throttled, Token, Unavailable, Unknown};
use super::super::{Code, Codes, ErrorCode, Refusal};

/// The `api` of token calls, whose refusals concern the secret and not a token.
pub(super) const GETTOKEN: &str = "gettoken";

/// The `api` of the list of members with the right to customer contact.
const FOLLOW_USERS: &str = "externalcontact/get_follow_user_list";

/// Too many calls at once pass as soon as some of them have ended.
const CONCURRENCY_WAIT: Duration = Duration::from_secs(2);

/// A ban of an address lasts for an hour.
const BAN: Duration = Duration::from_hours(1);

/// The codes of statistics, directory and token calls.
pub(super) const CODES: Codes = Codes {
    of_apis: &[
        (GETTOKEN, LOGIN),
        (FOLLOW_USERS, FOLLOW_LIST),
        ("kf/", KF),
        ("externalcontact/", CONTACT),
        ("", DIRECTORY),
    ],
    of_all: ALL,
};

/// The refusal that `code` means in an answer of `api`.
pub(super) fn refusal(api: &str, code: ErrorCode, message: &str) -> Refusal {
    let mut refusal = CODES.refusal(api, code, message);
    if api == GETTOKEN && refusal.class == Target {
        // A login names no member and no day: WeCom's own words tell more than those of the table.
        refusal = Refusal::unknown(refusal.code, message);
    }
    refusal.wait = match refusal.code.as_str() {
        "45009" if api == GETTOKEN => Some(BAN),
        "45033" => Some(CONCURRENCY_WAIT),
        _ => None,
    };
    refusal
}

/// The codes of an API that the app may not call.
const FORBIDDEN: &[&str] = &["48001", "48002", "48004"];

const BAD_SECRET: &str = "the corp_id or the secret is wrong, or the app is disabled: copy both anew from WeCom's admin \
    console, 我的企业 > 企业信息 > 企业ID (My company > Company information > Company ID) and 应用管理 > the app > Secret (App \
    management > the app > Secret); a company on a private deployment is known only at its own host, which is to be set as \
    base_url";
const CONTACT_API: &str = "the app may not call this API: in the admin console add it under 客户联系 > API > 可调用接口的应用 \
    (Customer contact > API > callable apps)";
const KF_API: &str = "the app may not call this API: in the admin console add it under 应用管理 > 微信客服 > API > \
    可调用接口的应用 (App management > WeChat customer service > API > callable apps)";
const DIRECTORY_API: &str = "the app may not read the directory (通讯录): put the members and departments into its visible \
    range, 应用管理 > the app > 可见范围 (App management > the app > Visible range), and use the secret of a self-built app \
    (自建应用), as those of 微信客服 (WeChat customer service) and 客户联系 (Customer contact) may not read it";
const DIRECTORY_SYNC: &str = "WeCom does not let the secret of 通讯录同步 (contacts sync) read the directory from this address: \
    use the secret of a self-built app, 应用管理 > 自建 > the app > Secret (App management > Self-built > the app > Secret)";
const SEES_NOBODY: &str = "the app sees no member with the right to customer contact: put the members into its visible \
    range, 应用管理 > the app > 可见范围 (App management > the app > Visible range), and give them the right under 客户联系 > \
    权限配置 (Customer contact > Permissions)";
const NOT_THIS_APP: &str = "the secret may not be used for this: use that of a self-built app which sees the members, \
    应用管理 > 自建 > the app > 可见范围 (App management > Self-built > the app > Visible range)";
const KF_SCOPE: &str = "the KF account is unknown to the app, or not among those it may manage: 应用管理 > 微信客服 > API \
    (App management > WeChat customer service > API)";
const OUT_OF_SCOPE: &str = "the member or department is unknown or has left, or is outside the app's visible range: \
    应用管理 > the app > 可见范围 (App management > the app > Visible range)";
const NO_CONTACTS: &str =
    "the member has no right to customer contact: 客户联系 > 权限配置 (Customer contact > Permissions)";
const NO_SERVICER: &str = "the member does not serve this KF account";
const BAD_INPUT: &str = "WeCom does not accept the ids or the days that were asked for";
const BAD_DAYS: &str = "WeCom does not accept the days that were asked for: is this machine's clock right? A day ahead, it \
    asks for a day that is not over";
const TOO_LARGE: &str = "the answer would be too large";
const INTERNAL: &str = "this request should not have been made like this: please report it with the code";

/// What means something else in an answer to a login.
const LOGIN: &[Code] = &[
    Code(
        &["45009"],
        Account,
        "WeCom bans this address for an hour or so, as too many logins from it failed: those of this program or of another \
        behind the same address. Correct the secret, wait an hour, or lift the ban at \
        https://open.work.weixin.qq.com/wwopen/devtool/checkCorpSpamBlock",
    ),
    Code(
        &["41002"],
        Account,
        "WeCom saw no corp_id: is it empty, or does a proxy on the way drop the query of the URL?",
    ),
    Code(
        &["41004"],
        Account,
        "WeCom saw no secret: is it empty, or does a proxy on the way drop the query of the URL?",
    ),
    Code(&["40058"], Account, BAD_SECRET),
];

/// Codes that mean something else in the list of members with the right to customer contact.
const FOLLOW_LIST: &[Code] =
    &[Code(FORBIDDEN, Permission, CONTACT_API), Code(&["60011", "84061", "84074"], Permission, SEES_NOBODY)];

/// What is said of the APIs of customer contact alone.
const CONTACT: &[Code] = &[Code(FORBIDDEN, Permission, CONTACT_API)];

/// What is said of the APIs of KF alone.
const KF: &[Code] = &[Code(FORBIDDEN, Permission, KF_API)];

/// What is said of the APIs of the directory alone.
const DIRECTORY: &[Code] = &[Code(FORBIDDEN, Permission, DIRECTORY_API)];

/// What codes mean for all other calls.
const ALL: &[Code] = &[
    Code(&["-1"], Unavailable, "WeCom is busy"),
    Code(&["6000"], Unavailable, "WeCom's data is being changed"),
    Code(&["81026"], Unavailable, "WeCom is under maintenance"),
    Code(&["40014"], Token, "the access token is not valid"),
    Code(&["42001"], Token, "the access token has expired"),
    // On a data call it may also mean a token of a secret that was reset; a fetch of a token shows which.
    Code(&["40001"], Token, BAD_SECRET),
    Code(&["41001", "41002", "41004"], Unknown, INTERNAL),
    Code(&["40013", "40091"], Account, BAD_SECRET),
    Code(&["45009"], Throttled, "the API's call quota is used up; the company's other programs share it"),
    Code(&["45033"], Throttled, "too many calls of the company at once"),
    Code(&["45029", "81017"], Target, TOO_LARGE),
    Code(
        &["40003", "40031", "40066", "46004", "50002", "60003", "60011", "60021", "60030", "60111", "60123", "81013"],
        Target,
        OUT_OF_SCOPE,
    ),
    Code(&["40032", "40058", "40063"], Target, BAD_INPUT),
    Code(&["600018"], Target, BAD_DAYS),
    Code(&["84061", "84074", "84083", "84084"], Target, NO_CONTACTS),
    Code(&["301002"], Permission, NOT_THIS_APP),
    Code(
        &["48006"],
        Permission,
        "the app's right to this API was withdrawn as unused: grant it again on the app's page, 应用管理 > the app (App \
        management > the app)",
    ),
    Code(&["48009"], Permission, DIRECTORY_SYNC),
    Code(&["48007", "60251", "60252", "95000", "95004"], Target, KF_SCOPE),
    Code(&["50003"], Account, "the app is disabled: enable it under 应用管理 > the app (App management > the app)"),
    Code(
        &["50006"],
        Account,
        "the system app is disabled: enable it under 应用管理 > 基础 (App management > Basic), or use a self-built app's secret",
    ),
    Code(&["60031"], Permission, "the API is disabled for the company"),
    Code(
        &["60020"],
        Account,
        "this address is not among the app's trusted IPs: add it under 应用管理 > the app > 企业可信IP (App management > the \
        app > Company trusted IPs), which takes about a minute, or set proxy_url to a host that is",
    ),
    Code(&["60253", "95014"], Target, NO_SERVICER),
    Code(&["95011", "95012"], Permission, "the secret does not fit the KF edition: use a self-built app's (自建应用)"),
    Code(
        &["95017"],
        Permission,
        "the KF API is switched off: switch it on under 应用管理 > 微信客服 > API (App management > WeChat customer service > \
        API)",
    ),
    Code(&["701008", "701099"], Permission, "the interface licence (接口许可) is missing"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(api: &str, code: i64, message: &str) -> Refusal {
        super::refusal(api, code.into(), message)
    }

    #[test]
    fn a_forbidden_api_names_the_console_page_of_its_own() {
        for (api, page) in [
            ("externalcontact/get_user_behavior_data", "客户联系 > API > 可调用接口的应用"),
            ("externalcontact/get_follow_user_list", "客户联系 > API > 可调用接口的应用"),
            ("kf/get_servicer_statistic", "微信客服 > API"),
            ("department/simplelist", "通讯录"),
            ("user/simplelist", "可见范围"),
        ] {
            for code in [48001, 48002, 48004] {
                let refusal = refusal(api, code, "api forbidden");
                assert_eq!(refusal.class, Permission, "{api}");
                assert!(refusal.text.contains(page), "{api}: {}", refusal.text);
            }
        }
        assert!(!refusal("department/simplelist", 48002, "").text.contains("可调用接口"));
    }

    #[test]
    fn a_login_brings_no_words_about_members() {
        for code in [40003, 60011, 84061, 600_018] {
            let refusal = refusal(GETTOKEN, code, "so");
            assert_eq!((refusal.class, refusal.quoted.as_deref()), (Unknown, Some("so")));
        }
        let ban = refusal(GETTOKEN, 45009, "api freq out of limit");
        assert_eq!((ban.class, ban.wait), (Account, Some(BAN)));
        assert!(ban.text.contains("checkCorpSpamBlock"), "{}", ban.text);
        assert_eq!(refusal("kf/get_servicer_statistic", 45009, "").class, Throttled);
    }

    #[test]
    fn a_list_that_nobody_is_on_is_a_missing_permission_and_a_single_member_is_not() {
        for code in [60011, 84061] {
            assert_eq!(refusal(FOLLOW_USERS, code, "").class, Permission);
            assert_eq!(refusal("externalcontact/get_user_behavior_data", code, "").class, Target);
            assert_eq!(refusal("department/simplelist", code, "").class, Target);
        }
        assert_eq!(refusal(FOLLOW_USERS, 301_002, "").class, Permission);
    }
}
