//! What each of Tencent's codes means for what we do next, and what the operator can do about it.
//!
//! Page: <https://cloud.tencent.com/document/product/679/131708>. Console pages are named as the console shows them, with
//! the English in brackets.

use super::super::Class::{Account, Permission, Target, Throttled, Token, Unavailable, Unknown};
use super::super::{Code, Codes};

/// The codes of the page and of the REST convention.
pub(super) const CODES: Codes = Codes { of_apis: &[], of_all: ALL };

const BAD_KEY: &str = "the signature does not fit: copy sdk_app_id and secret_key anew from 即时通信 IM 控制台 > 应用管理 > the \
    application > 应用详情 > 密钥 (Chat console > Applications > the application > Details > Key)";
const BAD_APP: &str = "the application is unknown here: check sdk_app_id, and that base_url is that of its data centre";
const BAD_CALLER: &str = "the identifier is not an administrator of the application: make one under 即时通信 IM 控制台 > the \
    application > 账号管理 > 管理员 (Chat console > the application > Accounts > Administrator)";
const CHECK_APP: &str = "the application or its requests are disabled: look at it in 即时通信 IM 控制台 > 应用管理 (Chat console > \
    Applications)";
const TOO_OFTEN: &str = "too many calls; the company's other programs share the quota";
const INTERNAL: &str = "this request should not have been made like this: please report it with the code";

/// What to do at each code of the page and of the REST convention.
const ALL: &[Code] = &[
    Code(&["60002", "60003", "60012", "60013"], Unknown, INTERNAL),
    Code(&["60004", "70003", "70009"], Account, BAD_KEY),
    Code(&["60005", "60010", "70107"], Account, BAD_CALLER),
    Code(&["60006", "60015", "70014", "70016", "70020"], Account, BAD_APP),
    Code(&["60016", "60017"], Account, CHECK_APP),
    Code(&["60007", "60011", "60018", "60019", "141009"], Throttled, TOO_OFTEN),
    Code(&["60008"], Unavailable, "the service took too long"),
    Code(&["60014"], Unavailable, "the account service took too long"),
    Code(&["70169"], Unavailable, "the server took too long"),
    Code(&["70500", "141002"], Unavailable, "the server failed"),
    Code(&["60009"], Permission, "there is no such API at this address: check base_url"),
    Code(&["60020"], Account, "the application's package has expired: renew it in 即时通信 IM 控制台 (Chat console)"),
    Code(
        &["60021"],
        Account,
        "this address is not allowed: add it to the addresses for REST calls, IP 白名单 (IP allowlist), of the application in \
        即时通信 IM 控制台 (Chat console)",
    ),
    Code(&["70001"], Token, "the signature has expired; if that comes at once, this machine's clock is wrong"),
    Code(&["70013"], Account, "the identifier does not fit the signature"),
    Code(&["70050"], Account, "too many wrong signatures: the account is frozen for a minute; check secret_key"),
    Code(&["70051"], Account, "the identifier is on the blacklist"),
    Code(
        &["141000"],
        Account,
        "the application has no Desk: activate Desk (智能客服) for it in the console, or check sdk_app_id",
    ),
    Code(&["141004"], Target, "Tencent does not accept the agents or the day that were asked for"),
    Code(&["141010"], Target, "there is no such agent"),
];
