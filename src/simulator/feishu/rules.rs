//! Feishu's refusals.

use crate::simulator::answer::Refusal;

/// The platform's refusal with that code, and the HTTP status that goes with it.
pub(in crate::simulator) fn refuse(code: i64) -> Refusal {
    let (status, meaning) = match code {
        9499 => (400, "Invalid parameter type in json"),
        // The call for a token answers its errors with 200.
        10003 => (200, "invalid param"),
        10014 => (200, "app secret invalid"),
        10015 => (200, "wrong app secret"),
        40004 => (400, "no dept authority error"),
        211_004 => (403, "no authority for quota limit"),
        211_005 => (400, "invalid app id"),
        211_007 => (400, "invalid date format"),
        211_010 => (403, "invalid date range"),
        211_011 => (404, "data not found"),
        99_991_400 => (429, "request trigger frequency limit"),
        99_991_661 => (400, "Missing access token for authorization."),
        99_991_663 => {
            (400, "Invalid access token for authorization. Please make a test attempt with the correct token.")
        }
        99_991_672 => (400, "Access denied. One of the following scopes is required"),
        99_991_401 => (400, "ip denied"),
        99_991_403 => (400, "This month's API call quota has been exceeded"),
        99_991_662 => (400, "app not in use"),
        99_991_673 => (400, "app is not installed"),
        99_992_357 => (400, "The request you send is not a valid {open_department_id} or not exists"),
        99_992_402 => (400, "field validation failed"),
        1500 | 1551 | 1557 | 2200 => (500, "internal error"),
        _ => (400, "unknown error"),
    };
    Refusal { code, status, message: meaning.to_owned(), headers: Vec::new() }
}
