use super::*;
use crate::analyse::test_model;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const HEAD: &str = "# 1 \"/usr/include/x.h\" 1 3\n\
    typedef unsigned long size_t; typedef int (*order_t)(const void *, const void *); typedef void (*handler_t)(int);\n\
    extern void qsort(void *, size_t, size_t, order_t); extern void *bsearch(const void *, const void *, size_t, size_t, order_t);\n\
    extern void *memcpy(void *, const void *, size_t); extern void *malloc(size_t); extern void free(void *);\n\
    extern void *dlsym(void *, const char *); extern handler_t signal(int, handler_t);\n\
    extern int pthread_create(unsigned long *, const void *, void *(*)(void *), void *);\n\
    struct conv { int (*ask)(int, void *); void *data; }; extern int start(const struct conv *, void **);\n\
    extern int authenticate(void *); extern void keep(void (*)(void *), void *);\n\
    struct engine { void (*sort)(order_t); };\n\
    # 1 \"a.c\" 2\n\
    struct s { int n; }; static void point(struct s *s) { s->n++; }\n";

/// The functions that may be below `point` of the first unit: those whose names the tests care about.
fn below(units: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let head = HEAD.replace("\n    ", "\n");
    let model = test_model::model(&head, units)?;
    let facts = &model.units[0].facts;
    let function = facts.functions.iter().position(|f| f.name == "point").ok_or("no point")?;
    let graph = CallGraph::new(&model, |name| matches!(name, "start" | "authenticate" | "keep"));
    Ok(test_model::names(&model, &graph.ancestors(FunctionRef { unit: 0, function })))
}

/// `caller` may be below `point`; what is called `other` and so on is not.
fn reaches(text: &str) -> Outcome {
    let found = below(&[text])?;
    assert!(found.iter().any(|name| name == "caller"), "{text}: {found:?}");
    assert!(!found.iter().any(|name| name.starts_with("other")), "{text}: {found:?}");
    Ok(())
}

#[test]
fn by_its_own_type() -> Outcome {
    reaches("void caller(struct s *s) { point(s); }")?;
    reaches(
        "void (*hook)(struct s *) = point; void caller(struct s *s) { hook(s); } void (*o)(int); void other(void) { o(1); }",
    )?;
    reaches("struct { void (*f)(struct s *); } t[] = {{.f = point}}; void caller(struct s *s) { (*t[0].f)(s); }")?;
    reaches("void caller(struct s *s) { void (*p)(struct s *) = &point; (p ?: (void (*)(struct s *))0)(s); }")?;
    reaches("void (*hook)(struct s *); void caller(struct s *s) { (hook ?: point)(s); }")?;
    reaches("void caller(struct s *s, int n) { (n ? point : 0)(s); }")?;
    reaches("void caller(struct s *s) { (0, point)(s); }")?;
    reaches("void caller(struct s *s) { ({ point; })(s); }")?;
    reaches("void caller(struct s *s) { _Generic(s, struct s *: point, default: 0)(s); }")?;
    reaches("static void run(void (*p)(struct s *), struct s *s) { p(s); } void caller(struct s *s) { run(point, s); }")
}

