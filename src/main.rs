//! The `anteroom` program.

fn main() {}
