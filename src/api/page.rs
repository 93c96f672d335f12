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

/// Which part is asked for of a list that clients take for a whole one: Arcade's never ask these for a second page.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Part {
    /// How many items at most; all, if nothing is said. More than 100 are 100.
    #[param(minimum = 1)]
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
        let limit = self.limit.unwrap_or(USUAL);
        cut(all.into_iter().collect(), (limit, MOST), self.offset, shown)
    }
}

impl Part {
    /// As [`Paging::of`].
    ///
    /// # Errors
    /// 400 for pages of nothing.
    pub fn of<I, T>(
        self,
        all: impl IntoIterator<Item = I>,
        shown: impl FnMut(I) -> T,
    ) -> Result<Page<T>, ApiError> {
        let all: Vec<I> = all.into_iter().collect();
        let limit = match self.limit {
            Some(limit) => (limit, MOST),
            None => {
                let all = count(all.len()).max(USUAL);
                (all, all)
            }
        };
        cut(all, limit, self.offset, shown)
    }
}

impl<T> Page<T> {
    /// What is on it.
    pub fn items(&self) -> &[T] {
        &self.items
    }

    /// The same page, each item as `shown`.
    pub fn map<U>(self, shown: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(shown).collect(),
            limit: self.limit,
            offset: self.offset,
            page_count: self.page_count,
            total_count: self.total_count,
        }
    }
}

fn cut<I, T>(
    all: Vec<I>,
    (limit, most): (u64, u64),
    offset: Option<u64>,
    shown: impl FnMut(I) -> T,
) -> Result<Page<T>, ApiError> {
    if limit == 0 || i64::try_from(limit).is_err() {
        let message = "`limit` must be a number from 1 to 100";
        return Err(ApiError::bad("invalid_request", message));
    }
    let limit = limit.min(most);
    let offset = offset.unwrap_or_default();
    if i64::try_from(offset).is_err() {
        let message = "`offset` is past the end of any list";
        return Err(ApiError::bad("invalid_request", message));
    }
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

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
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

    #[test]
    fn who_asks_for_no_page_of_a_whole_list_gets_it_whole() {
        let part = |limit, offset| Part { limit, offset }.of(0..300, |item| item);
        let whole = part(None, None).unwrap();
        assert_eq!(
            (whole.items.len(), whole.limit, whole.total_count),
            (300, 300, 300)
        );
        assert_eq!(part(None, Some(290)).unwrap().items.len(), 10);
        assert_eq!(part(Some(1000), None).unwrap().items.len(), 100);
        assert!(part(Some(0), None).is_err());
    }
}
