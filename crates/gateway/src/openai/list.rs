//! Lists of the OpenAI API, and how they are paged.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct List<T> {
    object: &'static str,
    pub(crate) data: Vec<T>,
    first_id: Option<String>,
    last_id: Option<String>,
    has_more: bool,
}

/// In which order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PageOrder)]
enum Order {
    Asc,
    #[default]
    Desc,
}

/// Which page is wanted.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// The last id of the page before.
    after: Option<String>,
    /// The first id of the page after.
    before: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    #[param(inline)]
    order: Order,
}

impl Page {
    /// The page of `all`, which stand oldest first.
    pub(crate) fn of<T>(&self, mut all: Vec<T>, usual: usize, id: impl Fn(&T) -> &str) -> Result<List<T>, ApiError> {
        let limit = self.limit.unwrap_or(usual);
        if !(1..=10_000).contains(&limit) {
            return Err(ApiError::Invalid {
                message: "`limit`: is 1 to 10000".to_owned(),
                field: Some("limit".to_owned()),
            });
        }
        if self.order == Order::Desc {
            all.reverse();
        }
        let place = |wanted: &Option<String>| {
            let wanted = wanted.as_deref()?;
            all.iter().position(|item| id(item) == wanted)
        };
        let (after, before) = (place(&self.after), place(&self.before));
        if let Some(before) = before {
            all.truncate(before);
        }
        let begin = match (&self.after, after) {
            (Some(_), None) => all.len(),
            (_, after) => after.map_or(0, |place| place + 1).min(all.len()),
        };
        all.drain(..begin);
        let has_more = all.len() > limit;
        if before.is_some() && self.after.is_none() {
            // The page that ends where the other begins.
            all.drain(..all.len().saturating_sub(limit));
        } else {
            all.truncate(limit);
        }
        let named = |item: Option<&T>| item.map(|item| id(item).to_owned());
        Ok(List { object: "list", first_id: named(all.first()), last_id: named(all.last()), data: all, has_more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(page: &Page) -> (Vec<String>, bool) {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let list = page.of(all, 2, |id| id).unwrap();
        (list.data, list.has_more)
    }

    #[test]
    fn the_newest_come_first_and_pages_follow_each_other() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(ids(&Page::default()), (vec!["e".into(), "d".into()], true));
        assert_eq!(ids(&Page { after: text("d"), ..Page::default() }), (vec!["c".into(), "b".into()], true));
        assert_eq!(ids(&Page { after: text("b"), ..Page::default() }), (vec!["a".into()], false));
        assert_eq!(ids(&Page { before: text("c"), ..Page::default() }), (vec!["e".into(), "d".into()], false));
        let oldest = Page { order: Order::Asc, ..Page::default() };
        assert_eq!(ids(&oldest), (vec!["a".into(), "b".into()], true));
        assert_eq!(ids(&Page { after: text("gone"), ..Page::default() }), (vec![], false));
    }

    #[test]
    fn a_page_has_a_bound() {
        for limit in [0, 10_001] {
            assert!(Page { limit: Some(limit), ..Page::default() }.of(vec!["a"], 1, |id| id).is_err());
        }
    }
}
