//! Where an API's answers hold their rows, and how they go on.

use serde_json::Value;

use super::malformed::Malformed;

/// Where an answer holds its rows, their days, subjects and figures.
#[derive(Debug)]
pub struct Shape {
    /// The JSON pointer of the list of rows.
    pub rows: &'static str,
    /// What a success without that list, or with `null` in its place, means.
    pub no_rows: NoRows,
    /// The field of a row with its day's midnight in seconds; `None` where all rows are of the day asked for.
    pub day: Option<&'static str>,
    /// The field of a row that says the value of the table's last label.
    pub subject: Option<&'static str>,
    /// The field of a row that holds the figures; empty where the row itself does.
    pub figures: &'static str,
    /// Whether figures that are left out mean that there are none, and not that the answer is broken.
    pub figures_optional: bool,
    /// The field of a row that names its subject for people.
    pub name: Option<&'static str>,
    /// How the answer goes on.
    pub paging: Paging,
}

/// What it means that a success has no list of rows: some platforms leave out or give as `null` what is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRows {
    /// The answer is broken.
    Malformed,
    /// There are none, where what should hold the list is there.
    Empty,
    /// There are none, where the answer says that there are 0 in all.
    EmptyByTotal,
}

/// How a statistics answer goes on after its first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// It has one page.
    Single,
    /// The body's field `offset` says where a page starts; the answer says how many rows there are in all.
    Offset {
        /// The body's field for the offset.
        offset: &'static str,
        /// The JSON pointer of the number of all rows.
        total: &'static str,
        /// The JSON pointer of the next page's offset, where the answer has one.
        next: Option<&'static str>,
    },
}

impl Shape {
    /// The rows of a page.
    ///
    /// # Errors
    /// [`Malformed`] where there is no list, and that does not mean that it is empty.
    pub fn rows_of<'p>(&self, page: &'p Value) -> Result<&'p [Value], Malformed> {
        match page.pointer(self.rows) {
            Some(Value::Array(rows)) => return Ok(rows),
            None | Some(Value::Null) => {}
            Some(_) => return Err(Malformed::new(self.rows, "a list")),
        }
        let holder = self.rows.rsplit_once('/').map_or("", |(holder, _)| holder);
        let is_empty = match self.no_rows {
            NoRows::Malformed => false,
            NoRows::Empty => page.pointer(holder).is_some_and(Value::is_object),
            NoRows::EmptyByTotal => self.total_of(page)? == Some(0),
        };
        if is_empty { Ok(&[]) } else { Err(Malformed::new(self.rows, "a list")) }
    }

    /// How many rows a page says that there are in all; `None` where answers of this shape don't say so.
    ///
    /// # Errors
    /// [`Malformed`] where it should and doesn't.
    pub fn total_of(&self, page: &Value) -> Result<Option<u64>, Malformed> {
        let Paging::Offset { total, .. } = self.paging else { return Ok(None) };
        let number = page.pointer(total).and_then(row_number);
        number.map(Some).ok_or_else(|| Malformed::new(total, "a number of rows"))
    }

    /// Where the page after this one starts, which starts at `offset` and has `count` of `total` rows.
    ///
    /// # Errors
    /// [`Malformed`] where the answer should say so and doesn't; on the last page it may be left out or 0.
    pub fn next_of(&self, page: &Value, offset: u64, count: u64, total: u64) -> Result<u64, Malformed> {
        let reached = offset.saturating_add(count);
        let Paging::Offset { next: Some(next), .. } = self.paging else { return Ok(reached) };
        match page.pointer(next) {
            None | Some(Value::Null) if reached >= total => Ok(reached),
            found => match found.and_then(row_number) {
                Some(0) if reached >= total => Ok(reached),
                Some(number) => Ok(number),
                None => Err(Malformed::new(next, "a number of rows")),
            },
        }
    }
}

/// A number of rows, or one in a string.
fn row_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shape(no_rows: NoRows, next: Option<&'static str>) -> Shape {
        Shape {
            rows: "/data/items",
            no_rows,
            day: None,
            subject: None,
            figures: "",
            figures_optional: false,
            name: None,
            paging: Paging::Offset { offset: "offset", total: "/total", next },
        }
    }

    #[test]
    fn a_list_that_is_left_out_or_null_is_empty_only_where_the_platform_does_so() {
        let read = |no_rows, page: &Value| {
            shape(no_rows, None).rows_of(page).map(<[Value]>::len).map_err(|malformed| malformed.path)
        };
        let wrong = |path: &str| Err(path.to_owned());
        for page in [json!({"data": {"items": null}, "total": "0"}), json!({"data": {}, "total": 0})] {
            assert_eq!(read(NoRows::Malformed, &page), wrong("/data/items"), "{page}");
            assert_eq!(read(NoRows::Empty, &page), Ok(0), "{page}");
            assert_eq!(read(NoRows::EmptyByTotal, &page), Ok(0), "{page}");
        }
        for page in [json!({}), json!({"data": null}), json!({"data": []})] {
            assert_eq!(read(NoRows::Empty, &page), wrong("/data/items"), "{page}");
            assert_eq!(read(NoRows::EmptyByTotal, &page), wrong("/total"), "{page}");
        }
        assert_eq!(read(NoRows::EmptyByTotal, &json!({"data": {}, "total": 2})), wrong("/data/items"));
        for no_rows in [NoRows::Malformed, NoRows::Empty, NoRows::EmptyByTotal] {
            assert_eq!(read(no_rows, &json!({"data": {"items": {}}, "total": 0})), wrong("/data/items"));
            assert_eq!(read(no_rows, &json!({"data": {"items": [1, 2]}})), Ok(2));
        }
    }

    #[test]
    fn the_next_offset_may_be_missing_once_all_rows_are_there() {
        let next = |page: Value, count| {
            let shape = shape(NoRows::Malformed, Some("/next"));
            shape.next_of(&page, 100, count, 150).map_err(|malformed| malformed.path)
        };
        assert_eq!(next(json!({"next": 130}), 30), Ok(130));
        for none in [json!({}), json!({"next": null}), json!({"next": 0})] {
            assert_eq!(next(none, 50), Ok(150));
        }
        assert_eq!(next(json!({}), 49), Err("/next".to_owned()));
        assert_eq!(next(json!({"next": "x"}), 50), Err("/next".to_owned()));
        assert_eq!(next(json!({"next": 0}), 49), Ok(0), "it does not get on, which ends the reading");
    }
}
