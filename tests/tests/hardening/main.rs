//! What the running server does about those who ask too much, from elsewhere, or not at all; and what it tells its
//! operator.

mod browsers;
mod budgets;
mod connections;
mod observed;
mod unwritable_log;
mod world;
