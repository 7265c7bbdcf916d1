//! Lists and what is asked of them: all have one shape, and no page is without a bound.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

const LIMIT_USUAL: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    /// What is on this page.
    pub(crate) data: Vec<T>,
    /// What to ask `after` for the next page; null on the last one.
    pub(crate) next: Option<String>,
}

/// What is gone.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Removed {
    /// Its name.
    pub(crate) removed: String,
}

/// Which page of a list is wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// `next` of the page before.
    pub(crate) after: Option<String>,
    /// How many, 1 to 1,000; 100 where nothing is said.
    limit: Option<usize>,
    /// Only those that have this in their name, whatever the case of its letters.
    q: Option<String>,
}

impl Page {
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        match self.limit.unwrap_or(LIMIT_USUAL) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            _ => Err(ApiError::Invalid {
                message: format!("`limit`: is 1 to {LIMIT_MAX}"),
                field: Some("limit".to_owned()),
            }),
        }
    }

    /// The page of `all`, in the order of names, which are unique.
    pub(crate) fn of<T>(&self, mut all: Vec<T>, name: impl Fn(&T) -> &str) -> Result<List<T>, ApiError> {
        let limit = self.limit()?;
        let wanted = self.q.as_deref().map(str::to_lowercase);
        all.retain(|item| {
            self.after.as_deref().is_none_or(|after| name(item) > after)
                && wanted.as_deref().is_none_or(|wanted| name(item).to_lowercase().contains(wanted))
        });
        all.sort_by(|one, other| name(one).cmp(name(other)));
        let more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| more).map(|last| name(last).to_owned());
        Ok(List { data: all, next })
    }

    /// The page of `all`, which stand newest first; `id` names each.
    pub(crate) fn newest<T>(&self, all: Vec<T>, id: impl Fn(&T) -> String) -> Result<List<T>, ApiError> {
        let limit = self.limit()?;
        let skipped = match &self.after {
            Some(after) => all.iter().position(|item| id(item) == *after).map_or(all.len(), |place| place + 1),
            None => 0,
        };
        let mut data: Vec<T> = all.into_iter().skip(skipped).take(limit + 1).collect();
        let more = data.len() > limit;
        data.truncate(limit);
        let next = data.last().filter(|_| more).map(id);
        Ok(List { data, next })
    }
}

impl<T> List<T> {
    /// The same page of something else.
    pub(crate) fn map<U>(self, change: impl FnMut(T) -> U) -> List<U> {
        List { data: self.data.into_iter().map(change).collect(), next: self.next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, limit: usize, q: Option<&str>) -> Page {
        Page { after: after.map(str::to_owned), limit: Some(limit), q: q.map(str::to_owned) }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let all = || ["다", "a", "c", "b", "가"].map(str::to_owned).to_vec();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let list = page(after.as_deref(), 2, None).of(all(), |name| name).unwrap();
            seen.extend(list.data);
            after = list.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "가", "다"]);
        let found = page(None, 10, Some("B")).of(all(), |name| name).unwrap();
        assert_eq!((found.data, found.next), (vec!["b".to_owned()], None));
    }

    #[test]
    fn a_page_has_a_bound() {
        for limit in [0, 1_001, usize::MAX] {
            assert!(page(None, limit, None).of(Vec::<String>::new(), |name| name).is_err(), "{limit}");
        }
    }
}
