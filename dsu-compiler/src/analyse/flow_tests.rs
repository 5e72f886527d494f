use super::*;
use crate::analyse::test_model;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const HEAD: &str = "# 1 \"/usr/include/x.h\" 1 3\n\
    extern void *memcpy(void *, const void *, unsigned long); extern int strcmp(const char *, const char *);\n\
    extern char *strchr(const char *, int);\n# 1 \"a.c\" 2\n\
    struct row { char *name; int n; int *to; void (*init)(struct row *); };\n";

/// Whether the static variable `t` is never written, and where its address is kept.
fn verdict(text: &str) -> Result<(bool, Option<String>), Box<dyn std::error::Error>> {
    let model = test_model::model(HEAD, &[text])?;
    let variable = model.units[0].facts.variables.iter().position(|v| v.name == "t").ok_or("no t")?;
    let at = VariableRef { unit: 0, variable };
    let flows = Flows::new(&model);
    Ok((flows.never_written(at), flows.address_kept(at, !flows.tells_rows(at))))
}

fn harmless(text: &str) -> Outcome {
    assert_eq!(verdict(text)?, (true, None), "{text}");
    Ok(())
}

fn harmful(text: &str) -> Outcome {
    let (unwritten, kept) = verdict(text)?;
    assert!(!unwritten || kept.is_some(), "{text}");
    Ok(())
}

#[test]
fn local_variables() -> Outcome {
    harmless(
        "static struct row t[2]; int f(void) { int n = 0; for (struct row *r = t; r->name; r++) n += r->n; return n; }",
    )?;
    harmless(
        "static struct row t[2]; void f(void) { struct row *r = t, *s; s = r + 1; *s->to = 1; if (s == r) (void)s; }",
    )?;
    harmless("static struct row t[2]; int f(void) { struct row *r = t; return r ? r->n : 1; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; r->n = 1; }")?;
    harmful("static struct row t[2]; void f(struct row *o) { struct row *r = t; (r ?: o)->n = 1; }")?;
    harmful("static struct row t[2]; void f(struct row *o) { struct row *r = t; (o ? r : o)->n = 1; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t, *s; s = r + 1; s->n++; }")?;
    harmful("static struct row t[2], *k; void f(void) { struct row *r = t; k = r; }")?;
    harmful("static struct row t[2]; struct row *f(void) { struct row *r = t; return r; }")?;
    harmful("static struct row t[2]; void f(struct row **o) { struct row *r = t; *o = r; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t, **p = &r; (*p)->n = 1; }")?;
    harmful(
        "static struct row t[2]; void f(void) { struct row *r = t; struct { struct row *a; } x = { r }; x.a->n = 1; }",
    )?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; long n = (long)r; *(int *)n = 1; }")?;
    harmless("static struct row t[2]; long f(struct row *o) { struct row *r = t; return o - r; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; __asm__(\"\" : : \"r\"(r) : \"memory\"); }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; ({ r; })->n = 1; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; struct row *s; (s = r)->n = 1; }")?;
    harmful("static struct row t[2]; void f(void) { struct row *r = t; (r += 1)->n = 1; }")
}

#[test]
fn parameters() -> Outcome {
    harmless("static int g(struct row *r) { return r->n; } static struct row t[2]; int f(void) { return g(t + 1); }")?;
    harmless(
        "static int g(struct row *r, int n) { return n ? g(r, n - 1) : r->n; } static struct row t[2]; \
         int f(void) { struct row *r = t; return g(r, 3); }",
    )?;
    harmless("static struct row t[2]; void f(struct row *o) { struct row *r = t; memcpy(o, r, sizeof *r); }")?;
    harmful("static void g(struct row *r) { r->n = 1; } static struct row t[2]; void f(void) { g(t); }")?;
    harmful("static struct row *g(struct row *r) { return r; } static struct row t[2]; void f(void) { g(t)->n = 1; }")?;
    harmful("void g(struct row *r); static struct row t[2]; void f(void) { g(t); }")?;
    harmful("static struct row t[2]; void f(struct row *o) { struct row *r = t; memcpy(r, o, sizeof *r); }")?;
    harmful("static void g(int n, ...) { } static struct row t[2]; void f(void) { g(1, t); }")?;
    harmful("static char t[2]; void f(void) { char *r = t; *strchr(r, 1) = 0; }")
}

