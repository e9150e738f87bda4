//! The one decoder for all statistics answers, steered by an API's [`super::Shape`].

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::api::Api;
use super::id::{MOST_ID_BYTES, is_id};
use super::malformed::Malformed;
use super::table::{Field, Table};
use super::target::{Subject, Target};
use crate::day::{Day, Days, Zone};
use crate::sample::Row;

/// No answer has more rows: the longest list of agents has a thousand pages of a hundred.
const MOST_ROWS: usize = 100_000;

/// What an answer says of each target that was asked for.
#[derive(Debug, Default)]
pub struct DecodedAnswer {
    /// For each target, in the order asked: its rows, or what is wrong with them.
    pub targets: Vec<Result<Vec<Row>, Malformed>>,
    /// Fields of figures that no gauge maps.
    pub unmapped: BTreeSet<String>,
    /// Names of subjects, by the value of the table's last label.
    pub names: BTreeMap<String, String>,
    /// Whether it lists nothing at all.
    pub is_empty: bool,
    /// Which members are left out of a union, in words.
    pub left_out: Option<String>,
    /// How many rows came again on a later page: so many others may have been skipped.
    pub again: usize,
    /// The figures that are left out, as they can't be right.
    pub invalid: InvalidFigures,
}

/// Figures of an answer that are of the wrong type or out of range, and so left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvalidFigures {
    /// How many there are of the last day that was asked for, by the place of their target in the question.
    pub counts: BTreeMap<usize, usize>,
    /// How many there are of any day.
    pub all: usize,
    /// The first of them, of any day.
    pub first: Option<Malformed>,
}

impl InvalidFigures {
    /// Adds those of another part of the same answer.
    pub fn add(&mut self, more: Self) {
        for (place, count) in more.counts {
            *self.counts.entry(place).or_default() += count;
        }
        self.all += more.all;
        self.first = self.first.take().or(more.first);
    }
}

/// What was asked: the targets, the days, and how rows are dated.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The targets, which are all of one table.
    pub targets: &'a [&'a Target],
    /// The days; rows of answers without days are of the last one.
    pub days: Days,
    /// The zone of the source.
    pub zone: &'a Zone,
}

impl Query<'_> {
    /// How many subjects are asked for by id; `None` where a target takes every subject of the answer.
    #[must_use]
    pub fn named(&self) -> Option<u64> {
        let all_named = self.targets.iter().all(|target| target.subject == Subject::Named);
        all_named.then_some(self.targets.len() as u64)
    }
}

/// Reads the pages of one answer.
///
/// # Errors
/// [`Malformed`] where the answer as a whole can't be used; what concerns one target only is in
/// [`DecodedAnswer::targets`].
pub fn decode(api: &Api, asked: Query<'_>, pages: &[Value]) -> Result<DecodedAnswer, Malformed> {
    let mut decoder = Decoder::new(api, asked);
    for page in pages {
        decoder.page(page)?;
    }
    decoder.finish()
}

/// Reads an answer page by page, of which it keeps the rows only: a page may take 100 MiB in memory.
#[derive(Debug)]
pub struct Decoder<'a> {
    api: &'a Api,
    asked: Query<'a>,
    decoded: DecodedAnswer,
    kept: Vec<Result<Vec<PlacedRow>, Malformed>>,
    pages: usize,
    rows: usize,
    /// How many rows name a subject that was not asked for.
    strangers: usize,
}

impl<'a> Decoder<'a> {
    /// Begins to read an answer of `api`.
    #[must_use]
    pub fn new(api: &'a Api, asked: Query<'a>) -> Self {
        let kept = asked.targets.iter().map(|_| Ok(Vec::new())).collect();
        Self { api, asked, decoded: DecodedAnswer::default(), kept, pages: 0, rows: 0, strangers: 0 }
    }

