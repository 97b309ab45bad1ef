//! Makes a new migration a reason to rebuild: the macro that embeds them cannot tell cargo itself.

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