#[test]
fn by_another_type() -> Outcome {
    reaches("void (*hook)(void *) = (void (*)(void *))point; void caller(void *s) { hook(s); }")?;
    // Without a cast: the compiler warns, and goes on.
    reaches("void (*hook)(void *) = point; void caller(void *s) { hook(s); }")?;
    reaches("struct { int n; void (*f)(void *); } t[] = {{1, point}}; void caller(void *s) { t[0].f(s); }")?;
    reaches("struct { int n; void (*f)(void *); } t[] = {{.f = point}}; void caller(void *s) { t[0].f(s); }")?;
    reaches("void (*hook)(void *); void set(void) { hook = point; } void caller(void *s) { hook(s); }")?;
    reaches("void (*hook)() = point; void caller(void *s) { hook(s); } int (*o)(int); void other(void) { o(1); }")?;
    reaches("void caller(void *s) { ((void (*)(void *))point)(s); }")?;
    reaches("void caller(void *s) { ((void (*)(void *))(void *)point)(s); }")?;
    reaches("void caller(void *s) { ((void (*)(void *))(unsigned long)&point)(s); }")?;
    reaches("void (*a)(struct s *) = point; void caller(void *s) { void (*p)(void *) = (void (*)(void *))a; p(s); }")?;
    reaches(
        "typedef void (*any_t)(void); any_t hook = (any_t)point; \
         void caller(struct s *s) { ((void (*)(struct s *))hook)(s); } void other(void) { void (*p)(char) = 0; p(1); }",
    )?;
    reaches(
        "static any() { return 0; } void *p = point; void caller(struct s *s) { ((void (*)(struct s *))p)(s); any(); }",
    )?;
    reaches("void *p = point; void caller(struct s *s) { void (*f)(struct s *) = p; f(s); }")?;
    reaches(
        "unsigned long p; void set(void) { p = (unsigned long)point; } void caller(struct s *s) { ((void (*)(struct s *))p)(s); }",
    )?;
    reaches(
        "static void run(void *p, struct s *s) { void (*f)(struct s *) = p; f(s); } void caller(struct s *s) { run(point, s); }",
    )?;
    reaches("static void *get(void) { return point; } void caller(struct s *s) { ((void (*)(struct s *))get())(s); }")?;
    reaches(
        "void set(int n, ...) { } void go(void) { set(1, (void *)point); } \
         void caller(__builtin_va_list l, struct s *s) { __builtin_va_arg(l, void (*)(struct s *))(s); }",
    )?;
    reaches(
        "_Atomic(void *) p; void set(void) { p = point; } void caller(struct s *s) { void (*f)(struct s *) = p; f(s); }",
    )?;
    reaches("void (*_Atomic p)(struct s *); void set(void) { p = point; } void caller(struct s *s) { p(s); }")
}

#[test]
fn through_memory() -> Outcome {
    reaches(
        "union { void *p; void (*f)(struct s *); } u; void set(void) { u.p = point; } void caller(struct s *s) { u.f(s); }",
    )?;
    reaches(
        "union { void *p[2]; void (*f[2])(struct s *); } u; void set(void) { u.p[1] = point; } void caller(struct s *s) { u.f[1](s); }",
    )?;
    reaches(
        "struct { union { long n; void (*f)(struct s *); }; } u; void set(void) { u.n = (long)point; } void caller(struct s *s) { u.f(s); }",
    )?;
    reaches(
        "union { void (*g)(void); void (*f)(struct s *); } u; void set(void) { u.g = (void (*)(void))point; } void caller(struct s *s) { u.f(s); }",
    )?;
    reaches("void (*f)(struct s *); void set(void) { *(void **)&f = point; } void caller(struct s *s) { f(s); }")?;
    reaches(
        "void *p; void set(void) { *(void (**)(struct s *))&p = point; } void caller(void) { ((void (*)(void))p)(); }",
    )?;
    reaches(
        "void (*f)(struct s *); void set(void) { void *p = point; memcpy(&f, &p, sizeof p); } void caller(struct s *s) { f(s); }",
    )?;
    reaches(
        "void (*f)(struct s *); static void get(void *to) { *(void **)to = point; } void set(void) { get(&f); } \
         void caller(struct s *s) { f(s); }",
    )?;
    reaches(
        "void set(void (**t)(struct s *)) { t[0] = point; } void go(void) { set(malloc(64)); } \
         void caller(void *t, struct s *s) { ((void (**)(struct s *))t)[0](s); }",
    )?;
    reaches("void (*t[2])(struct s *) = {point}; void caller(void *s) { ((void (**)(void *))t)[0](s); }")
}

