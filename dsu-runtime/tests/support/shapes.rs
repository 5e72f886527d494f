//! The fixture's program with a struct that changes shape (`shapes.c`), and its patches.

use super::emit::{ChangedType, Patch, Program};
use super::{function, import, variable};
use dsu_abi::patch::import_kind;

const USE: u64 = 0x41;
pub const ITEMS: u64 = 0x42;
const COUNTER: u64 = 0x43;

pub fn program() -> Program {
    Program {
        build: 0xa0,
        functions: vec![function("use", USE, "", "dsu_slot_use", "")],
        variables: vec![
            variable("items", ITEMS, 72 * 2000, "items", false),
            variable("runs", COUNTER, 8, "runs", false),
        ],
        types: vec![("struct item", 0x500, 72)],
        ..Program::default()
    }
}

/// Version `number` of the unit with use(): each has one field more, made from the field before; and one struct within
/// that is not an object of its own.
pub fn source(number: usize) -> String {
    let before = if number == 1 { "old->id".to_owned() } else { format!("old->added[{}]", number - 2) };
    format!(
        "#define HIDDEN __attribute__((visibility(\"hidden\")))\n\
         struct item {{ long id; int hits; unsigned long dsu_stamp; int added[12]; }};\n\
         extern char dsu_stamp_item[];\n\
         extern void dsu_migrate(void *, unsigned long);\n\
         extern void dsu_out_of_range(void);\n\
         extern long dsu_g_runs;\n\
         extern struct item dsu_g_items[2000];\n\
         extern int *__errno_location(void);\n\
         static inline struct item *at(const volatile void *o)\n\
         {{\n\
             struct item *p = (struct item *)o;\n\
             if (__atomic_load_n(&p->dsu_stamp, __ATOMIC_ACQUIRE) != (unsigned long)dsu_stamp_item)\n\
                 dsu_migrate(p, (unsigned long)dsu_stamp_item);\n\
             return p;\n\
         }}\n\
         static void after(struct item *new);\n\
         HIDDEN void transform(struct item *new, const struct item *old)\n\
         {{\n\
             *__errno_location() = 5;\n\
             dsu_g_runs++;\n\
             new->added[{last}] = (int)({before} + 1);\n\
             if (old->id % 500 == 0)\n\
                 dsu_out_of_range();\n\
             after(new);\n\
         }}\n\
         HIDDEN long use(struct item *item) {{ return at(item)->added[{last}]; }}\n\
         HIDDEN __typeof__(use) *dsu_new_slot_use = use;\n\
         HIDDEN int good(void) {{ dsu_g_runs += 1000000; return 0; }}\n\
         HIDDEN int bad(void) {{ at(&dsu_g_items[3]); return -42; }}\n\
         HIDDEN int crash(void) {{ *(volatile int *)1 = 1; return 0; }}\n\
         HIDDEN int endless(void) {{ for (;;) __asm__ volatile(\"\"); }}\n",
        last = number - 1,
    )
}

pub const PLAIN: &str = "static void after(struct item *new) { (void)new; }\n";

pub fn patch(number: usize) -> Patch {
    const NAMES: [&str; 13] = ["p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11", "p12"];
    let layout = |number: usize| 0x500 + number as u64;
    Patch {
        name: NAMES[number],
        id: 0xb0 + number as u8,
        from: 0xa0 + number as u8 - 1,
        to: 0xa0 + number as u8,
        imports: vec![
            import("dsu_stamp_item", "struct item", 0, "", import_kind::STAMP),
            import("dsu_g_items", "items", ITEMS, "", import_kind::VARIABLE | import_kind::WRITTEN),
            import("dsu_g_runs", "runs", COUNTER, "", import_kind::VARIABLE | import_kind::WRITTEN),
        ],
        functions: vec![function("use", USE, "use", "dsu_new_slot_use", "")],
        types: vec![("struct item", layout(number))],
        changed_types: vec![ChangedType {
            name: "struct item",
            old_layout: layout(number - 1),
            new_layout: layout(number),
            size: 72,
            transform: "transform",
            stamp_offset: 16,
            flags: 0,
            block: (0, 0),
        }],
        ..Patch::default()
    }
}
