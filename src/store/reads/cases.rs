//! Lists and searches of cases. A list walks the narrowest listing that its filter allows, newest first; the other
//! conditions are checked on each case.

use super::super::handle::Store;
use super::super::keys::{self, Key, Kind};
use super::super::{Error, index};
use crate::case::Case;
use crate::model::{CaseId, CaseState, SubjectRef, search};

/// Maximum of cases that are read in vain for one page: a rare match must not hold a request. The page is then shorter,
/// and its cursor continues.
const READ_IN_VAIN: usize = 1_000;

/// Filter for a list of cases. Conditions narrow each other.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    pub policy: Option<String>,
    /// A subject's id, or its reference such as `registration/17`.
    pub subject: Option<String>,
    pub open: Option<bool>,
    pub state: Option<CaseState>,
    /// Vendor execution or account id.
    pub vendor: Option<String>,
    /// Beginning of a word of the name, of the mail address, the user name, or of an id: the subject's, the case's, or a
    /// vendor execution or account id.
    pub text: Option<String>,
}

/// A listing of the state.
enum Listing {
    /// Prefixes whose keys go on with time and case; merged, newest first.
    Newest(Vec<Vec<u8>>),
    /// A beginning of search terms: by term, then newest first.
    Terms(Vec<u8>),
}

/// A position in a listing, and the case there.
type Place = (Vec<u8>, CaseId);

impl Listing {
    fn of(filter: &CaseFilter) -> Self {
        if let Some(vendor) = &filter.vendor {
            return Self::Newest(vec![keys::term(&search::folded(vendor)).end()]);
        }
        if let Some(subject) = &filter.subject {
            // The id of a reference is its last part; an id may contain slashes itself.
            let ids = [Some(subject.as_str()), subject.rsplit('/').next()];
            let mut prefixes: Vec<_> =
                ids.into_iter().flatten().map(|id| keys::term(&search::folded(id)).end()).collect();
            prefixes.dedup();
            return Self::Newest(prefixes);
        }
        if let Some(text) = filter.text.as_deref().map(search::folded).filter(|text| !text.is_empty()) {
            return Self::Terms(Key::new(Kind::Term).begin(&text).end());
        }
        if let Some(listing) = filter.state.and_then(keys::listing_of_state) {
            return Self::Newest(vec![listing.end()]);
        }
        let open = filter.open.or_else(|| filter.state.map(|state| state != CaseState::Closed));
        let listings = [true, false].into_iter().filter(|one| open.is_none_or(|open| open == *one));
        Self::Newest(
            listings
                .map(|open| match &filter.policy {
                    Some(policy) => keys::listing_of_policy(policy, open).end(),
                    None => keys::listing(open).end(),
                })
                .collect(),
        )
    }

    /// Returns whether a search lists a case at this place: at the first of its terms that begins with the text.
    fn is_first_place(&self, filter: &CaseFilter, case: &Case, place: &[u8]) -> bool {
        let (Self::Terms(_), Some(text)) = (self, &filter.text) else { return true };
        let text = search::folded(text);
        let first = index::all_terms(case).into_iter().find(|term| term.starts_with(&text));
        first.is_some_and(|term| index::term_key(case, &term).get(1..) == Some(place))
    }
}

impl Store {
    /// Returns cases, newest first, and for a text by what it found. `cursor` is the value that the previous page
    /// returned. A page may be shorter than its limit although more follow.
    pub fn cases(
        &self,
        filter: &CaseFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Case>, Option<String>), Error> {
        let listing = Listing::of(filter);
        let mut from = cursor.and_then(|cursor| from_cursor(cursor, &listing));
        let (mut found, mut in_vain) = (Vec::new(), 0);
        loop {
            let wanted = limit.saturating_sub(found.len()).max(16) + 1;
            let places = self.places(&listing, from.as_deref().unwrap_or_default(), wanted)?;
            let more = places.len() == wanted;
            for (place, id) in places {
                if found.len() >= limit || in_vain >= READ_IN_VAIN {
                    return Ok((found, Some(to_cursor(&place, &listing))));
                }
                let case = self
                    .listed(&id)?
                    .filter(|case| matches(filter, case) && listing.is_first_place(filter, case, &place));
                in_vain += usize::from(case.is_none());
                found.extend(case);
                from = Some([place.as_slice(), &[0]].concat());
            }
            if !more {
                return Ok((found, None));
            }
        }
    }