#[test]
fn through_parts() -> Outcome {
    const OBJECT: &str = "struct ops { void (*f)(struct s *); }; struct object { struct ops *ops; }; \
                          struct other_ops { void (*f)(void *); }; struct other_object { struct other_ops *ops; };";
    reaches(&format!(
        "{OBJECT} struct ops ops = {{point}}; void caller(struct object *o, void *s) {{ ((struct other_object *)o)->ops->f(s); }}"
    ))?;
    reaches(&format!(
        "{OBJECT} struct ops ops; void set(int i) {{ ((void **)&ops)[i] = point; }} void caller(struct s *s) {{ ops.f(s); }}"
    ))?;
    reaches(&format!(
        "{OBJECT} struct ops ops; void set(int i) {{ *(void **)((char *)&ops + i) = point; }} void caller(struct s *s) {{ ops.f(s); }}"
    ))?;
    reaches(&format!(
        "{OBJECT} struct ops ops = {{point}}; struct other_ops o; void set(void) {{ memcpy(&o, &ops, sizeof o); }} void caller(void *s) {{ o.f(s); }}"
    ))?;
    reaches(
        "union { struct { int kind; void *data; } a; struct { int kind; void (*f)(struct s *); } b; } u; \
         void set(void) { u.a.data = point; } void caller(struct s *s) { u.b.f(s); }",
    )?;
    reaches(
        "static void apply(void (*f)(void *), void *s) { f(s); } \
         void caller(struct s *s) { ((void (*)(void (*)(struct s *), void *))apply)(point, s); apply(0, s); }",
    )?;
    reaches(
        "struct a { int n; void (*f)(struct s *); } a[2] = {{1, point}}; struct b { int n; void (*f)(void *); }; \
             void caller(void *s) { (*(struct b (*)[2])a)[1].f(s); }",
    )
}

#[test]
fn through_structs() -> Outcome {
    const HOOKS: &str = "struct a { int n; void (*f)(struct s *); }; struct b { int n; void (*f)(void *); int more; };";
    reaches(&format!(
        "{HOOKS} struct a a = {{1, point}}; void caller(void *s) {{ ((struct b *)&a)->f(s); }} void other(void (*f)(int)) {{ f(1); }}"
    ))?;
    reaches(&format!(
        "{HOOKS} struct b *b; void set(struct a *a) {{ a->f = point; b = (void *)(struct b *)a; }} void caller(void *s) {{ b->f(s); }}"
    ))?;
    reaches(
        "struct a { struct { int n; struct { void (*f)(struct s *); } x; } y[2]; }; struct b { long n; void *p; }; \
         struct a a = {{{1, {point}}}}; void caller(void *s) { ((void (*)(void *))((struct b *)&a)->p)(s); }",
    )?;
    reaches(
        "struct a { struct { int n; union { void (*f)(struct s *); long u; }; }; }; struct b { long n; void (*p)(void *); }; \
         void set(struct a *a) { a->f = point; } void caller(struct a *a) { ((struct b *)a)->p(a); }",
    )?;
    reaches(
        "void set(int n, ...) { __builtin_va_list l; __builtin_va_start(l, n); void *p = __builtin_va_arg(l, void *); ((void (*)(void *))p)(l); } \
         void go(void) { set(1, point); } void caller(void) { go(); }",
    )
}

/// `caller` of the second unit may be below `point` of the first.
fn reaches_between(first: &str, second: &str) -> Outcome {
    let found = below(&[first, second])?;
    assert!(found.iter().any(|name| name == "caller"), "{first} {second}: {found:?}");
    Ok(())
}

