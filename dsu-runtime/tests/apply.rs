//! Applying patches with `dsu_apply`.

#![allow(missing_docs)]

mod support;

use support::*;

#[test]
fn old_behaviour_before_and_new_after() {
    let dir = tempfile::tempdir().unwrap();
    let server = build_server(dir.path(), &program());
    let second = build_patch(dir.path(), &fixture("patch2.c"), &patch2(), &[]);
    let third = build_patch(dir.path(), &fixture("patch3.c"), &patch3(), &[]);
    let mut session = Session::start(&server);
    assert_eq!(session.ask("greet"), "v1 hello hits=1 per_thread=6 helper=2");
    assert_eq!(session.apply(&second), "apply 0");
    let says = "applied patch greet-2: 2 functions switched, 1 variables set";
    assert_eq!(session.ask("message"), format!("message {says}"));
    let v2 = |hits, per_thread, own| {
        format!(
            "v2 goodbye hits={hits} per_thread={per_thread} helper=3 added=15 own={own} total={} exported={} table=1",
            hits + 999,
            own - 4
        )
    };
    assert_eq!(session.ask("greet"), v2(2, 7, 8));
    assert_eq!(session.ask("callback"), v2(3, 8, 9) + " same");
    assert_eq!(session.apply(&second), "apply 1");
    assert_eq!(session.ask("message"), "message patch greet-2 is already applied");
    assert_eq!(session.apply(&third), "apply 0");
    assert_eq!(session.ask("greet"), "v3 hits=4 total=1003 exported=15 added=21");
    assert_eq!(session.ask("thread"), "v3 hits=5 total=1004 exported=13 added=21");
}
