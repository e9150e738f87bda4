//! The simulator as a client sees it.

mod client;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::day::{Days, Zone};
use client::Client;

const CONTACT: &str = "externalcontact/get_user_behavior_data";
const GROUPCHAT: &str = "externalcontact/groupchat/statistic";

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn midnight(text: &str) -> i64 {
    day(text).midnight(&Zone::china()).as_second()
}

#[tokio::test]
async fn contact_figures_come_one_row_a_day_and_are_the_expected_ones() {
    let client = Client::new().await;
    let (first, last) = (midnight("2026-11-18"), midnight("2026-11-19") + 3601);
    let body = json!({ "userid": ["WangWu", "Zhang.San"], "partyid": [1001], "start_time": first, "end_time": last });
    let answer = client.wecom(CONTACT, body).await;
    let mut expected = figures::contact(client.company(), &["Zhang.San", "WangWu"], &[1001], day("2026-11-19"));
    expected["stat_time"] = midnight("2026-11-19").into();
    assert_eq!(answer["behavior_data"].as_array().unwrap().len(), 2);
    assert_eq!(answer["behavior_data"][1], expected);
    let call = client.simulator.log().pop().unwrap();
    assert_eq!((call.subject.as_str(), call.refused), ("WangWu,Zhang.San,1001", None));
    assert_eq!((call.from, call.to), (Some(day("2026-11-18")), Some(day("2026-11-19"))));
}

#[tokio::test]
async fn contact_refuses_what_the_page_does_not_allow() {
    let client = Client::new().await;
    let quiet = client.company().users.iter().find(|user| !user.follows_customers).unwrap();
    let yesterday = midnight("2026-11-19");
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for (code, ids, first, last) in [
        (0, json!({ "userid": ["WangWu"] }), midnight("2026-10-21"), yesterday),
        (600_018, json!({ "userid": ["WangWu"] }), midnight("2026-10-20"), yesterday),
        (600_018, json!({ "userid": ["WangWu"] }), midnight("2026-11-20"), midnight("2026-11-20")),
        (600_018, json!({ "userid": ["WangWu"] }), midnight("2026-05-23"), midnight("2026-05-23")),
        (600_018, json!({ "userid": ["WangWu"] }), yesterday * 1000, yesterday * 1000),
        (600_018, json!({ "userid": ["WangWu"] }), yesterday, yesterday - 1),
        (60111, json!({ "userid": ["WangWu", "nobody"] }), yesterday, yesterday),
        (60123, json!({ "partyid": [7] }), yesterday, yesterday),
        (84061, json!({ "userid": [quiet.userid] }), yesterday, yesterday),
        (40058, json!({ "userid": [], "partyid": [] }), yesterday, yesterday),
        (40058, json!({ "userid": many }), yesterday, yesterday),
        (40058, json!({ "partyid": ["1"] }), yesterday, yesterday),
    ] {
        let mut body = ids.clone();
        body["start_time"] = first.into();
        body["end_time"] = last.into();
        assert_eq!(client.wecom(CONTACT, body).await["errcode"], code, "{ids} {first} {last}");
    }
}

#[tokio::test]
async fn owners_are_sorted_and_paged_and_those_without_groups_are_left_out() {
    let client = Client::new().await;
    let userids: Vec<&str> = client.company().follow_users().map(|user| user.userid.as_str()).take(90).collect();
    let owners = client.company().owners().filter(|owner| userids.contains(&owner.userid.as_str())).count() as u64;
    let time = midnight("2026-11-19");
    let mut seen = Vec::new();
    let mut offset = 0;
    while offset < owners {
        let filter = json!({ "userid_list": userids });
        let body =
            json!({ "day_begin_time": time, "owner_filter": filter, "order_by": 4, "offset": offset, "limit": 7 });
        let answer = client.wecom(GROUPCHAT, body).await;
        assert_eq!(answer["total"], owners);
        seen.extend(answer["items"].as_array().unwrap().clone());
        offset = answer["next_offset"].as_u64().unwrap();
    }
    assert_eq!(seen.len() as u64, owners);
    let members: Vec<u64> = seen.iter().map(|item| item["data"]["member_total"].as_u64().unwrap()).collect();
    assert!(members.is_sorted_by(|a, b| a >= b));
    let first = seen[0]["owner"].as_str().unwrap();
    assert_eq!(Some(&seen[0]["data"]), figures::groupchat(client.company(), &[first], day("2026-11-19")).as_ref());

    let by_day = "externalcontact/groupchat/statistic_group_by_day";
    let answer =
        client.wecom(by_day, json!({ "day_begin_time": time, "owner_filter": { "userid_list": userids } })).await;
    assert_eq!(answer["items"][0]["data"]["member_total"], members.iter().sum::<u64>());
    for (code, ids) in [(60111, json!(["WangWu", "nobody"])), (81013, json!(["no", "body"])), (40058, json!([]))] {
        let body = json!({ "day_begin_time": time, "owner_filter": { "userid_list": ids } });
        assert_eq!(client.wecom(GROUPCHAT, body).await["errcode"], code);
    }
}

