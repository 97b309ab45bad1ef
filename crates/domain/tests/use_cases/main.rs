//! The use cases over the store in memory: what is promised to users, hosts and operators.
//!
//! One binary, one file per topic. `world` opens the store and says what the others need.

// Each is marked as a test module so that the lints' leave for tests reaches its helpers too.
#[cfg(test)]
mod finding;
#[cfg(test)]
mod host;
#[cfg(test)]
mod import;
#[cfg(test)]
mod import_dates;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod membership;
#[cfg(test)]
mod notice_model;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod opening;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod post;
#[cfg(test)]
mod presence;
#[cfg(test)]
mod sighting;
#[cfg(test)]
mod summaries;
#[cfg(test)]
mod within;
#[cfg(test)]
mod world;