    /// Returns the people of cases with this mail address, each once, over all identity providers.
    pub fn people_of_mailbox(&self, mailbox: &str) -> Result<Vec<SubjectRef>, Error> {
        /// More share an address only by mistake.
        const MOST: usize = 200;
        let prefix = keys::term(mailbox).end();
        let ids: Vec<CaseId> = self.some(&prefix, &prefix, MOST)?;
        let mut people = Vec::new();
        for id in ids {
            let Some(case) = self.listed(&id)? else { continue };
            let subject = case.subject.reference();
            if search::mailbox(&case.subject).as_deref() == Some(mailbox) && !people.contains(&subject) {
                people.push(subject);
            }
        }
        Ok(people)
    }

    /// Returns a case for a list. Damage was logged and counted; the remaining cases are still listed.
    fn listed(&self, id: &CaseId) -> Result<Option<Case>, Error> {
        match self.case(id) {
            Err(Error::Damaged(_)) => Ok(None),
            read => read,
        }
    }

    /// Returns up to `limit` places of a listing, from one on.
    fn places(&self, listing: &Listing, from: &[u8], limit: usize) -> Result<Vec<Place>, Error> {
        let walk = |prefix: &[u8], before: usize, start: &[u8], places: &mut Vec<Place>| {
            let enough = places.len() + limit;
            self.state().walk(prefix, start, &mut |key, id: CaseId| {
                places.push((key.get(before..).unwrap_or_default().to_vec(), id));
                places.len() < enough
            })
        };
        let mut places = Vec::new();
        match listing {
            Listing::Newest(prefixes) => {
                for prefix in prefixes {
                    walk(prefix, prefix.len(), &[prefix, from].concat(), &mut places)?;
                }
                places.sort_unstable();
                places.dedup();
                places.truncate(limit);
            }
            Listing::Terms(prefix) => {
                let start = if from.is_empty() { prefix.clone() } else { [&prefix[..1], from].concat() };
                walk(prefix, 1, &start, &mut places)?;
            }
        }
        Ok(places)
    }
}

fn matches(filter: &CaseFilter, case: &Case) -> bool {
    let subject = |wanted: &String| {
        let subject = case.subject.reference();
        let without = SubjectRef { source: String::new(), ..subject.clone() };
        [subject.id.clone(), subject.person(), subject.to_string(), without.to_string()].contains(wanted)
    };
    let text = |wanted: &String| {
        let wanted = search::folded(wanted);
        index::all_terms(case).iter().any(|term| term.starts_with(&wanted))
    };
    let vendor = |wanted: &String| {
        case.sessions.iter().any(|(execution, account)| [execution, account].contains(&wanted))
    };
    filter.policy.as_ref().is_none_or(|policy| case.policy == *policy)
        && filter.subject.as_ref().is_none_or(subject)
        && filter.open.is_none_or(|open| case.is_closed() != open)
        && filter.state.is_none_or(|state| case.standing() == state)
        && filter.vendor.as_ref().is_none_or(vendor)
        && filter.text.as_ref().is_none_or(text)
}

/// The first byte of a cursor, before a position in a listing or among search terms.
const NEWEST: u8 = b'l';
const TERMS: u8 = b'm';

fn kind_of(listing: &Listing) -> u8 {
    match listing {
        Listing::Newest(_) => NEWEST,
        Listing::Terms(_) => TERMS,
    }
}

fn to_cursor(place: &[u8], listing: &Listing) -> String {
    keys::hex(&[&[kind_of(listing)], place].concat())
}

/// Returns the position of a cursor. A cursor of another listing starts at the beginning.
fn from_cursor(cursor: &str, listing: &Listing) -> Option<Vec<u8>> {
    let bytes = keys::from_hex(cursor)?;
    bytes.strip_prefix(&[kind_of(listing)]).map(<[u8]>::to_vec)
}

/// Returns whether a text is a valid cursor of `Store::cases`.
pub fn is_cursor(text: &str) -> bool {
    keys::from_hex(text).is_some_and(|bytes| matches!(bytes.first(), Some(&(NEWEST | TERMS))))
}