#[tokio::test]
async fn servicers_are_found_through_the_lists_and_have_figures() {
    let client = Client::new().await;
    let token = client.token().await;
    let accounts = client.wecom("kf/account/list", json!({ "offset": 0, "limit": 100 })).await;
    let id = accounts["account_list"][0]["open_kfid"].as_str().unwrap();
    let listed = client.get(&format!("/cgi-bin/kf/servicer/list?access_token={token}&open_kfid={id}")).await;
    let mut found = BTreeSet::new();
    for entry in listed["servicer_list"].as_array().unwrap() {
        let Some(top) = entry.get("department_id") else {
            found.insert(entry["userid"].as_str().unwrap().to_owned());
            continue;
        };
        let below = client.get(&format!("/cgi-bin/department/simplelist?access_token={token}&id={top}")).await;
        for department in below["department_id"].as_array().unwrap() {
            let path = format!("/cgi-bin/user/simplelist?access_token={token}&department_id={}", department["id"]);
            let users = client.get(&path).await;
            found
                .extend(users["userlist"].as_array().unwrap().iter().map(|u| u["userid"].as_str().unwrap().to_owned()));
        }
    }
    let account = &client.company().kf_accounts[0];
    assert_eq!(found, account.servicers.iter().map(|servicer| servicer.userid.clone()).collect());

    let (first, last) = (midnight("2026-10-20"), midnight("2026-11-19"));
    let body = json!({ "open_kfid": id, "start_time": first, "end_time": last });
    let answer = client.wecom("kf/get_servicer_statistic", body).await;
    let rows = answer["statistic_list"].as_array().unwrap();
    assert_eq!(rows.len(), 31);
    assert_eq!(rows[30].get("statistic"), figures::kf(client.company(), id, None, day("2026-11-19")).as_ref());
    for (code, body) in [
        (60251, json!({ "start_time": last, "end_time": last })),
        (95004, json!({ "open_kfid": "wk", "start_time": last, "end_time": last })),
        (60253, json!({ "open_kfid": id, "servicer_userid": "nobody", "start_time": last, "end_time": last })),
        (600_018, json!({ "open_kfid": id, "start_time": first - 1, "end_time": last })),
    ] {
        assert_eq!(client.wecom("kf/get_servicer_statistic", body).await["errcode"], code);
    }
}

