//! Reading the log: the lines of a time, in the order of time, those that are asked for.
//!
//! Records of several replicas overlap, so a line is held back until no record can come any more that begins before it.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use super::{
    query::{Query, Seen},
    retention::{self, Lines, SPAN, TABLE},
};
use crate::{
    base::clock::Timestamp,
    store::{Store, StoreError, table::Table},
};

/// How many records are read at once.
const PAGE: usize = 32;

/// The log, to be read. Cheap to clone.
#[derive(Clone)]
pub struct Archive {
    table: Table<Lines>,
}

/// The lines that were asked for, one after the other.
pub struct Export {
    table: Table<Lines>,
    query: Query,
    /// The last record that was read.
    after: Option<String>,
    page: VecDeque<(String, Lines)>,
    /// Records of which some lines were not given out yet, merged.
    held: BinaryHeap<Reverse<(Timestamp, u64, String)>>,
    read: u64,
    /// What a limit left, in full.
    latest: VecDeque<String>,
    /// Nothing is left to be read.
    done: bool,
}

impl Archive {
    /// The log in `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let table = Table::new(store, TABLE);
        Self { table }
    }

    /// The lines that `query` asks for, the earliest first. With a limit, the latest of them, and they are read before this
    /// returns.
    ///
    /// # Errors
    /// As [`Export::next`].
    pub async fn export(&self, query: Query) -> Result<Export, StoreError> {
        let limit = query.limit;
        let mut export = Export {
            table: self.table.clone(),
            after: query.since.map(|since| {
                let earliest = since.saturating_sub(SPAN);
                retention::place(earliest.unwrap_or(Timestamp::MIN))
            }),
            query,
            page: VecDeque::new(),
            held: BinaryHeap::new(),
            read: 0,
            latest: VecDeque::new(),
            done: false,
        };
        if let Some(limit) = limit {
            while let Some(line) = export.merge().await? {
                if export.latest.len() == limit {
                    export.latest.pop_front();
                }
                export.latest.push_back(line);
            }
        }
        Ok(export)
    }
}

impl Export {
    /// The next line, without its end; `None` after the last.
    ///
    /// # Errors
    /// When the store cannot be read, or not all of it is what we write.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        match self.latest.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.merge().await,
        }
    }

    async fn merge(&mut self) -> Result<Option<String>, StoreError> {
        loop {
            let next = self.next_record().await?;
            let ready = match (self.held.peek(), next) {
                (Some(Reverse((at, ..))), Some(next)) => *at < next,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => return Ok(None),
            };
            if ready {
                return Ok(self.held.pop().map(|Reverse((_, _, line))| line));
            }
            self.open_record()?;
        }
    }

    /// When the next record begins; `None` if there is none.
    async fn next_record(&mut self) -> Result<Option<Timestamp>, StoreError> {
        if self.page.is_empty() && !self.done {
            let page = self.table.list("", self.after.as_deref(), PAGE).await?;
            self.done = page.len() < PAGE;
            self.after = page
                .last()
                .map(|(key, _)| key.clone())
                .or(self.after.take());
            self.page = page.into();
        }
        let first = self.page.front().map(|(key, _)| begin(key)).transpose()?;
        let over = first.zip(self.query.until);
        if over.is_some_and(|(first, until)| first >= until) {
            self.page.clear();
            self.done = true;
            return Ok(None);
        }
        Ok(first)
    }

    fn open_record(&mut self) -> Result<(), StoreError> {
        let Some((key, lines)) = self.page.pop_front() else {
            return Ok(());
        };
        for line in lines {
            let seen: Seen = serde_json::from_str(line.get())
                .map_err(|_| corrupt(&key, "a line is none of the audit log"))?;
            if self.query.asks_for(&seen) {
                self.read += 1;
                let line = Box::<str>::from(line).into_string();
                self.held.push(Reverse((seen.at, self.read, line)));
            }
        }
        Ok(())
    }
}

fn begin(key: &str) -> Result<Timestamp, StoreError> {
    retention::first(key).ok_or_else(|| corrupt(key, "its key is no time"))
}

fn corrupt(key: &str, reason: &str) -> StoreError {
    StoreError::Corrupt {
        key: format!("{TABLE}/{key}"),
        reason: reason.to_owned(),
    }
}