    /// Reads the next page.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn page(&mut self, page: &Value) -> Result<(), Malformed> {
        let Self { api, asked, decoded, .. } = self;
        let Some(table) = asked.targets.first().map(|target| target.table) else { return Ok(()) };
        let list = api.shape.rows_of(page)?;
        self.pages += 1;
        self.rows += list.len();
        if self.rows > MOST_ROWS {
            return Err(Malformed::new(api.shape.rows, &format!("a list of at most {MOST_ROWS} rows")));
        }
        for (place, row) in list.iter().enumerate() {
            let row = row.as_object().ok_or_else(|| Malformed::new(&path(api, place), "an object"))?;
            let reader = Reader { api, table, place, row };
            let subject = reader.subject()?;
            let Some((index, labels)) = reader.target(asked.targets, subject.as_deref()) else {
                self.strangers += 1;
                continue;
            };
            let read = reader.read(asked, labels, &mut decoded.unmapped);
            if let (Some(field), Ok(_)) = (api.shape.name, &read)
                && let (Some(id), Some(name)) = (&subject, row.get(field).and_then(Value::as_str))
                && !name.trim().is_empty()
                && name.len() <= MOST_ID_BYTES
            {
                // By the spelling that the figures have.
                let asked_for = asked.targets[index].filter.subject().filter(|asked| table.same_subject(asked, id));
                decoded.names.insert(asked_for.unwrap_or(id).to_owned(), name.to_owned());
            }
            match (&mut self.kept[index], read) {
                (Ok(rows), Ok(Some((row, invalid)))) => {
                    let subject = subject.map(|id| table.subject_key(&id).into_owned()).unwrap_or_default();
                    rows.push(PlacedRow { page: self.pages, place, subject, row, invalid: invalid.len() });
                    let first = &mut decoded.invalid.first;
                    *first = first.take().or_else(|| invalid.into_iter().next());
                }
                (Ok(_), Ok(None)) | (Err(_), _) => {}
                (kept, Err(malformed)) => *kept = Err(malformed),
            }
        }
        Ok(())
    }

    /// What all pages said.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn finish(self) -> Result<DecodedAnswer, Malformed> {
        let Self { api, mut decoded, .. } = self;
        let stranger = || {
            Malformed::new(
                api.shape.rows,
                "only about subjects that were asked for (is each id as the platform writes it?)",
            )
        };
        decoded.is_empty = self.rows == 0;
        for (index, rows) in self.kept.into_iter().enumerate() {
            decoded.targets.push(match rows {
                // A row for an unrequested id may be this target's in another spelling: fail instead of reporting no
                // data.
                Ok(rows) if rows.is_empty() && self.strangers > 0 => Err(stranger()),
                Ok(rows) => each_once(api, rows, &mut decoded.again).map(|rows| {
                    decoded.invalid.all += rows.iter().map(|placed| placed.invalid).sum::<usize>();
                    let last = rows.iter().filter(|placed| placed.row.day == self.asked.days.last);
                    let invalid: usize = last.map(|placed| placed.invalid).sum();
                    if invalid > 0 {
                        decoded.invalid.counts.insert(index, invalid);
                    }
                    rows.into_iter().map(|placed| placed.row).collect()
                }),
                Err(malformed) => Err(malformed),
            });
        }
        Ok(decoded)
    }
}

/// The JSON pointer of the row at `place` in its page.
fn path(api: &Api, place: usize) -> String {
    format!("{}/{place}", api.shape.rows)
}

/// A row, its page, its place in that page, its subject, and how many of its figures are left out as invalid.
#[derive(Debug)]
struct PlacedRow {
    page: usize,
    place: usize,
    /// The same for all spellings of an id; empty where rows name none.
    subject: String,
    row: Row,
    invalid: usize,
}

/// The rows, those that are given several times once; two different ones for one subject and day spoil the target.
/// Counts in `again` those that came on another page before.
fn each_once(api: &Api, mut rows: Vec<PlacedRow>, again: &mut usize) -> Result<Vec<PlacedRow>, Malformed> {
    // All are of one target, and so their other labels are the same.
    rows.sort_by(|a, b| a.row.day.cmp(&b.row.day).then_with(|| a.subject.cmp(&b.subject)));
    let same = |pair: &&[PlacedRow]| pair[0].row.day == pair[1].row.day && pair[0].subject == pair[1].subject;
    *again += rows.windows(2).filter(same).filter(|pair| pair[0].page != pair[1].page).count();
    if let Some(pair) = rows.windows(2).filter(same).find(|pair| pair[0].row.values != pair[1].row.values) {
        return Err(Malformed::new(
            &path(api, pair[1].place),
            "the same as an earlier row for the same subject and day",
        ));
    }
    rows.dedup_by(|later, earlier| later.row.day == earlier.row.day && later.subject == earlier.subject);
    Ok(rows)
}

/// Reads one row.
struct Reader<'a> {
    api: &'a Api,
    table: &'static Table,
    place: usize,
    row: &'a Map<String, Value>,
}

