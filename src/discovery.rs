//! Who there is to ask about: lists fetched once per account and day, shared by its sources, and stored.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::client::{Client, Failure};
use crate::config::{Account, SourceConfig};
use crate::day::{Clock, Day};
use crate::source::{Directory, Entry, ListEntry, ListPaging, ListRequest, Malformed, Need, Pseudonyms, person_key};
use crate::store::{Store, StoreError};

/// No company has more of anything; a list that goes on beyond is broken.
const MOST_ENTRIES: usize = 1_000_000;

/// No company has more departments, each of which may be a list of its own.
const MOST_LISTS: usize = 100_000;

/// Why a list can't be had.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The platform did not give it, and none is stored.
    #[error("cannot list {list}: {failure}")]
    Platform {
        /// The list's key.
        list: String,
        /// What happened.
        #[source]
        failure: Failure,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A list, and whether it is today's.
#[derive(Clone, Debug)]
pub struct ResolvedList {
    /// The entries, each once, in the platform's order.
    pub list: Arc<Vec<ListEntry>>,
    /// Why this is not today's list, where it is not.
    pub stale: Option<Failure>,
}

/// How long an empty list is believed: mostly something is yet to be set at the platform.
const EMPTY_AGAIN: SignedDuration = SignedDuration::from_mins(30);

/// A list as it was fetched last.
#[derive(Clone, Debug)]
struct CachedList {
    day: Day,
    list: Arc<Vec<ListEntry>>,
    /// When; `None` of one that another run fetched.
    at: Option<Timestamp>,
}

type Slot = Arc<tokio::sync::Mutex<Option<CachedList>>>;

/// Fetches lists, each at most once per day however many sources want it.
#[derive(Clone, Debug)]
pub struct Discovery {
    client: Client,
    store: Store,
    clock: Clock,
    slots: Arc<Mutex<HashMap<String, Slot>>>,
}

impl Discovery {
    /// Lists by `client`, kept in `store`.
    #[must_use]
    pub fn new(client: Client, store: Store, clock: Clock) -> Self {
        Self { client, store, clock, slots: Arc::default() }
    }

    /// The lists that a source needs as of `day`, why one of them is older, and the lists of names (of people's only
    /// where `names`) that are to be fetched when the figures are there: until then the stored ones serve.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub async fn directory(
        &self,
        config: &SourceConfig,
        names: bool,
        day: Day,
    ) -> Result<(Directory, Option<Failure>, Vec<ListRequest>), DiscoveryError> {
        let mut directory = Directory::new();
        let (mut stale, mut name_lists) = (None, Vec::new());
        loop {
            let listings = config.source.listings(&directory, names);
            if listings.is_empty() {
                return Ok((directory, stale, name_lists));
            }
            for listing in listings {
                let key = listing.key.clone();
                if listing.need == Need::NamesOnly {
                    directory.insert(key, self.stored(&config.account, &listing).await?);
                    name_lists.push(listing);
                } else {
                    let listed = self.list(&config.account, &listing, day).await?;
                    stale = listed.stale.or(stale);
                    directory.insert(key, listed.list);
                }
            }
        }
    }

    /// The list as of `day`; an older one where the platform does not give it now, which is then asked again next time.
    ///
    /// # Errors
    /// [`DiscoveryError`]; never of the platform for a list of names, nor for the refusal of one list of several: these
    /// are empty then.
    pub async fn list(
        &self,
        account: &Account,
        listing: &ListRequest,
        day: Day,
    ) -> Result<ResolvedList, DiscoveryError> {
        let (platform, key) = (account.credential.platform.name(), stored_key(account, &listing.key, listing.people));
        let slot = self.slot(format!("{platform}/{}/{key}", account.name));
        let now = self.clock.now();
        let fetched = |list: &Arc<Vec<ListEntry>>| CachedList { day, list: Arc::clone(list), at: Some(now) };
        let stands = |known: &CachedList| {
            let recent = || known.at.is_some_and(|at| now.duration_since(at).abs() < EMPTY_AGAIN);
            known.day == day && (listing.need != Need::Required || !known.list.is_empty() || recent())
        };
        // Whoever holds it fetches; the others wait and find the list.
        let mut slot = slot.lock().await;
        if let Some(known) = slot.as_ref().filter(|known| stands(known)) {
            return Ok(ResolvedList { list: Arc::clone(&known.list), stale: None });
        }
        let hidden = hidden(account, listing);
        let stored = match hidden {
            None => {
                let stored = self.store.list(platform, &account.name, &key).await?;
                stored.map(|(day, list)| CachedList { day, list: Arc::new(list), at: None })
            }
            // The platform can't be asked about pseudonyms.
            Some(_) => slot.clone(),
        };
        if let Some(known) = stored.as_ref().filter(|known| stands(known)) {
            let list = Arc::clone(&known.list);
            *slot = Some(fetched(&list));
            return Ok(ResolvedList { list, stale: None });
        }
        match self.fetch(account, listing, day).await {
            Ok(list)
                if list.is_empty()
                    && listing.need != Need::NamesOnly
                    && let Some(before) = recent(stored.as_ref(), day) =>
            {
                let text =
                    format!("{} came empty, after {} entries; it is believed tomorrow", listing.key, before.len());
                Ok(ResolvedList { list: before, stale: Some(Failure::Malformed(text)) })
            }
            Ok(list) => {
                let pseudonyms = hidden.map(|pseudonyms| list.iter().map(|found| pseudonyms.found(found)).collect());
                let kept: &Vec<ListEntry> = pseudonyms.as_ref().unwrap_or(&list);
                self.store.put_list(platform, &account.name, &key, day, kept).await?;
                let list = Arc::new(list);
                *slot = Some(fetched(&list));
                Ok(ResolvedList { list, stale: None })
            }
            Err(DiscoveryError::Platform { list: name, failure }) => match stored {
                _ if listing.need == Need::Optional && matches!(failure, Failure::Refused(_)) => {
                    tracing::warn!(account = account.name, list = listing.key, "left out: {failure}");
                    let list = Arc::default();
                    *slot = Some(fetched(&list));
                    Ok(ResolvedList { list, stale: None })
                }
                // An empty one of today, which was asked for once more.
                Some(known) if known.day == day => {
                    *slot = Some(fetched(&known.list));
                    Ok(ResolvedList { list: known.list, stale: None })
                }
                Some(known) => Ok(ResolvedList { list: known.list, stale: Some(failure) }),
                None if listing.need == Need::NamesOnly => {
                    Ok(ResolvedList { list: Arc::default(), stale: Some(failure) })
                }
                None => Err(DiscoveryError::Platform { list: name, failure }),
            },
            Err(error) => Err(error),
        }
    }

    /// The newest list in the store, whatever its day; empty where there is none.
    ///
    /// Where people have pseudonyms, these are what the store has: good for what is shown, and not for asking.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn stored(&self, account: &Account, listing: &ListRequest) -> Result<Arc<Vec<ListEntry>>, StoreError> {
        let (platform, key) = (account.credential.platform.name(), stored_key(account, &listing.key, listing.people));
        let stored = self.store.list(platform, &account.name, &key).await?;
        Ok(stored.map_or_else(Arc::default, |(_, list)| Arc::new(list)))
    }

    /// Takes up a changed configuration, or a change at the platform: lists that came empty are asked for anew.
    pub fn reload(&self) {
        let has_entries = |slot: &Slot| {
            // Who holds it is fetching.
            slot.try_lock().is_ok_and(|slot| slot.as_ref().is_some_and(|known| !known.list.is_empty()))
        };
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slot| has_entries(slot));
    }

    fn slot(&self, key: String) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// Reads all pages of the list, and the lists that its entries stand for.
    async fn fetch(
        &self,
        account: &Account,
        listing: &ListRequest,
        day: Day,
    ) -> Result<Vec<ListEntry>, DiscoveryError> {
        let failed = |failure| DiscoveryError::Platform { list: listing.key.clone(), failure };
        let malformed = |malformed: Malformed| failed(malformed.into());
        let (mut found, mut seen, mut read, mut lists) = (Vec::new(), HashSet::new(), 0, 0);
        let mut call = listing.call.clone();
        loop {
            let mut page = self.client.ask(account, &call).await.map_err(failed)?;
            let entries = page.read(|body| (listing.read)(body, listing)).map_err(malformed)?;
            let (count, before) = (entries.len(), seen.len());
            for entry in entries {
                let more = match entry {
                    Entry::Subject(subject) => Arc::new(vec![subject]),
                    Entry::Sublist(listing) => {
                        lists += 1;
                        Box::pin(self.list(account, &listing, day)).await?.list
                    }
                };
                read += more.len();
                if lists > MOST_LISTS || read > 2 * MOST_ENTRIES {
                    return Err(malformed(Malformed::new("/", "a list of so few lists and entries")));
                }
                // The first spelling of a person's id is the one of the labels.
                let identity = |id| if listing.people { person_key(id) } else { Cow::Borrowed(id) };
                found.extend(more.iter().filter(|subject| seen.insert(identity(&subject.id).into_owned())).cloned());
            }
            if seen.len() > MOST_ENTRIES {
                return Err(malformed(Malformed::new("/", "a list that ends")));
            }
            let goes_on = page.read(|body| match next_page(listing, body, count)? {
                true if seen.len() == before => Err(Malformed::new("/", "a list that gets on")),
                true => {
                    turn_page(&mut call, listing.paging, body);
                    Ok(true)
                }
                false => Ok(false),
            });
            if !goes_on.map_err(malformed)? {
                return Ok(found);
            }
        }
    }
}

