//! What is peculiar to the store in a file: that it lasts, that faults stay where they happen, that nobody waits for
//! the writer.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod lasting;
#[cfg(test)]
mod migrating;
#[cfg(test)]
mod world;
