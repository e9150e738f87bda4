//! Files of version 1: brought to this version, with all that is in them; and files that go nowhere.

use rusqlite::Connection;

use super::*;

/// The program's own tables as version 1 had them in the end.
const LAST_OF_VERSION_1: &str = "
CREATE TABLE source (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, account TEXT NOT NULL, company TEXT, UNIQUE (name, account)
);
CREATE TABLE target (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE definition (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, day TEXT NOT NULL);
CREATE TABLE answer (
    source INTEGER NOT NULL, day TEXT NOT NULL, target INTEGER NOT NULL, definition INTEGER NOT NULL,
    state TEXT NOT NULL, code INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
    answers INTEGER NOT NULL, PRIMARY KEY (source, day, target)
) WITHOUT ROWID;
CREATE TABLE status (
    source INTEGER PRIMARY KEY, shown TEXT, up INTEGER NOT NULL, last_round INTEGER, last_success INTEGER,
    round_seconds REAL, error TEXT, error_kind TEXT
);
CREATE TABLE list (
    vendor TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, day TEXT NOT NULL, found TEXT NOT NULL,
    PRIMARY KEY (vendor, account, key)
);
CREATE TABLE name (
    info TEXT NOT NULL, account TEXT NOT NULL, id TEXT NOT NULL, parent TEXT, name TEXT, day TEXT NOT NULL,
    PRIMARY KEY (info, account, id)
) WITHOUT ROWID;
CREATE TABLE clock (day TEXT PRIMARY KEY) WITHOUT ROWID;
";

/// Two targets of a source, one of which was refused; a list, a name and a status.
const ROWS: &str = r#"
INSERT INTO source (id, name, account) VALUES (7, 'wecom_contact', 'a');
INSERT INTO target VALUES (1, 'wecom_contact_user/li', '2026-11-02'), (2, 'wecom_contact_user/wang', '2026-11-02');
INSERT INTO definition VALUES (1, '', '2026-11-02');
INSERT INTO answer VALUES
    (7, '2026-11-01', 1, 1, 'ok', 0, 1800000000000, 1800000060000, 2),
    (7, '2026-11-02', 1, 1, 'no_data', 0, 1800000000000, 1800000000000, 1),
    (7, '2026-11-02', 2, 1, 'refused', 60111, 1800000000000, 1800000000000, 1);
INSERT INTO status (source, shown, up, error) VALUES (7, '2026-11-01', 1, 'so');
INSERT INTO list VALUES ('wecom', 'a', 'follow_user', '2026-11-02', '[{"id": "li", "parent": null, "name": null}]');
INSERT INTO name VALUES ('wecom_user_info', 'a', 'li', NULL, 'Li', '2026-11-02');
"#;

/// A directory with a file of version 1 that has `tables`, and another way into it.
fn version_1(tables: &str) -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let file = Connection::open(dir.path().join("imstats.db")).unwrap();
    file.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    file.execute_batch(tables).unwrap();
    file.execute_batch(ROWS).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    (dir, file)
}

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join("imstats.db")).unwrap()
}

