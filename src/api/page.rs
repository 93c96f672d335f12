//! Lists by the page. Programs go on to the next page while `offset` and the items they got are less than `total_count`, so all
//! five fields are always there.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::error::ApiError;

/// How many items are on a page if nobody says how many.
const USUAL: u64 = 25;
const MOST: u64 = 100;

/// Which page is asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// How many items at most; more than 100 are 100.
    #[param(minimum = 1, default = 25)]
    limit: Option<u64>,
    /// How many items to leave out at the beginning.
    #[param(minimum = 0, default = 0)]
    offset: Option<u64>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// What is on it.
    items: Vec<T>,
    /// How many items could be on it.
    limit: u64,
    /// How many items come before it.
    offset: u64,
    /// How many items are on it.
    page_count: u64,
    /// How many items there are on all pages.
    total_count: u64,
}

impl Paging {
    /// The page of `all` that is asked for, each item as `shown`.
    ///
    /// # Errors
    /// 400 for pages of nothing.
    pub fn of<I, T>(
        self,
        all: impl IntoIterator<Item = I>,
        shown: impl FnMut(I) -> T,
    ) -> Result<Page<T>, ApiError> {
        let limit = self.limit.unwrap_or(USUAL).min(MOST);
        let offset = self.offset.unwrap_or_default();
        if limit == 0 {
            let message = "`limit` must be a number from 1 to 100";
            return Err(ApiError::bad("invalid_request", message));
        }
        if i64::try_from(offset).is_err() {
            let message = "`offset` is past the end of any list";
            return Err(ApiError::bad("invalid_request", message));
        }
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let all: Vec<I> = all.into_iter().collect();
        let total_count = count(all.len());
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = usize::try_from(limit).unwrap_or(usize::MAX);
        let items: Vec<T> = all.into_iter().skip(skip).take(take).map(shown).collect();
        Ok(Page {
            limit,
            offset,
            page_count: count(items.len()),
            total_count,
            items,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_add_up_to_the_list() {
        let mut paging = Paging::default();
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = paging.of(0..60, |item| item).unwrap();
            assert_eq!((page.total_count, page.limit), (60, 25));
            assert_eq!(page.page_count, page.items.len() as u64);
            seen.extend(page.items);
            pages += 1;
            if seen.len() as u64 >= page.total_count {
                break;
            }
            paging.offset = Some(seen.len() as u64);
        }
        assert_eq!((seen, pages), ((0..60).collect(), 3));
    }

    #[test]
    fn nobody_gets_more_than_a_hundred_or_pages_of_nothing() {
        let page = |limit, offset| {
            let (limit, offset) = (Some(limit), Some(offset));
            Paging { limit, offset }.of(0..500, |item| item)
        };
        assert_eq!(page(5000, 0).unwrap().items.len(), 100);
        assert_eq!(page(10, i64::MAX as u64).unwrap().items.len(), 0);
        assert!(page(10, u64::MAX).is_err());
        assert!(page(0, 0).is_err());
    }
}
