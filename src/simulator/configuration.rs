//! The exporter's configuration that talks to the simulator.

use std::fmt::Write;

use super::company::{Company, User};

/// A whole configuration file, all three platforms under `base_url`; without the limits that are not enforced.
pub(super) fn write(company: &Company, base_url: &str, secrets: [&str; 4], limits: bool) -> String {
    let rate = if limits { "" } else { ", rate_limit: 100000/s" };
    let rate_line = if limits { "" } else { "\n      rate_limit: 100000/s" };
    let [secret, kf_secret, secret_key, app_secret] = secrets;
    let some: Vec<String> = company.follow_users().filter(|user| user.activity > 0.0).take(3).map(quoted).collect();
    let owners: Vec<String> = company.owners().take(2).map(quoted).collect();
    let region = company.departments.get(1).map_or(1, |department| department.partyid);
    let other = company.departments.get(2).map_or(1, |department| department.partyid);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"poll_interval: 10s
wecom:
  - account: acme
    base_url: "{base_url}"
    corp_id: {corp_id}
    secret: "{secret}"
    names: true
    contact:{rate_line}
      users: all
      departments: all
      teams:
        stars: {{users: [{some}]}}
        regions: {{users: [{some}], departments: [{region}, {other}]}}
    groupchat:{rate_line}
      owners: all
      teams:
        everyone: {{owners: all}}
        north: {{owners: [{owners}]}}
    kf: {{accounts: all, servicers: all, secret: "{kf_secret}"{rate}}}
feishu:
  - account: acme
    base_url: "{base_url}"
    app_id: {app_id}
    app_secret: "{app_secret}"
    names: true
    message_push: {{departments: all, cycles: [day, week, month]{rate}}}
tencent_desk:
  - account: acme
    base_url: "{base_url}"
    sdk_app_id: {sdk_app_id}
    identifier: {identifier}
    secret_key: "{secret_key}"
    names: true
    agent_statistics: {{agents: all{rate}}}
"#,
        corp_id = company.corp_id,
        some = some.join(", "),
        owners = owners.join(", "),
        app_id = company.app_id,
        sdk_app_id = company.sdk_app_id,
        identifier = company.identifier,
    );
    text
}

fn quoted(user: &User) -> String {
    format!("\"{}\"", user.userid)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn it_is_yaml_with_the_secrets_given() {
        let company = Company::new(40, 1);
        let text = write(&company, "http://127.0.0.1:1", ["a", "b", "c", "d"], true);
        let value: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(value["wecom"][0]["corp_id"], company.corp_id);
        assert_eq!(value["wecom"][0]["kf"]["secret"], "b");
        assert_eq!(value["feishu"][0]["app_secret"], "d");
        assert_eq!(value["tencent_desk"][0]["base_url"], "http://127.0.0.1:1");
    }
}