#[test]
fn results() -> Outcome {
    const FIND: &str = "static struct row t[2]; static struct row *find(int n) { struct row *r; \
                        for (r = t; r->name; r++) if (r->n == n) return r; return 0; }";
    const PASS: &str = "static struct row *pass(struct row *r) { return r ? r + 1 : 0; } static struct row t[2];";
    harmless(&format!("{FIND} int f(void) {{ struct row *r = find(1); return find(2) != 0 && r ? r->n : 0; }}"))?;
    harmless(&format!("{FIND} struct row *g(void) {{ return find(1); }} int f(void) {{ return g()->n; }}"))?;
    harmless(&format!("{FIND} static int g(struct row *r) {{ return r->n; }} int f(void) {{ return g(find(1)); }}"))?;
    harmless(&format!("{PASS} int f(void) {{ return pass(t)->n; }}"))?;
    harmless(&format!("{PASS} int f(void) {{ return pass(pass(t))->n; }}"))?;
    // A pointer that is in the table gets written through; the table does not.
    harmless("static struct row t[2]; int *to(void) { return t->to; } void f(void) { *to() = 1; }")?;
    harmful(&format!("{FIND} void f(void) {{ find(1)->n = 1; }}"))?;
    harmful(&format!("{FIND} struct row *k; void f(void) {{ k = find(1); }}"))?;
    harmless(&format!("{FIND} long f(struct row *r) {{ return find(1) - r; }}"))?;
    harmful(&format!("{FIND} struct row *k; long f(void) {{ if (!k) k = find(1); return k - t; }}"))?;
    harmful(&format!("{FIND} void f(void (*g)(int)) {{ g((int)(long)find(1)); }}"))?;
    harmful(&format!("{FIND} void *f = find;"))?;
    harmful(&format!("{FIND} struct row *g(int n) __attribute__((alias(\"find\")));"))?;
    harmful(&format!("{FIND} __asm__(\"call find\");"))?;
    harmless(&format!("{FIND} int f(void) {{ __asm__(\"call finder\" : : \"r\"(find(1)->n)); return 0; }}"))?;
    harmful(&format!(
        "{FIND} int f(void) {{ __asm__ volatile (\"call find\" : : : \"memory\"); return find(1)->n; }}"
    ))?;
    harmful(&format!(
        "{FIND} static struct row *g(int) __attribute__((weakref(\"find\"))); int f(void) {{ return find(1)->n; }}"
    ))?;
    harmful(&format!("{FIND}\n#pragma weak g = find\nint f(void) {{ return find(1)->n; }}"))?;
    harmful(
        "static struct row t[2]; int f(void) { __asm__ volatile (\"incl t(%%rip)\" : : : \"memory\"); return t->n; }",
    )?;
    harmful(
        "static struct row t[2]; int f(void) { __asm__ volatile (\"\\tincl\\tt(%%rip)\" : : : \"memory\"); return t->n; }",
    )?;
    harmful(&format!(
        "{FIND} static struct row *g(void) {{ return find(1); }} void f(void) {{ struct row **r = &(struct row *){{g()}}; }}"
    ))?;
    harmful(&format!("{PASS} void f(void) {{ pass(t)->n = 1; }}"))?;
    harmful(&format!("{PASS} void f(struct row *o) {{ pass(o)->n = 1; pass(t); }}"))?;
    // Without a call that is known, it may be called from anywhere.
    harmful("static struct row t[2]; struct row *f(void) { return t; }")
}

#[test]
fn rows() -> Outcome {
    const AT: &str = "static const struct row t[2]; static const struct row *k; \
                      static const struct row *at(int n) { return &t[n]; } void set(int n) { k = at(n); }";
    harmless(&format!("{AT} int f(void) {{ return k ? k->n : k == 0 || k != (void *)0 || !k; }}"))?;
    // Nobody keeps one.
    harmless(
        "static const struct row t[2]; long f(int n) { for (const struct row *r = t; r < t + 2; r++) if (r->n == n) return r - t; return 0; }",
    )?;
    harmful(
        "static const struct row t[2]; static const struct row *k; long f(void) { if (!k) k = &t[1]; return k - t; }",
    )?;
    harmful(&format!("{AT} int f(void) {{ return k == at(1); }}"))?;
    harmful(&format!("{AT} int f(void) {{ return (const char *)k < (const char *)at(1); }}"))?;
    harmful(&format!("{AT} long f(void) {{ return k - at(0); }}"))?;
    harmful(&format!("{AT} unsigned long f(void) {{ return (unsigned long)k; }}"))
}

