//! Answers that are large or dear to make, beside somebody who wants neither.
#![expect(clippy::indexing_slicing, reason = "what a JSON value does not have is null")]

mod large;
mod lists;
mod world;
