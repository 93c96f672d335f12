//! Anteroom: an MCP gateway that knows its users.
//!
//! The modules stand here in layer order; a file uses only layers above its own (`tests/it/tidy.rs` holds this).

pub mod base;

pub mod protocol;

pub mod config;

pub mod store;
pub mod web;

pub mod provider;
pub mod upstream;
pub mod user_source;

pub mod vault;

pub mod connect;

pub mod gateway;

pub mod mcp;

pub mod app;
pub mod routes;
pub mod tasks;

pub mod demo;

pub mod cli;