#[test]
fn between_units() -> Outcome {
    reaches_between(
        "enum cmd { A }; static int serve(enum cmd c, void *s) { point(s); return 0; } int (*hook)(enum cmd, void *) = serve;",
        "extern int (*hook)(unsigned, void *); int caller(void *s) { return hook(0, s); }",
    )?;
    reaches_between(
        "typedef enum { A } cmd; static int serve(cmd c, void *s) { point(s); return 0; } int (*h)(cmd, void *) = serve;",
        "struct t { int (*f)(unsigned, void *); }; int caller(struct t *t, void *s) { return t->f(0, s); }",
    )?;
    // Without a prototype, and as another unit knows what functions take.
    reaches_between(
        "extern void set(); void begin(void) { set(point, 1); }",
        "void (*kept)(void *); void set(void (*f)(void *), int n) { kept = f; } void caller(void *s) { kept(s); }",
    )?;
    reaches_between(
        "struct t { int n; void (*f)(struct s *); }; struct t t = {1, point};",
        "struct t { int n; void (*f)(); }; extern struct t t; void caller(struct s *s) { t.f(s); }",
    )?;
    reaches_between(
        "extern void apply(void (*)(struct s *), void *); void begin(void) { apply(point, 0); }",
        "void apply(void (*f)(void *), void *s) { f(s); } void caller(void *s) { apply(0, s); }",
    )
}

#[test]
fn by_another_name() -> Outcome {
    reaches("void again(struct s *) __attribute__((alias(\"point\"))); void caller(struct s *s) { again(s); }")?;
    reaches(
        "void again(struct s *) __attribute__((alias(\"point\"))); void (*hook)(struct s *) = again; void caller(struct s *s) { hook(s); }",
    )?;
    reaches(
        "static void again(struct s *) __attribute__((weakref(\"point\"))); void caller(struct s *s) { again(s); }",
    )?;
    reaches(
        "void again(struct s *) __asm__(\"point\"); static void (*hook)(struct s *) = point; void caller(struct s *s) { hook(s); }",
    )?;
    reaches(
        "static void *choose(void) { return point; } void again(struct s *) __attribute__((ifunc(\"choose\"))); \
         void caller(struct s *s) { again(s); }",
    )?;
    reaches("void caller(void) { __attribute__((cleanup(point))) struct s s = {0}; }")?;
    reaches("void again(struct s *) __attribute__((alias(\"po\" \"int\"))); void caller(struct s *s) { again(s); }")?;
    let alias = "void again(struct s *) __attribute__((alias(\"point\")));";
    let found = below(&[alias, "extern void again(struct s *); void caller(struct s *s) { again(s); }"])?;
    assert!(found.iter().any(|name| name == "caller"), "{found:?}");
    let set = "void (*hook)(void *); void set(void) { hook = (void (*)(void *))point; }";
    let found = below(&[set, "extern void (*hook)(struct s *); void caller(struct s *s) { hook(s); }"])?;
    assert!(found.iter().any(|name| name == "caller"), "{found:?}");
    Ok(())
}

#[test]
fn out_of_libraries() -> Outcome {
    const COMPARE: &str = "static int compare(const void *a, const void *b) { point((void *)a); return 0; }";
    reaches(&format!(
        "{COMPARE} void caller(void *t) {{ qsort(t, 1, 1, compare); }} void other(void *t) {{ qsort(t, 1, 1, 0); }}"
    ))?;
    reaches(&format!(
        "{COMPARE} static void sort(void *t, order_t c) {{ qsort(t, 1, 1, c); }} void caller(void *t) {{ sort(t, compare); }}"
    ))?;
    reaches(&format!("{COMPARE} order_t c = compare; void caller(void *t) {{ qsort(t, 1, 1, c); }}"))?;
    reaches(&format!("{COMPARE} void caller(void *t, int n) {{ qsort(t, 1, 1, n ? compare : 0); }}"))?;
    reaches(&format!(
        "{COMPARE} void (*sort)(void *, size_t, size_t, order_t) = qsort; void caller(void *t) {{ sort(t, 1, 1, compare); }}"
    ))?;
    reaches(&format!(
        "{COMPARE} void caller(void *t) {{ ((void (*)(void *, order_t))dlsym(0, \"sort\"))(t, compare); }}"
    ))?;
    reaches(
        "static int compare(struct s *a, struct s *b) { point(a); return 0; } \
         void caller(void *t) { qsort(t, 1, 1, (order_t)compare); }",
    )?;
    reaches(&format!("{COMPARE} void caller(struct engine *e) {{ e->sort(compare); }}"))?;
    reaches(&format!(
        "{COMPARE} void caller(struct engine *e, order_t c) {{ (*(e->sort))(c); }} order_t c = compare;"
    ))?;
    // Nobody calls what nobody set.
    reaches(&format!(
        "{COMPARE} void (*sort)(order_t); void other(void) {{ sort(compare); }} void caller(void) {{ compare(0, 0); }}"
    ))?;
    // What a library was given before.
    const ASK: &str = "static int ask(int n, void *s) { point(s); return 0; }";
    reaches(&format!(
        "{ASK} static struct conv c = {{ask}}; void begin(void **h) {{ start(&c, h); }} void caller(void *h) {{ authenticate(h); }}"
    ))?;
    reaches(&format!(
        "{ASK} void caller(void *h) {{ struct conv c; c.ask = ask; start(&c, h); }} void other(void *p) {{ free(p); }}"
    ))?;
    reaches(
        "static void cb(void *s) { point(s); } void begin(void) { keep(cb, 0); } void caller(void *h) { authenticate(h); }",
    )?;
    reaches(
        "static void cb(void *s) { point(s); } static void give(void (*p)(void *)) { keep(p, 0); } void begin(void) { give(cb); } \
         void caller(void *h) { authenticate(h); }",
    )
}

