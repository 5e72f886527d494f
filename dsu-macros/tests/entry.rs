//! Entry points return, whatever happens inside.

use dsu_macros::entry;

/// Doubles; panics for 0.
#[entry(on_panic = -1)]
pub extern "C" fn dsu_test_double(x: i32) -> i32 {
    assert!(x != 0, "none");
    x * 2
}

/// Panics with a payload that panics when it is dropped.
#[entry(on_panic = ())]
pub extern "C" fn dsu_test_nasty() {
    struct Nasty;
    impl Drop for Nasty {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    std::panic::panic_any(Nasty);
}

/// Unsafe ones, too.
///
/// # Safety
/// `x` is valid.
#[entry(on_panic = 0)]
pub unsafe extern "C" fn dsu_test_read(x: *const u32) -> u32 {
    // SAFETY: as the caller promises.
    let value = unsafe { *x };
    if value > 9 { panic!("large") } else { value }
}

#[test]
fn panics_become_values() {
    assert_eq!(dsu_test_double(4), 8);
    assert_eq!(dsu_test_double(0), -1);
    dsu_test_nasty();
    let (small, large) = (7, 70);
    // SAFETY: the pointers are valid.
    unsafe {
        assert_eq!(dsu_test_read(&raw const small), 7);
        assert_eq!(dsu_test_read(&raw const large), 0);
    }
}
