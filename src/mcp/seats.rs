//! How many streams a user may have open at once.
//!
//! The newest is refused, not the oldest closed: its client would come back at once and close another's, in circles. A client
//! that is refused waits, and a connection that broke gives its seat back.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Each session of each program of a user has one or two; whoever has more than this forgets to close them.
pub const STREAMS_PER_USER: usize = 100;

/// Who has how many open, in this process.
#[derive(Clone, Default)]
pub struct Seats(Arc<Mutex<HashMap<Arc<str>, usize>>>);

/// The right to one open stream; given back when dropped.
pub struct Seat {
    user: Arc<str>,
    seats: Seats,
}

impl Seats {
    /// A seat for the user of this key ([`crate::base::id::UserId::key`]); `None` if they have [`STREAMS_PER_USER`].
    pub fn take(&self, user: &Arc<str>) -> Option<Seat> {
        let mut taken = self.taken();
        let count = taken.entry(Arc::clone(user)).or_default();
        if *count >= STREAMS_PER_USER {
            return None;
        }
        *count += 1;
        Some(Seat {
            user: Arc::clone(user),
            seats: self.clone(),
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Arc<str>, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        match taken.get_mut(&self.user) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_are_counted_per_user_and_given_back() {
        let (seats, alice, bob) = (Seats::default(), Arc::from("alice"), Arc::from("bob"));
        let mut held: Vec<_> = (0..STREAMS_PER_USER)
            .map(|_| seats.take(&alice).unwrap())
            .collect();
        assert!(seats.take(&alice).is_none());
        assert!(seats.take(&bob).is_some());
        drop(held.pop());
        assert!(seats.take(&alice).is_some());
        held.clear();
        assert!(seats.taken().is_empty(), "nobody is remembered for nothing");
    }
}
