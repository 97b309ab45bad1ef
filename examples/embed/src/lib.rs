//! The examples of the pages that embedders read, compiled and run as documentation tests; the example itself is the
//! binary, in `main.rs`.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[derive(Debug)]
pub struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-a-dialect.md")]
#[derive(Debug)]
pub struct AddingADialect;