/// A list that had entries the day before `day`: an empty one is then not taken for the end of all of them.
fn recent(stored: Option<&CachedList>, day: Day) -> Option<Arc<Vec<ListEntry>>> {
    stored.filter(|known| !known.list.is_empty() && known.day >= day.plus(-1)).map(|known| Arc::clone(&known.list))
}

/// What the list is stored under: one secret may see more than another, and pseudonyms are not ids.
pub(crate) fn stored_key(account: &Account, key: &str, people: bool) -> String {
    let pseudonyms = if people && account.pseudonyms.is_some() { "pseudonyms of " } else { "" };
    let block = if account.block.is_empty() { String::new() } else { format!("@{}", account.block) };
    format!("{pseudonyms}{key}{block}")
}

/// The pseudonyms of those whom the list names, where they have any.
fn hidden<'a>(account: &'a Account, listing: &ListRequest) -> Option<&'a Pseudonyms> {
    account.pseudonyms.as_deref().filter(|_| listing.people)
}

/// Tells whether another page follows one with `count` entries.
fn next_page(listing: &ListRequest, page: &Value, count: usize) -> Result<bool, Malformed> {
    match listing.paging {
        ListPaging::Single => Ok(false),
        ListPaging::Offset(limit) => Ok(count >= limit),
        ListPaging::PageToken => match page.pointer("/data/has_more") {
            None | Some(Value::Null | Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) if page.pointer("/data/page_token").is_some_and(Value::is_string) => Ok(true),
            _ => Err(Malformed::new("/data/page_token", "a text, though there is more")),
        },
    }
}

/// Makes `call` ask for the page after `page`.
fn turn_page(call: &mut crate::platform::Call, paging: ListPaging, page: &Value) {
    match paging {
        ListPaging::Single => {}
        ListPaging::Offset(limit) => {
            if let Some(body) = &mut call.body {
                let offset = body["offset"].as_u64().unwrap_or(0);
                body["offset"] = json!(offset + limit as u64);
            }
        }
        ListPaging::PageToken => {
            let token = page.pointer("/data/page_token").and_then(Value::as_str).unwrap_or_default().to_owned();
            call.query.retain(|(key, _)| *key != "page_token");
            call.query.push(("page_token", token));
        }
    }
}