#[test]
fn objects_without_names() -> Outcome {
    const LIST: &str = "static struct row *t[] = {&(struct row){\"a\", 1}, 0};";
    const ROWS: &str = "static struct row t[] = {{\"a\", 1, &(int){1}}, {0}};";
    harmless(&format!("{LIST} int f(void) {{ return t[0]->n + (*t)->name[0]; }}"))?;
    harmful(&format!("{LIST} int f(void) {{ return t[0]->n++; }}"))?;
    harmful(&format!("{LIST} void f(void) {{ for (struct row **r = t; *r; r++) (*r)->n = 2; }}"))?;
    harmful(&format!("{LIST} static void g(struct row *r) {{ r->n = 2; }} void f(void) {{ g(t[0]); }}"))?;
    harmful(&format!("{LIST} struct row *f(void) {{ return t[0]; }}"))?;
    harmless(&format!("{ROWS} int f(void) {{ return t[0].n + *t[0].to; }}"))?;
    harmful(&format!("{ROWS} void f(void) {{ *t[0].to = 1; }}"))?;
    harmful(&format!("{ROWS} void f(void) {{ ++*t->to; }}"))?;
    // Named ones stay where they are, and constant ones as they are.
    harmless("static int n; static struct row t[] = {{\"a\", 1, &n}, {0}}; void f(void) { ++*t->to; }")?;
    harmless("static const int *t[] = {(const int[]){1, 2}}; const int *f(void) { return t[0]; }")
}

#[test]
fn calls_through_pointers() -> Outcome {
    const LOOP: &str = "void f(void) { for (struct row *r = t; r->name; r++) r->init(r); }";
    harmless(&format!(
        "static void g(struct row *r) {{ *r->to = r->n; }} static struct row t[2] = {{{{.init = g}}}}; {LOOP}"
    ))?;
    harmful(&format!(
        "static void g(struct row *r) {{ r->n = 1; }} static struct row t[2] = {{{{.init = g}}}}; {LOOP}"
    ))?;
    // That memory is looked at as bytes somewhere makes nothing of these pointers unknown.
    harmless(&format!(
        "static void g(struct row *r) {{ *r->to = r->n; }} static struct row t[2] = {{{{.init = g}}}}; {LOOP} \
         static void w(void *p) {{ *(int *)p = 1; }} void *any = w; char *bytes(struct row *r) {{ return (char *)r; }}"
    ))?;
    // Functions of another type, converted; and whatever a library may give.
    harmful(&format!(
        "static void g(void *r) {{ *(int *)r = 1; }} static struct row t[2] = {{{{.init = (void (*)(struct row *))g}}}}; {LOOP}"
    ))?;
    harmful(&format!(
        "static void g(struct row *r) {{ }} void *dlsym(void); static struct row t[2] = {{{{.init = g}}}}; \
         void h(struct row *r) {{ r->init = (void (*)(struct row *))dlsym(); }} {LOOP}"
    ))?;
    harmful(&format!("extern void g(struct row *r); static struct row t[2] = {{{{.init = g}}}}; {LOOP}"))
}

#[test]
fn addresses_in_tables() -> Outcome {
    const READ: &str = "int f(char *w) { char ***a = all; for (; *a; ++a) { char **c = *a; if (!strcmp(*c, w)) return 1; } return 0; }";
    harmless(&format!("static char *t[2]; static char **all[] = {{t, 0}}; {READ}"))?;
    harmless(&format!(
        "static char *t[2]; static char **all[] = {{t, 0}}; {READ} int g(void) {{ return all[0][0] != 0; }}"
    ))?;
    harmless(&format!("static char *t[2]; static char **all[] = {{t, t, 0}}; {READ}"))?;
    harmful(&format!("static char *t[2]; static char **all[] = {{t, 0}}; {READ} void g(void) {{ *all[0] = \"\"; }}"))?;
    harmful(&format!("static char *t[2]; static char **all[] = {{t, 0}}; {READ} char **g(void) {{ return all[0]; }}"))?;
    harmful(&format!("static char *t[2]; static char **all[] = {{t, 0}}; {READ} void g(char **x) {{ all[0] = x; }}"))?;
    harmful(&format!(
        "static char *t[2]; char **all[] = {{t, 0}}; {READ} void h(char ***); void g(void) {{ h(all); }}"
    ))?;
    harmful(&format!(
        "static char *t[2]; static char **all[] = {{t, 0}}; {READ} void g(char ***o) {{ memcpy(o, all, sizeof all); }}"
    ))?;
    harmful("static char *t[2]; static struct { char **a; } all[] = {{t}}; int f(void) { return all[0].a != 0; }")?;
    harmful("static char *t[2]; static long all[] = {(long)t}; long f(void) { return all[0]; }")
}
