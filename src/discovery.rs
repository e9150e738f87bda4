//! The lists behind `all`: fetched once per account and day, shared by the account's sources, and stored.

mod list;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::client::{Client, Failure};
use crate::config::{Account, SourceConfig};
use crate::day::{Clock, Day};
use crate::source::{Entry, ListEntry, ListRequest, Malformed, Need, Pseudonyms, person_key};
use crate::store::{Store, StoreError};

pub(crate) use self::list::EMPTY_AGAIN;
use self::list::{CachedList, FetchedList, Resolution};
pub use self::list::{DiscoveryError, Lists, ResolvedList};

/// No company has more of anything; a list that goes on beyond is broken.
const MOST_ENTRIES: usize = 1_000_000;

/// No company has more departments, each of which may be a list of its own.
const MOST_LISTS: usize = 100_000;

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

    /// The lists that a source needs as of `day`, those of people's names only where `names`.
    ///
    /// # Errors
    /// [`DiscoveryError`].
    pub async fn directory(&self, config: &SourceConfig, names: bool, day: Day) -> Result<Lists, DiscoveryError> {
        let mut lists = Lists::default();
        // Where the platform does not answer, lists that only add detail are not asked for one after the other.
        let mut silent = None;
        loop {
            let listings = config.source.listings(&lists.directory, names);
            if listings.is_empty() {
                return Ok(lists);
            }
            for listing in listings {
                let key = listing.key.clone();
                if listing.need == Need::NamesOnly {
                    lists.directory.insert(key, self.stored(&config.account, &listing).await?);
                    lists.names.push(listing);
                    continue;
                }
                let silence = silent.as_ref().filter(|_| listing.need == Need::Optional);
                let listed = self.resolve(&config.account, &listing, day, silence).await?;
                silent = silent.or(listed.silent);
                let ResolvedList { list, stale, lacks, odd } = listed.list;
                lists.stale = stale.or(lists.stale);
                lists.notes.extend(lacks.into_iter().chain(odd));
                lists.directory.insert(key, list);
            }
        }
    }

    /// The list as of `day`; an older one where the platform does not give it now, which is then asked again next time.
    ///
    /// # Errors
    /// [`DiscoveryError`]; never of the platform for a list of names, nor for one that only adds detail: these are
    /// empty then.
    pub async fn list(
        &self,
        account: &Account,
        listing: &ListRequest,
        day: Day,
    ) -> Result<ResolvedList, DiscoveryError> {
        Ok(self.resolve(account, listing, day, None).await?.list)
    }

    /// The same; it is not asked for where the platform is `silent`.
    async fn resolve(
        &self,
        account: &Account,
        listing: &ListRequest,
        day: Day,
        silent: Option<&Failure>,
    ) -> Result<Resolution, DiscoveryError> {
        let (platform, key) = (account.credential.platform.name(), stored_key(account, &listing.key, listing.people));
        let slot = self.slot(format!("{platform}/{}/{key}", account.name));
        let now = self.clock.now();
        let stands = |known: &CachedList| {
            let recent = || known.at.is_some_and(|at| now.duration_since(at).abs() < EMPTY_AGAIN);
            let is_whole = known.lacks.is_none() && (listing.need != Need::Required || !known.list.is_empty());
            known.day == day && (is_whole || recent())
        };
        // The task that holds the slot fetches; the others wait and find the list.
        let mut slot = slot.lock().await;
        if let Some(known) = slot.as_ref().filter(|known| stands(known)) {
            return Ok(known.resolved(listing).into());
        }
        let hidden = hidden(account, listing);
        let stored = match hidden {
            None => {
                let stored = self.store.list(platform, &account.name, &key).await?;
                stored.map(|(day, list)| CachedList::whole(day, list, None))
            }
            // The platform can't be asked about pseudonyms.
            Some(_) => slot.clone().filter(|known| known.lacks.is_none()),
        };
        if let Some(known) = stored.as_ref().filter(|known| stands(known)) {
            let known = slot.insert(CachedList { at: Some(now), ..known.clone() });
            return Ok(known.resolved(listing).into());
        }
        let fetched = match silent {
            None => self.fetch(account, listing, day).await,
            Some(failure) => Err(DiscoveryError::Platform { list: listing.key.clone(), failure: failure.clone() }),
        };
        match fetched {
            Ok(fetched)
                if fetched.list.is_empty()
                    && fetched.lacks.is_none()
                    && listing.need != Need::NamesOnly
                    && let Some(before) = recent(stored.as_ref(), day) =>
            {
                let text = format!(
                    "{} came empty, though it had {} entries before: these serve until tomorrow, and then the empty list does \
                     if it is still empty",
                    listing.key,
                    before.len()
                );
                let known = CachedList::whole(day, before, None);
                Ok(ResolvedList { stale: Some(Failure::Malformed(text)), ..known.resolved(listing) }.into())
            }
            Ok(fetched) => {
                let FetchedList { list, lacks, passes, odd, first_odd } = fetched;
                let words = |first| {
                    format!("{odd} entries of {} can't be read and are left out, the first: {first}", listing.key)
                };
                let odd = first_odd.map(words);
                let (whole, list) = (lacks.is_none(), Arc::new(list));
                if whole {
                    let kept = match hidden {
                        Some(hidden) => Arc::new(list.iter().map(|found| hidden.found(found)).collect()),
                        None => Arc::clone(&list),
                    };
                    self.store.put_list(platform, &account.name, &key, day, kept).await?;
                }
                let known = CachedList { day, list, at: Some(now), lacks, odd };
                let resolved = known.resolved(listing);
                // What is not whole is asked for again after a restart, and when `EMPTY_AGAIN` has passed.
                if whole || !passes {
                    *slot = Some(known);
                }
                Ok(resolved.into())
            }
            Err(DiscoveryError::Platform { list: name, failure }) => {
                let silence = is_silence(&failure).then(|| failure.clone());
                let list = match stored {
                    _ if listing.need == Need::Optional && matches!(failure, Failure::Refused(_)) => {
                        let lacks = Some(left_out(listing, &failure));
                        let list = CachedList { lacks, ..CachedList::whole(day, Arc::default(), Some(now)) };
                        slot.insert(list).resolved(listing)
                    }
                    // An empty one of today, which was asked for once more.
                    Some(known) if known.day == day => {
                        slot.insert(CachedList { at: Some(now), ..known }).resolved(listing)
                    }
                    Some(known) => ResolvedList { stale: Some(failure), ..known.resolved(listing) },
                    None if listing.need == Need::NamesOnly => {
                        ResolvedList { list: Arc::default(), stale: Some(failure), lacks: None, odd: None }
                    }
                    None if listing.need == Need::Optional => {
                        let lacks = Some(left_out(listing, &failure));
                        let list = CachedList { lacks, ..CachedList::whole(day, Arc::default(), Some(now)) };
                        let resolved = list.resolved(listing);
                        if silence.is_none() {
                            *slot = Some(list);
                        }
                        resolved
                    }
                    None => return Err(DiscoveryError::Platform { list: name, failure }),
                };
                Ok(Resolution { list, silent: silence })
            }
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
        Ok(stored.map(|(_, list)| list).unwrap_or_default())
    }

    /// Takes up a changed configuration, or a change at the platform: lists that came empty are asked for anew.
    pub fn reload(&self) {
        let has_entries = |slot: &Slot| {
            // A slot that is locked is being fetched.
            slot.try_lock().is_ok_and(|slot| slot.as_ref().is_some_and(|known| !known.list.is_empty()))
        };
        self.slots.lock().retain(|_, slot| has_entries(slot));
    }

    fn slot(&self, key: String) -> Slot {
        let mut slots = self.slots.lock();
        Arc::clone(slots.entry(key).or_default())
    }

    /// Reads all pages of the list, and its sublists.
    async fn fetch(&self, account: &Account, listing: &ListRequest, day: Day) -> Result<FetchedList, DiscoveryError> {
        let failed = |failure| DiscoveryError::Platform { list: listing.key.clone(), failure };
        let malformed = |malformed: Malformed| failed(malformed.into());
        let (mut fetched, mut seen, mut read, mut lists) = (FetchedList::default(), HashSet::new(), 0, 0);
        let mut silent = None;
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
                        let sublist = Box::pin(self.resolve(account, &listing, day, silent.as_ref())).await?;
                        silent = silent.or(sublist.silent);
                        let ResolvedList { list, stale, lacks, .. } = sublist.list;
                        // Members of an earlier day serve for today.
                        fetched.passes |= silent.is_some() || stale.is_some();
                        let old = |failure| format!("{} is of an earlier day: {failure}", listing.key);
                        let lacks = lacks.or_else(|| stale.map(old));
                        fetched.lacks = fetched.lacks.take().or(lacks);
                        list
                    }
                    Entry::Odd(malformed) => {
                        page.mark_malformed();
                        fetched.odd += 1;
                        fetched.first_odd.get_or_insert(malformed);
                        continue;
                    }
                };
                read += more.len();
                if lists > MOST_LISTS || read > 2 * MOST_ENTRIES {
                    return Err(malformed(Malformed::new("/", "a list of at most 100000 lists and 1000000 entries")));
                }
                // The first spelling of a person's id is the one of the labels.
                let identity = |id| if listing.people { person_key(id) } else { Cow::Borrowed(id) };
                fetched
                    .list
                    .extend(more.iter().filter(|subject| seen.insert(identity(&subject.id).into_owned())).cloned());
            }
            if seen.len() > MOST_ENTRIES {
                return Err(malformed(Malformed::new("/", "a list of at most 1000000 entries")));
            }
            let goes_on = page.read(|body| match listing.paging.turn(&mut call, body, count)? {
                true if seen.len() == before => Err(Malformed::new("/", "a page with new entries")),
                goes_on => Ok(goes_on),
            });
            if !goes_on.map_err(malformed)? {
                // A list of which nothing can be read is no list.
                return match fetched.first_odd {
                    Some(first) if fetched.list.is_empty() && lists == 0 => Err(malformed(first)),
                    _ => Ok(fetched),
                };
            }
        }
    }
}

/// Whether other lists would not be had now either.
fn is_silence(failure: &Failure) -> bool {
    matches!(failure, Failure::Unavailable(_) | Failure::Throttled(_))
}

/// What is said of a list that can't be had, without which the others stand.
fn left_out(listing: &ListRequest, failure: &Failure) -> String {
    format!("the list {} is left out: {failure}", listing.key)
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

/// The pseudonyms of the people on the list, where they have any.
fn hidden<'a>(account: &'a Account, listing: &ListRequest) -> Option<&'a Pseudonyms> {
    account.pseudonyms.as_deref().filter(|_| listing.people)
}
