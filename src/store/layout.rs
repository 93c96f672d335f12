//! What an engine that keeps bytes writes before a record's value.

use bytes::Bytes;

use super::{Record, StoreError, Version};
use crate::base::clock::Timestamp;

/// Before the value: layout, version, expiry in microseconds of Unix time (the largest number for never).
const LAYOUT: u8 = 1;
const HEADER: usize = 1 + 8 + 8;

pub(super) fn encode(version: Version, expires: Option<Timestamp>, value: &[u8]) -> Vec<u8> {
    let expires = expires.map_or(i64::MAX, Timestamp::as_microsecond);
    let mut bytes = Vec::with_capacity(HEADER + value.len());
    bytes.push(LAYOUT);
    bytes.extend_from_slice(&version.0.to_be_bytes());
    bytes.extend_from_slice(&expires.to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

pub(super) fn decode(key: &str, bytes: &[u8]) -> Result<Record, StoreError> {
    let corrupt = |reason: &str| StoreError::Corrupt {
        key: key.to_owned(),
        reason: reason.to_owned(),
    };
    let (header, value) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or_else(|| corrupt("it is too short"))?;
    let [layout, fields @ ..] = header;
    if *layout != LAYOUT {
        return Err(corrupt("its layout is unknown"));
    }
    let number = |half: &[u8]| half.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte));
    let (version, expires) = fields.split_at(8);
    let expires = match number(expires).cast_signed() {
        i64::MAX => None,
        microseconds => Some(
            Timestamp::from_microsecond(microseconds)
                .map_err(|_| corrupt("its expiry is no point in time"))?,
        ),
    };
    Ok(Record {
        value: Bytes::copy_from_slice(value),
        version: Version(number(version)),
        expires,
    })
}

impl Record {
    /// Whether it is still there at `now`.
    pub(super) fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_decoding_panic() {
        for length in 0..40 {
            for filler in [0, 1, 0x7f, 0xff] {
                let mut bytes = vec![filler; length];
                let _ = decode("t/k", &bytes);
                if let Some(first) = bytes.first_mut() {
                    *first = LAYOUT;
                }
                let _ = decode("t/k", &bytes);
            }
        }
    }
}
