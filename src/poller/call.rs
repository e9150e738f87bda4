//! One call to a platform, with those for the further pages of its answer.

use serde_json::{Value, json};

use crate::client::{Client, Failure, Reply};
use crate::config::SourceConfig;
use crate::platform::Call;
use crate::source::{DecodedAnswer, Decoder, Malformed, Paging, Query, Shape};

/// No answer has more pages; one that goes on beyond is broken.
const MOST_PAGES: usize = 1_000;

/// Makes one call, and those for its further pages.
pub(super) async fn ask_call(
    client: &Client,
    config: &SourceConfig,
    call: &Call,
    asked: Query<'_>,
) -> Result<DecodedAnswer, Failure> {
    let answer = match ask_pages(client, config, call, asked, false).await? {
        Some(answer) => Some(answer),
        // The list changed while it was read: once more.
        None => ask_pages(client, config, call, asked, true).await?,
    };
    answer.ok_or_else(changes)
}

/// Why a list that changed twice while it was read can't be used.
fn changes() -> Failure {
    Failure::Malformed("the total or the rows change from page to page".to_owned())
}

/// What all pages of one call's answer say; `None` where its total or its rows changed on the way, unless this is the
/// `last` attempt.
async fn ask_pages(
    client: &Client,
    config: &SourceConfig,
    call: &Call,
    asked: Query<'_>,
    last: bool,
) -> Result<Option<DecodedAnswer>, Failure> {
    let shape = &config.source.api().shape;
    let decoder = Decoder::new(config.source.api(), asked);
    let Paging::Offset { offset: field, next, .. } = shape.paging else {
        let mut page = client.ask(&config.account, call).await?;
        let decoded = page.read(|body| {
            let mut decoder = decoder;
            decoder.page(body)?;
            decoder.finish()
        })?;
        return Ok(Some(blame(page, decoded)));
    };
    let mut pages = Pages { decoder, shape, next, named: asked.named(), offset: 0, rows: 0, first_total: None };
    let mut call = call.clone();
    for _ in 0..MOST_PAGES {
        if let Some(body) = &mut call.body {
            body[field] = json!(pages.offset);
        }
        let mut page = client.ask(&config.account, &call).await?;
        match page.read(|body| pages.take(body))? {
            Turn::Next => {}
            Turn::End { counts_others } => {
                let all = pages.first_total.unwrap_or_default();
                let decoded = page.read(|_| pages.decoder.finish())?;
                if counts_others || pages.rows - decoded.again as u64 >= all {
                    return Ok(Some(blame(page, decoded)));
                }
                return if last { page.read(|_| Err(changes())) } else { Ok(None) };
            }
            Turn::Changed => return if last { page.read(|_| Err(changes())) } else { Ok(None) },
        }
    }
    Err(Failure::Malformed(format!("the answer has more than {MOST_PAGES} pages")))
}

/// Counts the call of `page` as malformed where its answer can't be used for some target.
fn blame(mut page: Reply, decoded: DecodedAnswer) -> DecodedAnswer {
    if decoded.targets.iter().any(Result::is_err) {
        page.mark_malformed();
    }
    decoded
}

/// The pages of one answer that were read, and where the next one begins.
struct Pages<'a> {
    decoder: Decoder<'a>,
    shape: &'static Shape,
    /// Where a page says where the next one begins.
    next: Option<&'static str>,
    /// How many subjects were asked for by name, where all were.
    named: Option<u64>,
    offset: u64,
    rows: u64,
    first_total: Option<u64>,
}

/// What a page says of the next one.
enum Turn {
    Next,
    /// There is none; the total may count others than those asked for.
    End {
        counts_others: bool,
    },
    /// The total is another than before.
    Changed,
}

impl Pages<'_> {
    /// Reads the next page.
    fn take(&mut self, page: &Value) -> Result<Turn, Malformed> {
        let all = self.shape.total_of(page)?.unwrap_or_default();
        if *self.first_total.get_or_insert(all) != all {
            return Ok(Turn::Changed);
        }
        let count = self.shape.rows_of(page)?.len() as u64;
        self.rows += count;
        let reached = self.shape.next_of(page, self.offset, count, all)?;
        self.decoder.page(page)?;
        // A total above the number of those asked for counts others too: then an empty page is the end.
        let counts_others = self.named.is_some_and(|named| all > named) && self.next.is_none();
        if reached >= all || (counts_others && count == 0) {
            return Ok(Turn::End { counts_others });
        }
        if reached <= self.offset || count == 0 {
            return Err(Malformed::new(self.next.unwrap_or(self.shape.rows), "an offset beyond the last page's"));
        }
        self.offset = reached;
        Ok(Turn::Next)
    }
}