fn text(file: &Connection, sql: &str) -> String {
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_of_version_1_has_all_that_it_had() {
    let first = super::super::upgrade::VERSION_1;
    for (tables, has_company) in [(first, false), (LAST_OF_VERSION_1, true)] {
        let (dir, file) = version_1(tables);
        if has_company {
            file.execute_batch("UPDATE source SET company = 'ww1'; UPDATE status SET error_kind = 'refusals'").unwrap();
            file.execute_batch("INSERT INTO clock VALUES ('2026-11-02')").unwrap();
        }
        drop(file);
        for opening in ["first", "second"] {
            let store = open(Some(dir.path()));
            let answers = store.answers("wecom_contact", "a", days(1, 2)).await.unwrap();
            let states: Vec<_> = answers
                .iter()
                .map(|answer| (answer.target.as_str(), answer.state, answer.code.as_ref().map(ToString::to_string)))
                .collect();
            let expected = [
                ("wecom_contact_user/li", AnswerState::Ok, None),
                ("wecom_contact_user/li", AnswerState::NoData, None),
                ("wecom_contact_user/wang", AnswerState::Refused, Some("60111".to_owned())),
            ];
            assert_eq!(states, expected, "{opening}");
            assert_eq!(answers[0].first_at, at(0));
            assert_eq!(answers[0].last_at, at(60));
            assert_eq!(answers[0].answers, 2);
            let (on, list) = store.list("wecom", "a", "follow_user").await.unwrap().unwrap();
            assert_eq!((on, list[0].id.as_str()), (day(2), "li"));
            assert_eq!(store.names("wecom_user_info", "a").await.unwrap()[0].name.as_deref(), Some("Li"));
            let status = store.status("wecom_contact", "a").await.unwrap().unwrap();
            assert_eq!(status.shown, Some(day(1)));
            let kind = has_company.then_some(ErrorKind::Refusals);
            assert_eq!(status.error, Some(SourceError { text: "so".to_owned(), kind }));
        }
        let file = raw(dir.path());
        let company = "SELECT coalesce(company, 'none') FROM source";
        assert_eq!(text(&file, company), if has_company { "ww1" } else { "none" });
        assert_eq!(text(&file, "PRAGMA integrity_check"), "ok");
        assert_eq!(text(&file, "SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), "2");
        let codes = "SELECT group_concat(typeof(code)) FROM (SELECT code FROM answer ORDER BY day, target)";
        assert_eq!(text(&file, codes), "null,null,text");
        assert_eq!(text(&file, "PRAGMA journal_mode"), "wal");
    }
}

#[tokio::test]
async fn an_upgraded_file_has_the_tables_of_a_new_one() {
    let (dir, file) = version_1(LAST_OF_VERSION_1);
    drop(file);
    let new = tempfile::tempdir().unwrap();
    for dir in [dir.path(), new.path()] {
        drop(open(Some(dir)));
    }
    let columns = "SELECT group_concat(line, char(10)) FROM (
        SELECT m.name || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk AS line
        FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' ORDER BY m.name, c.name)";
    assert_eq!(text(&raw(dir.path()), columns), text(&raw(new.path()), columns));
}

#[tokio::test]
async fn a_file_of_version_1_that_another_process_has_open_is_left_as_it_is() {
    let (dir, file) = version_1(LAST_OF_VERSION_1);
    let opened =
        [Store::open(Some(dir.path()), &apis()).map(drop), Store::open_to_read(Some(dir.path()), &apis()).map(drop)];
    for error in opened.map(Result::unwrap_err) {
        let words = error.to_string();
        assert!(words.contains("is of schema 1") && words.contains("another process has it open"), "{words}");
    }
    assert_eq!(text(&file, "SELECT group_concat(vendor) FROM list"), "wecom", "it goes on with it");
    file.execute_batch("INSERT INTO answer VALUES (7, '2026-11-03', 1, 1, 'ok', 0, 0, 0, 1)").unwrap();
    drop(file);
    assert_eq!(open(Some(dir.path())).answers("wecom_contact", "a", days(1, 3)).await.unwrap().len(), 4);
}

#[test]
fn a_file_of_version_1_that_lacks_a_column_is_damaged() {
    let (dir, file) = version_1(LAST_OF_VERSION_1);
    file.execute_batch("ALTER TABLE answer DROP COLUMN last_at").unwrap();
    drop(file);
    let error = Store::open_as_it_is(Some(dir.path()), &apis()).unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { reason, .. } if reason.contains("no column last_at")), "{error}");
    assert_eq!(text(&raw(dir.path()), "SELECT group_concat(vendor) FROM list"), "wecom", "nothing of it was changed");
}

#[test]
fn a_file_of_version_3_is_refused_as_version_1_refuses_this_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(Some(dir.path())));
    raw(dir.path()).pragma_update(None, "user_version", 3).unwrap();
    let error = Store::open(Some(dir.path()), &apis()).unwrap_err();
    assert!(error.to_string().contains("newer version (schema 3, known is 2); run that version"), "{error}");
}
