//! Anteroom from outside: one binary, one module for each thing that must be true.
