//! The statistics APIs: their targets, their calls, and what their fields mean.
//!
//! A source is one API of one account. Each API is one file below this one; it holds the typed parameters of its
//! block of the configuration, its targets and requests, and one declarative field table. Adding an API is such a
//! file, its `mod` line and its line in [`BLOCKS`].

mod api;
mod decode;
mod feishu_message_push;
mod filter;
mod id;
mod listing;
mod malformed;
mod pseudonymized;
mod pseudonyms;
mod selection;
mod shape;
mod table;
mod target;
mod tencent_desk_agent;
mod wecom_contact;
mod wecom_directory;
mod wecom_groupchat;
mod wecom_kf;

pub use api::{Api, Block, Info, Params, Source};
pub use decode::{DecodedAnswer, Decoder, InvalidFigures, Query, decode};
pub use filter::Filter;
pub use id::person_key;
pub use listing::{Carrier, Directory, Entry, ListEntry, ListPaging, ListRequest, Need, lists_people};
pub use malformed::Malformed;
pub use pseudonymized::PseudonymizedSource;
pub use pseudonyms::Pseudonyms;
pub use selection::Selection;
pub use shape::{NoRows, Paging, Shape};
pub use table::{Combine, Field, Span, Table, Unit};
pub use target::{Subject, Target};

/// Every block that an account of the configuration may have: a new API is a line here.
pub const BLOCKS: &[&Block] = &[
    &wecom_contact::BLOCK,
    &wecom_groupchat::BLOCK,
    &wecom_kf::BLOCK,
    &tencent_desk_agent::BLOCK,
    &feishu_message_push::BLOCK,
];

/// Every API, in the order in which they are shown.
#[must_use]
pub fn apis() -> Vec<&'static Api> {
    BLOCKS.iter().flat_map(|block| block.apis).copied().collect()
}

/// The names of all labels that series may have, of whatever table or info metric; some come more than once.
pub fn labels() -> impl Iterator<Item = &'static str> {
    let of_api = |api: &'static Api| {
        let infos = api.infos.iter().flat_map(|info| [Some(info.id), info.parent, Some("name")].into_iter().flatten());
        api.tables.iter().flat_map(|table| table.labels).copied().chain(infos)
    };
    ["account", "source", "api", "state", "outcome"].into_iter().chain(apis().into_iter().flat_map(of_api))
}

#[cfg(test)]
mod tests;
