//! The rules of the domain against naive models: pure values in, pure values out; no store, no clock, no runtime.
//!
//! One binary, one file per topic. `world` holds the fixtures and the plainest store there is; `model` what the
//! decisions are compared with.

// Each is marked as a test module so that the lints' leave for tests reaches its helpers too.
#[cfg(test)]
mod counters;
#[cfg(test)]
mod decisions;
#[cfg(test)]
mod ids;
#[cfg(test)]
mod markers;
#[cfg(test)]
mod model;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod service;
#[cfg(test)]
mod snapshot;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod thread_key;
#[cfg(test)]
mod transact;
#[cfg(test)]
mod typing;
#[cfg(test)]
mod world;
