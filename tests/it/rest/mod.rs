//! The REST face: what programs ask for with an API key.

mod openapi;
