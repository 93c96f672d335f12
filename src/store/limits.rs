//! The bounds of keys and values, the same for every engine.

use super::StoreError;

const KEY_BYTES: usize = 512;
const VALUE_BYTES: usize = 256 * 1024;

/// Refuses a key that no record can have.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    match key.len() {
        0 => Err(out_of_bounds(key, "its key is empty".to_owned())),
        1..=KEY_BYTES => Ok(()),
        length => Err(out_of_bounds(
            key,
            format!("its key has {length} bytes, {KEY_BYTES} are the most"),
        )),
    }
}

/// Refuses a value that no record can hold.
pub(super) fn check_value(key: &str, value: &[u8]) -> Result<(), StoreError> {
    if value.len() <= VALUE_BYTES {
        return Ok(());
    }
    let length = value.len();
    Err(out_of_bounds(
        key,
        format!("its value has {length} bytes, {VALUE_BYTES} are the most"),
    ))
}

/// Names the table only: a key too long may be anything that somebody sent.
fn out_of_bounds(key: &str, reason: String) -> StoreError {
    let table = key.split('/').next().unwrap_or_default();
    StoreError::OutOfBounds {
        table: table.chars().take(40).collect(),
        reason,
    }
}
