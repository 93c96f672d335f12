//! `/connections` as a user meets it, in a browser at the whole app.

mod attacks;
mod failures;
mod place;
mod story;
