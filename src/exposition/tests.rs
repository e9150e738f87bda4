//! What a scrape shows, and how it is packed.

use std::io::Read;

use super::lint::{Dialect, read};
use super::*;
use crate::source;

const DRAFT: &str = "application/openmetrics-text; version=0.0.1; charset=utf-8";

fn api(name: &str) -> &'static Api {
    source::apis().into_iter().find(|api| api.name == name).unwrap()
}

fn exposition() -> Exposition {
    Exposition::new(Telemetry::new("1", "r"), &source::apis())
}

/// The value of the table's label, and the figures.
type Figures<'a> = (&'a str, &'a [Option<f64>]);

/// A page whose first tables have these rows.
fn page(api: &Api, rows: &[&[Figures<'_>]]) -> Page {
    let day = Day::new(2018, 9, 10).unwrap();
    let row = |(label, values): &Figures<'_>| Row { day, labels: vec![(*label).to_owned()], values: values.to_vec() };
    let tables = api.tables.iter().zip(rows).map(|(table, rows)| (*table, rows.iter().map(row).collect())).collect();
    Page { day, tables }
}

/// What precedes the exporter's own metrics.
fn domain(exposition: &Exposition, format: Format) -> String {
    let text = String::from_utf8(exposition.scrape(format, false, None).concat()).unwrap();
    let (domain, own) = text.split_once("# HELP imstats_build").unwrap();
    assert_eq!(format == Format::OpenMetrics, own.ends_with("# EOF\n"));
    assert_eq!(text.matches("# EOF").count(), usize::from(format == Format::OpenMetrics));
    domain.to_owned()
}

fn found(id: &str, name: Option<&str>) -> ListEntry {
    ListEntry { id: id.into(), parent: None, name: name.map(Into::into) }
}

#[test]
fn the_documented_figures_are_shown_whole_in_both_formats() {
    let exposition = exposition();
    let api = api("wecom_contact");
    let figures = [Some(6.0), Some(5.0), Some(100.0), Some(80.0), Some(0.6025), Some(60.0), Some(0.0)];
    let some = [None, Some(1.0), None, None, None, None, None];
    let shown = page(api, &[&[("zhangsan", &figures)]]);
    assert_eq!(exposition.publish(api, "beta", Some(page(api, &[&[("lisi", &some), ("amy", &some)]]))), 2);
    assert_eq!(exposition.publish(api, "acme", Some(shown)), 7);
    let expected = "\
# HELP wecom_contact_user_friend_requests_sent WeCom customer contact, one member: friend requests to customers (new_apply_cnt), of the statistics day
# TYPE wecom_contact_user_friend_requests_sent gauge
wecom_contact_user_friend_requests_sent{account=\"acme\",userid=\"zhangsan\"} 6.0
# HELP wecom_contact_user_new_contacts WeCom customer contact, one member: customers newly added (new_contact_cnt), of the statistics day
# TYPE wecom_contact_user_new_contacts gauge
wecom_contact_user_new_contacts{account=\"acme\",userid=\"zhangsan\"} 5.0
wecom_contact_user_new_contacts{account=\"beta\",userid=\"amy\"} 1.0
wecom_contact_user_new_contacts{account=\"beta\",userid=\"lisi\"} 1.0
# HELP wecom_contact_user_active_chats WeCom customer contact, one member: single chats with a message sent to the customer (chat_cnt), of the statistics day
# TYPE wecom_contact_user_active_chats gauge
wecom_contact_user_active_chats{account=\"acme\",userid=\"zhangsan\"} 100.0
# HELP wecom_contact_user_messages_sent WeCom customer contact, one member: messages sent in single chats (message_cnt), of the statistics day
# TYPE wecom_contact_user_messages_sent gauge
wecom_contact_user_messages_sent{account=\"acme\",userid=\"zhangsan\"} 80.0
# HELP wecom_contact_user_replied_chats_ratio WeCom customer contact, one member: share of the chats started by customers that got a reply on the same day (reply_percentage), of the statistics day; do not sum: WeCom does not say how many chats it is of, so ask for a department or team
# TYPE wecom_contact_user_replied_chats_ratio gauge
wecom_contact_user_replied_chats_ratio{account=\"acme\",userid=\"zhangsan\"} 0.6025
# HELP wecom_contact_user_first_reply_average_seconds WeCom customer contact, one member: average time to the first reply in chats started by customers (avg_reply_time), of the statistics day; do not sum: WeCom does not say how many chats it is of, so ask for a department or team
# TYPE wecom_contact_user_first_reply_average_seconds gauge
wecom_contact_user_first_reply_average_seconds{account=\"acme\",userid=\"zhangsan\"} 60.0
# HELP wecom_contact_user_lost_customers WeCom customer contact, one member: customers who deleted or blocked the member (negative_feedback_cnt), of the statistics day
# TYPE wecom_contact_user_lost_customers gauge
wecom_contact_user_lost_customers{account=\"acme\",userid=\"zhangsan\"} 0.0
";
    assert_eq!(domain(&exposition, Format::OpenMetrics), expected);
    assert_eq!(domain(&exposition, Format::Text), expected);
}

#[test]
fn every_combination_is_a_page_that_prometheus_reads() {
    let exposition = exposition();
    let api = api("wecom_contact");
    exposition.publish(api, "acme", Some(page(api, &[&[("a", &[Some(1.5); 7])], &[("b", &[Some(2.0); 7])]])));
    let names = vec![NamePage { info: api.infos[0], names: vec![found("a", Some("A"))] }];
    exposition.publish_names(api, "acme", names);
    let telemetry = &exposition.0.telemetry;
    telemetry.request("acme", "gettoken", crate::telemetry::Outcome::Ok, Duration::from_secs(1));
    telemetry.http_request("/metrics", 200);
    for (format, dialect) in [(Format::OpenMetrics, Dialect::OpenMetrics), (Format::Text, Dialect::Text)] {
        let whole = exposition.scrape(format, false, None);
        let text = String::from_utf8(whole.concat()).unwrap();
        let families = read(&text, dialect).unwrap();
        let kinds: std::collections::BTreeSet<_> = families.iter().map(|family| family.kind.as_str()).collect();
        assert_eq!(kinds.contains("info"), dialect == Dialect::OpenMetrics);
        assert_eq!(families.iter().map(|family| family.samples.len()).max(), Some(12));
        assert_eq!(whole.length, text.len());

        let packed = exposition.scrape(format, true, None).concat();
        let mut rest = packed.as_slice();
        let mut decoded = String::new();
        flate2::bufread::GzDecoder::new(&mut rest).read_to_string(&mut decoded).unwrap();
        assert!(rest.is_empty(), "one member is the whole body");
        let decoded = read(&decoded, dialect).unwrap();
        let shown = |families: &[lint::Family]| families.iter().map(|family| family.name.clone()).collect::<Vec<_>>();
        assert_eq!(shown(&decoded), shown(&families));
    }
    assert_eq!(exposition.scrape(Format::OpenMetricsDraft, false, None).content_type, DRAFT);
}

#[test]
fn without_pages_only_the_own_metrics_are_shown() {
    let exposition = exposition();
    assert_eq!(domain(&exposition, Format::OpenMetrics), "");
    let api = api("wecom_contact");
    assert_eq!(exposition.publish(api, "acme", Some(page(api, &[&[("a", &[None; 7])]]))), 0);
    assert_eq!(domain(&exposition, Format::Text), "", "a family without samples is left out");
}

#[test]
fn labels_of_any_text_come_back_as_they_were() {
    let exposition = exposition();
    let api = api("wecom_contact");
    let label = "a\"b\\c\nd{e}, 企业微信 # EOF";
    let only = [Some(1.0), None, None, None, None, None, None];
    exposition.publish(api, "acme", Some(page(api, &[&[(label, &only)]])));
    let text = String::from_utf8(exposition.scrape(Format::Text, false, None).concat()).unwrap();
    assert_eq!(read(&text, Dialect::Text).unwrap()[0].samples[0].labels["userid"], label);
}

#[test]
fn a_row_that_comes_twice_is_shown_once() {
    let exposition = exposition();
    let api = api("wecom_contact");
    let only = [Some(1.0), None, None, None, None, None, None];
    assert_eq!(exposition.publish(api, "acme", Some(page(api, &[&[("a", &only), ("b", &only), ("a", &only)]]))), 2);
}

#[test]
fn a_removed_account_leaves_nothing_behind() {
    let exposition = exposition();
    let api = api("wecom_contact");
    for account in ["acme", "beta"] {
        exposition.publish(api, account, Some(page(api, &[&[("a", &[Some(1.0); 7])]])));
        let names = vec![NamePage { info: api.infos[0], names: vec![found("a", Some("A"))] }];
        exposition.publish_names(api, account, names);
    }
    let held = exposition.scrape(Format::Text, false, None);
    exposition.remove(api, "acme");
    let text = domain(&exposition, Format::Text);
    assert!(!text.contains("acme") && text.contains("beta"), "{text}");
    exposition.remove(api, "beta");
    assert_eq!(domain(&exposition, Format::Text), "");
    let held = String::from_utf8(held.concat()).unwrap();
    assert!(held.contains("acme") && held.contains("beta"), "a scrape under way keeps what it began with");
}

#[test]
fn names_of_several_lists_are_merged_and_sorted() {
    let exposition = exposition();
    let (contact, groups) = (api("wecom_contact"), api("wecom_groupchat_owner"));
    let info = contact.infos[0];
    let names = vec![found("b", Some("老王")), found("c", None)];
    exposition.publish_names(groups, "acme", vec![NamePage { info, names }]);
    let names = vec![found("b", Some("Wang")), found("a", Some("A \"x\""))];
    exposition.publish_names(contact, "acme", vec![NamePage { info, names }]);
    let expected = "\
# HELP wecom_user WeCom: the name of a member
# TYPE wecom_user info
wecom_user_info{account=\"acme\",userid=\"a\",partyid=\"\",name=\"A \\\"x\\\"\"} 1
wecom_user_info{account=\"acme\",userid=\"b\",partyid=\"\",name=\"Wang\"} 1
";
    assert_eq!(domain(&exposition, Format::OpenMetrics), expected);
    let expected = expected.replace("wecom_user WeCom", "wecom_user_info WeCom");
    assert_eq!(domain(&exposition, Format::Text), expected.replace("wecom_user info", "wecom_user_info gauge"));
}

#[test]
fn what_does_not_change_is_not_rendered_again() {
    let (exposition, api) = (exposition(), api("wecom_contact"));
    let place = || exposition.scrape(Format::Text, false, None).frames[0].as_ptr();
    let one = page(api, &[&[("li", &[Some(1.0)])]]);
    assert_eq!(exposition.publish(api, "acme", Some(one.clone())), 1);
    let first = place();
    assert_eq!(exposition.publish(api, "acme", Some(one.clone())), 1);
    assert_eq!(place(), first);
    for changed in [page(api, &[&[("li", &[Some(2.0)])]]), page(api, &[&[("li", &[None, Some(2.0)])]]), one] {
        let text = domain(&exposition, Format::Text);
        exposition.publish(api, "acme", Some(changed));
        assert_ne!(domain(&exposition, Format::Text), text);
    }
}

#[test]
fn a_part_can_be_scraped_alone() {
    let exposition = exposition();
    let (contact, groups) = (api("wecom_contact"), api("wecom_groupchat_owner"));
    exposition.publish(contact, "acme", Some(page(contact, &[&[("a", &[Some(1.0); 7])]])));
    exposition.publish(groups, "acme", Some(page(groups, &[&[("a", &[Some(1.0); 8])]])));
    let show = |collect: &[&str]| {
        let text = exposition.scrape(Format::Text, false, Some(collect)).concat();
        String::from_utf8(text).unwrap()
    };
    let text = show(&["wecom_groupchat_owner"]);
    assert!(!text.contains("wecom_contact") && text.contains("wecom_groupchat_owner_chats"), "{text}");
    assert!(text.contains("imstats_build_info"));
    assert!(show(&["wecom_contact", "wecom_groupchat_owner"]).contains("wecom_contact_user_new_contacts"));
    let names = vec![NamePage { info: contact.infos[0], names: vec![found("a", Some("A"))] }];
    exposition.publish_names(contact, "acme", names);
    let teams = api("wecom_groupchat_team");
    assert!(teams.infos.is_empty());
    let has_names = |collect: &str| show(&[collect]).contains("wecom_user_info{");
    assert!(has_names("wecom_contact"));
    assert!(!has_names("wecom_groupchat_team"), "it has no people");
    assert!(exposition.sources().any(|name| name == "wecom_contact"));
}

#[test]
fn what_changes_in_a_source_is_shown_by_the_very_next_scrape() {
    let exposition = exposition();
    let telemetry = &exposition.0.telemetry;
    for up in [false, true, false] {
        let status = crate::telemetry::SourceStatus { up, ..Default::default() };
        telemetry.set_source("wecom_contact", "acme", status);
        let text = String::from_utf8(exposition.scrape(Format::Text, false, None).concat()).unwrap();
        let line = format!("imstats_source_up{{source=\"wecom_contact\",account=\"acme\"}} {}.0\n", u8::from(up));
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn what_changes_by_itself_is_not_frozen_while_nothing_else_changes() {
    let exposition = exposition();
    let shown = || String::from_utf8(exposition.scrape(Format::Text, false, None).concat()).unwrap();
    let before = shown();
    // Requests alone are no reason to render anew; the age of what is shown is.
    exposition.0.telemetry.http_request("metrics", 200);
    let limit = Instant::now() + Duration::from_secs(30);
    while shown() == before {
        assert!(Instant::now() < limit, "it is never rendered anew");
        std::thread::yield_now();
    }
    assert!(shown().contains("imstats_http_requests_total{handler=\"metrics\",code=\"200\"} 1"), "{}", shown());
}

#[test]
fn labels_of_an_account_stand_on_its_figures_and_names_and_are_rendered_when_they_change() {
    let exposition = exposition();
    let api = api("wecom_contact");
    for account in ["acme", "beta"] {
        exposition.publish(api, account, Some(page(api, &[&[("a", &[Some(1.0); 7])]])));
        let names = vec![NamePage { info: api.infos[0], names: vec![found("a", Some("A"))] }];
        exposition.publish_names(api, account, names);
    }
    let bare = domain(&exposition, Format::Text);
    let labels: Arc<[(String, String)]> =
        [("area", "7"), ("region", "no\"rth")].map(|(n, v)| (n.into(), v.into())).into();
    exposition.label(api, "acme", &labels);
    let text = domain(&exposition, Format::Text);
    let added = "area=\"7\",region=\"no\\\"rth\"} 1";
    let figure = "wecom_contact_user_new_contacts{account=\"acme\",userid=\"a\",";
    assert!(text.contains(&format!("\n{figure}{added}")), "{text}");
    assert!(text.contains(&format!("name=\"A\",{added}")), "{text}");
    let lines = |text: &str, account: &str| text.lines().filter(|line| line.contains(account)).count();
    let labelled = text.lines().filter(|line| line.contains(added)).count();
    assert_eq!(labelled, lines(&text, "account=\"acme\""), "all of the account, and of no other");
    let body = exposition.scrape(Format::Text, false, None).concat();
    read(&String::from_utf8(body).unwrap(), Dialect::Text).unwrap();
    exposition.label(api, "acme", &Arc::default());
    assert_eq!(domain(&exposition, Format::Text), bare);
    // An account that comes back has the labels that it is given then.
    exposition.label(api, "acme", &labels);
    exposition.remove(api, "acme");
    exposition.publish(api, "acme", Some(page(api, &[&[("a", &[Some(1.0); 7])]])));
    assert!(!domain(&exposition, Format::Text).contains("region="));
}