impl Reader<'_> {
    /// What should have been in `field` of the row.
    fn malformed(&self, field: &str, expected: &str) -> Malformed {
        Malformed::new(&format!("{}/{field}", path(self.api, self.place)), expected)
    }

    /// The id in the row's subject field, where the shape has one.
    fn subject(&self) -> Result<Option<String>, Malformed> {
        let Some(field) = self.api.shape.subject else { return Ok(None) };
        match self.row.get(field) {
            Some(Value::String(id)) if is_id(id) => Ok(Some(id.clone())),
            Some(Value::Number(id)) => Ok(Some(id.to_string())),
            _ => Err(self.malformed(field, "an id")),
        }
    }

    /// The target that the row about `subject` belongs to, and the row's labels; `None` where no target asked for it.
    fn target(&self, targets: &[&Target], subject: Option<&str>) -> Option<(usize, Vec<String>)> {
        let Some(subject) = subject else {
            return targets.first().map(|target| (0, target.labels.clone()));
        };
        targets.iter().enumerate().find_map(|(index, target)| {
            if target.subject == Subject::Named {
                let is_asked = target.filter.subject().is_some_and(|id| self.table.same_subject(id, subject));
                is_asked.then(|| (index, target.labels.clone()))
            } else {
                Some((index, target.labels_with(subject.to_owned())))
            }
        })
    }

    fn day(&self, asked: &Query<'_>) -> Result<Day, Malformed> {
        let Some(field) = self.api.shape.day else { return Ok(asked.days.last) };
        let seconds = self.row.get(field).and_then(number).filter(|seconds| seconds.abs() < 1e15);
        let seconds = seconds.ok_or_else(|| self.malformed(field, "the seconds of a midnight"))?;
        // A float below 1e15 that has no fraction is an exact i64.
        let day = (seconds.fract() == 0.0).then(|| Day::from_midnight(seconds as i64, asked.zone)).flatten();
        match day.ok_or_else(|| self.malformed(field, "the seconds of a midnight"))? {
            day if asked.days.contains(day) => Ok(day),
            _ => Err(self.malformed(field, &format!("a day of those asked for ({})", asked.days))),
        }
    }

    /// The row and what is wrong with figures that are left out of it; `None` where it says that there are no figures.
    fn read(
        &self,
        asked: &Query<'_>,
        labels: Vec<String>,
        unmapped: &mut BTreeSet<String>,
    ) -> Result<Option<(Row, Vec<Malformed>)>, Malformed> {
        let day = self.day(asked)?;
        let shape = &self.api.shape;
        let figures = if shape.figures.is_empty() {
            self.row
        } else {
            match self.row.get(shape.figures) {
                Some(Value::Object(figures)) => figures,
                None | Some(Value::Null) if shape.figures_optional => return Ok(None),
                _ => return Err(self.malformed(shape.figures, "an object")),
            }
        };
        let mut invalid = Vec::new();
        let value = |field| {
            self.value(figures, field).unwrap_or_else(|malformed| {
                invalid.push(malformed);
                None
            })
        };
        let values = self.table.fields.iter().map(value).collect();
        let known = |name: &str| {
            self.table.fields.iter().any(|field| field.name == name)
                || (shape.figures.is_empty() && [shape.day, shape.subject, shape.name].contains(&Some(name)))
        };
        for name in figures.keys().filter(|name| !known(name)) {
            // Hostile answers must not fill the memory.
            if unmapped.len() < 1000 {
                unmapped.insert(name.chars().take(64).collect());
            }
        }
        let row = Row { day, labels, values };
        // One whose figures are all invalid is there nevertheless: the platform does not say that there are none.
        Ok((row.series() > 0 || !invalid.is_empty()).then_some((row, invalid)))
    }

    /// The field's value in base units; `None` where the platform left it out.
    ///
    /// # Errors
    /// What is wrong with it: that costs this figure and no other.
    fn value(&self, figures: &Map<String, Value>, field: &Field) -> Result<Option<f64>, Malformed> {
        let malformed = |expected: &str| match self.api.shape.figures {
            "" => self.malformed(field.name, expected),
            figures => self.malformed(&format!("{figures}/{}", field.name), expected),
        };
        match figures.get(field.name) {
            None | Some(Value::Null) => Ok(None),
            Some(found) => {
                let number = number(found).ok_or_else(|| malformed("a number"))?;
                field.unit.convert(number).map_err(malformed)
            }
        }
    }
}

/// A number, or one in a string.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
    // Rust's parser also takes `inf` and `nan`.
    .filter(|number: &f64| number.is_finite())
}
