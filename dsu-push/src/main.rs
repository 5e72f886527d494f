//! `dsu-push`: sends patches to running updatable programs. See the library for how.

fn main() {
    std::process::exit(dsu_push::cli::main() as i32);
}
