//! Types in the words of the worker protocol (`value_schema`) and in those of JSON Schema, each from the other.

mod read;
#[cfg(test)]
mod tests_read;
mod write;

pub use self::{
    read::{output, parameters, value_schema},
    write::{of_inputs, of_output, of_value},
};

/// The words for types, as they stand in `val_type`.
mod word {
    pub(super) const STRING: &str = "string";
    pub(super) const INTEGER: &str = "integer";
    pub(super) const NUMBER: &str = "number";
    pub(super) const BOOLEAN: &str = "boolean";
    pub(super) const JSON: &str = "json";
    pub(super) const ARRAY: &str = "array";
}
