//! Connecting an account, in the browser: the way it should go, the ways it fails, and the attacks on it.

mod attacks;
mod attacks_on_answers;
mod failures;
mod furnishing;
mod house;
mod keys;
mod keys_attacked;
mod offers;
mod several;
mod story;