#[tokio::test]
async fn wecom_tokens_live_and_die() {
    let client = Client::with(|options| options.token_lifetime = Duration::from_secs(60)).await;
    let ask = async |token: &str| {
        client.get(&format!("/cgi-bin/externalcontact/get_follow_user_list?access_token={token}")).await["errcode"]
            .clone()
    };
    let token = client.token().await;
    assert_eq!(token, client.token().await);
    assert_eq!(ask(&token).await, 0);
    client.clock.advance(Duration::from_secs(60));
    assert_eq!(ask(&token).await, 42001);
    let token = client.token().await;
    client.simulator.revoke_tokens();
    assert_eq!(ask(&token).await, 40014);
    assert_eq!(ask("").await, 41001);
    let kf = client.login(&client.company().kf_secret).await["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&kf).await, 48002);
    client.simulator.rotate_secret(Credential::Wecom);
    assert_eq!(client.login(&client.company().secret).await["errcode"], 40001);
    assert_eq!(client.get("/cgi-bin/gettoken?corpid=x&corpsecret=y").await["errcode"], 40013);
    assert_eq!(client.simulator.calls()["gettoken"], 6);
}

#[tokio::test]
async fn desk_lists_every_agent_for_whole_days() {
    let client = Client::new().await;
    let now = client.clock.now().as_second();
    let (from, to) = (midnight("2026-11-18"), midnight("2026-11-20") - 1);
    let answer = client.desk("administrator", now, json!({ "From": from, "To": to, "Limit": 4, "Offset": 4 })).await;
    assert_eq!((&answer["ActionStatus"], &answer["TotalCount"]), (&json!("OK"), &json!(client.company().agents.len())));
    let agent = &client.company().agents[4].agent_id;
    let days = Days { first: day("2026-11-18"), last: day("2026-11-19") };
    assert_eq!(Some(&answer["Data"][0]), figures::desk(client.company(), agent, days).as_ref());
    for (code, body) in [
        (141_004, json!({ "From": from + 1, "To": to })),
        (141_004, json!({ "From": from, "To": to + 1 })),
        (141_004, json!({ "From": from, "To": to + 86_400 })),
        (141_004, json!({ "From": from, "To": to, "Limit": 101 })),
        (141_010, json!({ "From": from, "To": to, "AgentIds": ["nobody@example.com"] })),
        (0, json!({ "From": from, "To": to, "AgentIds": [agent] })),
    ] {
        assert_eq!(client.desk("administrator", now, body.clone()).await["ErrorCode"], code, "{body}");
    }
    let body = json!({ "From": from, "To": to });
    assert_eq!(client.desk("someone", now, body.clone()).await["ErrorCode"], 60010);
    assert_eq!(client.desk("administrator", now - 601, body.clone()).await["ErrorCode"], 70001);
    client.simulator.rotate_secret(Credential::TencentDesk);
    assert_eq!(client.desk("administrator", now, body).await["ErrorCode"], 70009);
}

#[tokio::test]
async fn feishu_answers_with_its_own_http_statuses() {
    let client = Client::new().await;
    let silent = client.company().feishu_departments.iter().find(|d| d.silent).unwrap().open_department_id.clone();
    let (status, answer) = client.push(json!({ "date": "2026-11-18", "cycle_type": 1 })).await;
    assert_eq!((status, &answer["code"]), (200, &json!(0)));
    let days = Days::one(day("2026-11-18"));
    let expected = figures::message_push(client.company(), &client.company().app_id, None, days).unwrap();
    for item in answer["data"]["items"].as_array().unwrap() {
        assert_eq!(expected[item["metric_name"].as_str().unwrap()], item["metric_value"]);
    }
    for (status, code, body) in [
        (200, 0, json!({ "date": "2026-11-09", "cycle_type": 2 })),
        (200, 0, json!({ "date": "2026-11-01", "cycle_type": 3 })),
        (403, 211_010, json!({ "date": "2026-11-10", "cycle_type": 2 })),
        (403, 211_010, json!({ "date": "2026-11-19", "cycle_type": 1 })),
        (400, 211_007, json!({ "date": "2026/11/18", "cycle_type": 1 })),
        (400, 9499, json!({ "date": "2026-11-18", "cycle_type": "1" })),
        (400, 99_992_357, json!({ "date": "2026-11-18", "cycle_type": 1, "department_id": "od-x" })),
        (404, 211_011, json!({ "date": "2026-11-18", "cycle_type": 1, "department_id": silent })),
    ] {
        let (got, answer) = client.push(body.clone()).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{body}");
    }
}

#[tokio::test]
async fn feishu_tokens_are_renewed_early_and_departments_are_paged() {
    let client = Client::with(|options| options.users = 1200).await;
    let first = client.feishu_token().await;
    assert_eq!(first["expire"], 7200);
    client.clock.advance(Duration::from_secs(5300));
    assert_eq!(client.feishu_token().await["expire"], 1900);
    client.clock.advance(Duration::from_secs(200));
    let second = client.feishu_token().await;
    assert_ne!(first["tenant_access_token"], second["tenant_access_token"]);
    let mut found = Vec::new();
    let mut page = String::new();
    loop {
        let query = format!("fetch_child=true&page_size=50&department_id_type=open_department_id&page_token={page}");
        let url = client.url(&format!("/open-apis/contact/v3/departments/0/children?{query}"));
        let request = client.http.get(url).bearer_auth(first["tenant_access_token"].as_str().unwrap());
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        found.extend(answer["data"]["items"].as_array().unwrap().clone());
        if answer["data"]["has_more"] != true {
            break;
        }
        page = answer["data"]["page_token"].as_str().unwrap().to_owned();
    }
    assert_eq!(found.len(), client.company().feishu_departments.len());
    let url = client.url("/open-apis/contact/v3/departments/0/children");
    assert_eq!(client.http.get(&url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn limits_hold_and_can_be_lifted() {
    let client = Client::with(|options| options.calls_per_minute = Some(2)).await;
    let body = json!({ "date": "2026-11-18", "cycle_type": 1 });
    assert_eq!(client.push(body.clone()).await.0, 200);
    assert_eq!(client.push(body).await.0, 200);
    let url = client.url("/open-apis/auth/v3/tenant_access_token/internal");
    let third = client.http.post(url).json(&json!({})).send().await.unwrap();
    assert_eq!((third.status().as_u16(), &third.headers()["x-ogw-ratelimit-reset"]), (429, &"60".parse().unwrap()));

    let client = Client::with(|options| options.enforce_limits = false).await;
    for _ in 0..102 {
        assert_eq!(client.push(json!({ "date": "2026-11-18", "cycle_type": 1 })).await.0, 200);
    }
}

#[tokio::test]
async fn faults_strike_whom_they_name() {
    let client = Client::new().await;
    let time = midnight("2026-11-19");
    let ask = async |userid: &str| {
        client.wecom(CONTACT, json!({ "userid": [userid], "start_time": time, "end_time": time })).await
    };
    let token = client.token().await;
    let raw = async || {
        let url = client.url(&format!("/cgi-bin/{CONTACT}?access_token={token}"));
        let answer = client.http.post(url).json(&json!({ "userid": ["WangWu"] })).send().await?;
        let status = answer.status().as_u16();
        Ok::<_, reqwest::Error>((status, answer.bytes().await?))
    };
    let faults = client.simulator.faults();
    faults.add(Fault::on(CONTACT, Effect::Refuse(-1)).subject("WangWu").times(1));
    assert_eq!(ask("Zhang.San").await["errcode"], 0);
    assert_eq!(ask("WangWu").await["errcode"], -1);
    let real = ask("WangWu").await["behavior_data"][0]["message_cnt"].as_i64().unwrap();

    let since = client.clock.now();
    faults.add(Fault::on(CONTACT, Effect::Restate { day: day("2026-11-19"), since, delta: 5 }).subject("WangWu"));
    assert_eq!(ask("WangWu").await["behavior_data"][0]["message_cnt"], real + 5);
    faults.clear();
    faults.add(Fault::on("wecom", Effect::NoData(Vec::new())));
    let row = &ask("WangWu").await["behavior_data"][0];
    assert_eq!((&row["chat_cnt"], row.get("reply_percentage")), (&json!(0), None));
    faults.clear();

    faults.add(Fault::on(CONTACT, Effect::Html(503)).times(1));
    assert_eq!(raw().await.unwrap().0, 503);
    faults.add(Fault::on(CONTACT, Effect::TooManyRequests(None)).times(1));
    assert_eq!(raw().await.unwrap().0, 429);
    let odd = Effect::Raw { status: 202, headers: vec![("x-odd".to_owned(), "1".to_owned())], body: b"null".to_vec() };
    faults.add(Fault::on(CONTACT, odd).times(1));
    assert_eq!(raw().await.unwrap(), (202, "null".into()));
    faults.add(Fault::on(CONTACT, Effect::Truncate).times(1));
    assert!(serde_json::from_slice::<Value>(&raw().await.unwrap().1).is_err());
    faults.add(Fault::on(CONTACT, Effect::Reset).times(1));
    assert!(raw().await.is_err());
    faults.add(Fault::on(CONTACT, Effect::Hang).times(1));
    assert!(tokio::time::timeout(Duration::from_millis(200), raw()).await.is_err());
    assert_eq!(raw().await.unwrap().0, 200);
}

#[tokio::test]
async fn paths_that_no_platform_has_are_counted_too() {
    let client = Client::new().await;
    for (path, status) in [("/cgi-bin/nothing", 404), ("/open-apis/nothing", 404), ("/v4/nothing", 200), ("/", 404)] {
        assert_eq!(client.http.get(client.url(path)).send().await.unwrap().status(), status);
    }
    assert_eq!(client.simulator.calls()["unknown"], 4);
    client.simulator.reset_calls();
    assert!(client.simulator.calls().is_empty());
}
