//! What is peculiar to the store on a server: other processes, locks, restarts, networks that lose answers.

#[cfg(test)]
#[path = "../cluster/mod.rs"]
mod cluster;

#[cfg(test)]
mod boot;
#[cfg(test)]
mod circles;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod locks;
#[cfg(test)]
mod migrating;
#[cfg(test)]
mod network;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod world;