#[test]
fn given_back_by_libraries() -> Outcome {
    reaches(
        "static void on(int n) { point(0); } handler_t old; void begin(void) { signal(1, on); } \
         void again(void) { old = signal(1, 0); } void caller(void) { old(1); }",
    )?;
    reaches(
        "void (*f)(struct s *); void set(void) { __sync_bool_compare_and_swap(&f, 0, point); } void caller(struct s *s) { f(s); }",
    )?;
    reaches(
        "extern int setspecific(unsigned, const void *); extern void *getspecific(unsigned); void set(void) { setspecific(1, point); } \
         void caller(struct s *s) { ((void (*)(struct s *))getspecific(1))(s); }",
    )?;
    // Nobody in the program calls it: a library does, wherever the pointer went.
    reaches(
        "struct lib { void (*cb)(void *); }; extern struct lib *lib(void); static void cb(void *s) { point(s); } \
         void set(void) { lib()->cb = cb; } void caller(void *h) { authenticate(h); }",
    )?;
    reaches(
        "extern void (*lib_hook)(struct s *); void set(void) { lib_hook = point; } void caller(void *h) { authenticate(h); }",
    )?;
    reaches(
        "static void cb(void *s) { point(s); } void begin(void) { keep(cb, 0); } int (*a)(void *) = authenticate; \
         void caller(void *h) { a(h); }",
    )
}

#[test]
fn kept_by_the_c_library() -> Outcome {
    const COOKIE: &str = "typedef struct { long (*read)(void *, char *, size_t); } cookie_t; extern int getc(void *); \
        static long fill(void *s, char *to, size_t n) { point(s); return 0; } void caller(void *f) { getc(f); }";
    reaches(&format!(
        "{COOKIE} extern void *fopencookie(void *, const char *, cookie_t); \
        void *open(void) {{ return fopencookie(0, \"r\", (cookie_t){{fill}}); }} void other(void) {{ }}"
    ))?;
    // Without such a function, the C library calls at once or never.
    let found = below(&[&format!("{COOKIE} cookie_t t = {{fill}};")])?;
    assert!(!found.iter().any(|name| name == "caller"), "{found:?}");
    Ok(())
}

#[test]
fn threads_have_stacks_of_their_own() -> Outcome {
    let found = below(&["static void *run(void *s) { point(s); return 0; } \
        void other(void) { unsigned long t; pthread_create(&t, 0, run, 0); } \
        static void spawn(void *(*f)(void *)) { unsigned long t; pthread_create(&t, 0, f, 0); } void others(void) { spawn(run); }"])?;
    assert_eq!(found, ["point", "run"]);
    Ok(())
}
