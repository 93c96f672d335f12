//! Anteroom from outside: one binary, one module for each thing that must be true.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod accounts;
mod audit;
mod checklist;
mod cli;
mod config;
mod connect;
mod connections;
mod demo;
mod durability;
mod hooks;
mod leaks;
mod lifecycle;
mod misbehaviour;

mod oidc;
mod policy;
mod provider;
mod reloads;
mod replaced;
mod rest;
mod signed_in;
mod support;
mod tidy;
mod typed_keys;
mod upstream;
mod verifier;
mod walkthroughs;
mod worker;
