//! Compiles the C half of libdsu: thread-local state and the wrappers of blocking calls.

fn main() {
    println!("cargo::rerun-if-changed=c");
    cc::Build::new()
        .files(["c/thread.c", "c/calls.c"])
        .std("gnu11")
        .opt_level(2)
        // Position independent for both kinds of executable; exceptions, as cancellation unwinds through the wrappers.
        .flag("-fPIC")
        .flag("-fexceptions")
        .flag("-ffunction-sections")
        .flag("-fno-stack-protector")
        .warnings(true)
        .extra_warnings(true)
        .compile("dsu_calls");
}
