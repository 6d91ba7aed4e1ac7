//! Tasks around the project.

fn main() {}
