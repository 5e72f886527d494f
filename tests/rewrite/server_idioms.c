//! variant: -O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection -Wl,-z,relro,-z,now
//! variant: -O0 -g
//! variant: -O3 -fno-common -fno-plt -fvisibility=hidden -ffunction-sections -fdata-sections -Wl,--gc-sections
//! variant: -O2 -fPIE -pie -Wl,-z,now -Wl,--as-needed -g3
//! variant: -Os -fno-pie -no-pie
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* X-macros: enum, names, table of handlers. */
#define COMMANDS(X) X(GET, get, 1) X(PUT, put, 2) X(DEL, del, 1) X(QUIT, quit, 0)
#define AS_ENUM(U, l, n) CMD_##U,
#define AS_NAME(U, l, n) [CMD_##U] = #U,
#define AS_PROTO(U, l, n) static int do_##l(struct client *, int, char **);
#define AS_ROW(U, l, n) { .name = #l, .run = do_##l, .args = n, .id = CMD_##U },
enum command { COMMANDS(AS_ENUM) CMD_COUNT };
struct client;
COMMANDS(AS_PROTO)
static const char *const names[CMD_COUNT] = { COMMANDS(AS_NAME) };
static const struct row {
    const char *name;
    int (*run)(struct client *, int, char **);
    unsigned args : 4, id : 6, : 0;
} table[] = { COMMANDS(AS_ROW) { 0 } };
_Static_assert(sizeof table / sizeof *table == CMD_COUNT + 1, "a row for each");

/* Character classes by ranges; a range in a nested array; a later one that overrides. */
static unsigned char class[256] = { [0 ... 255] = 0, ['0' ... '9'] = 1, ['a' ... 'z'] = 2, ['A' ... 'Z'] = 2, ['_'] = 3 };
static struct limits { int soft[3], hard; } limits[4] = { [0 ... 2] = { .soft = { [1 ... 2] = 7 }, .hard = 9 }, [1].soft[0] = 4, [3] = { { 1, 2, 3 }, 4 } };

/* Intrusive lists. */
struct list { struct list *next, *prev; };
#define LIST(n) struct list n = { &n, &n }
#define container_of(p, t, m) ({ const __typeof__(((t *)0)->m) *_m = (p); (t *)((char *)_m - offsetof(t, m)); })
#define list_each(pos, head, m) for (pos = container_of((head)->next, __typeof__(*pos), m); &pos->m != (head); pos = container_of(pos->m.next, __typeof__(*pos), m))
static LIST(clients);

union message {
    uint32_t kind;
    struct { uint32_t kind; uint16_t len; char text[10]; } say;
    struct { uint32_t kind; uint64_t at; } __attribute__((packed)) when;
    uint8_t raw[24];
};
_Static_assert(sizeof(union message) == 24, "wire");

struct client {
    struct list link;
    int fd;
    struct {
        union { uint32_t flags; struct { uint32_t open : 1, slow : 1, : 2, level : 5; int sign : 3; bool final : 1; }; };
        union { struct { uint8_t a, b; }; uint16_t ab; };
    };
    struct list waiting;
    alignas(32) char name[16];
    union message last;
    _Atomic(uint64_t) seen;
    atomic_int refs;
    int (*on_event)(struct client *, int what, void *arg);
    struct { struct timer { uint64_t at; void (*fire)(struct timer *); } timer; } ev;
    size_t n;
    int tail[];
};

static int events;
static int default_event(struct client *c, int what, void *arg)
{
    (void)arg;
    return ++events + what + c->fd;
}
static void fire(struct timer *t)
{
    struct client *c = container_of(t, struct client, ev.timer);
    printf("timer of %s at %" PRIu64 "\n", c->name, t->at);
}
static struct client *new_client(int fd, const char *name, size_t n)
{
    struct client *c = NULL;
    if (posix_memalign((void **)&c, alignof(struct client), sizeof *c + n * sizeof c->tail[0]))
        abort();
    *c = (struct client) { .fd = fd, .open = 1, .level = fd, .sign = -2, .final = 1, .on_event = default_event, .ab = 0x0102, .n = n };
    atomic_init(&c->refs, 1);
    c->ev.timer = (struct timer) { .at = 10u * fd, .fire = fire };
    snprintf(c->name, sizeof c->name, "%s", name);
    for (size_t i = 0; i < n; i++)
        c->tail[i] = (int)i * fd;
    c->link.next = &clients; c->link.prev = clients.prev;
    clients.prev->next = &c->link; clients.prev = &c->link;
    return c;
}
static int do_get(struct client *c, int n, char **v) { return printf("get %s %d %s\n", c->name, n, v[0]); }
static int do_put(struct client *c, int n, char **v) { c->slow = !c->slow; return printf("put %s=%s %u\n", v[0], v[n - 1], c->flags & 3); }
static int do_del(struct client *c, int n, char **v) { (void)n; return printf("del %s %d\n", v[0], (int)atomic_fetch_add(&c->refs, 2)); }
static int do_quit(struct client *c, int n, char **v) { (void)n, (void)v; c->open = 0; return -c->sign; }

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct client *const *)a)->name, (*(struct client *const *)b)->name);
}
static int by_fd_r(const void *a, const void *b, void *arg)
{
    ++*(int *)arg;
    return ((*(struct client *const *)b)->fd > (*(struct client *const *)a)->fd) - ((*(struct client *const *)b)->fd < (*(struct client *const *)a)->fd);
}
static void free_str(char **p) { printf("free %s\n", *p ? *p : "-"); free(*p); }
#define auto_str __attribute__((cleanup(free_str))) char *
static int dispatch(struct client *c, const char *line)
{
    auto_str copy = strdup(line);
    char *save, *word = strtok_r(copy, " ", &save), *argv[4] = { 0 };
    int argc = 0;
    if (!word)
        return -EINVAL;
    for (const struct row *r = table; r->name; r++) {
        if (strcmp(r->name, word))
            continue;
        while (argc < 3 && (argv[argc] = strtok_r(NULL, " ", &save)))
            argc++;
        if ((unsigned)argc < r->args)
            return -E2BIG;
        return r->run(c, argc, argv);
    }
    return -ENOENT;
}
static int sum(int n, int m[n][n])
{
    int t = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            t += m[i][j];
    return t;
}
static int vla(int n)
{
    int grid[n][n], (*row)[n] = grid;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            row[i][j] = i ^ j;
    char text[n * 4 + 1];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    return sum(n, grid) + (int)strlen(text);
}
__attribute__((format(printf, 2, 3))) static void logf_(int level, const char *f, ...)
{
    va_list ap, again;
    va_start(ap, f);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, f, ap);
    char buf[n + 1];
    vsnprintf(buf, sizeof buf, f, again);
    va_end(again);
    va_end(ap);
    printf("<%d> %s [%d]\n", level, buf, n);
}
#define LOG(l, f, ...) logf_(l, "%s: " f, __func__, ##__VA_ARGS__)
static __thread struct { int depth; char last[8]; } tls = { .depth = 3, .last = "abc" };
static inline uint64_t rdx(uint32_t lo, uint32_t hi)
{
    uint64_t r;
    __asm__ volatile("shlq $32, %q2\n\torq %q1, %q2\n\tmovq %q2, %0" : "=r"(r), "+r"(lo), "+r"(hi) : : "cc");
    return r;
}
#define MAX(a, b) ({ __auto_type _a = (a); __auto_type _b = (b); _a > _b ? _a : _b; })
#define kind(x) _Generic((x), int: "int", char *: "string", const char *: "string", struct client *: "client", default: "other")
static int machine(const char *s)
{
    static const void *const go[] = { &&start, &&digit, &&alpha, &&end };
    int d = 0, a = 0;
start:
    goto *go[*s ? MAX(1, class[(unsigned char)*s] > 1 ? 2 : 1) : 3];
digit:
    d++, s++;
    goto start;
alpha:
    a++, s++;
    goto start;
end:
    return d * 100 + a;
}
int (*pick(int which))(const char *) { return which ? machine : (int (*)(const char *))strlen; }
static void (*const hooks[])(struct timer *) = { fire, NULL };
int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct client *all[] = { new_client(5, "pear", 2), new_client(3, "apple", 0), new_client(9, "fig", 4) }, *c;
    int compared = 0;
    qsort(all, 3, sizeof *all, by_name);
    for (int i = 0; i < 3; i++) printf("%s ", all[i]->name);
    qsort_r(all, 3, sizeof *all, by_fd_r, &compared);
    printf("%d %d\n", all[0]->fd, compared > 0);
    list_each(c, &clients, link) {
        printf("%s %u %u %d %d %u %x %d\n", c->name, c->open, c->level, c->sign, c->last.kind == 0, c->a, c->flags, c->on_event(c, 1, NULL));
        (c->ev.timer.fire == hooks[0] ? c->ev.timer.fire : NULL)(&c->ev.timer);
    }
    printf("%d\n", dispatch(all[0], "get it"));
    printf("%d\n", dispatch(all[1], "put a b"));
    printf("%d %d %d %d\n", dispatch(all[1], "put a"), dispatch(all[2], "del a"), dispatch(all[2], "none"), dispatch(all[2], "quit"));
    printf("%s %s %s\n", names[CMD_DEL], kind(c), kind(names[0]));
    printf("%d %d %d %d\n", class['q'], class['_'], limits[1].soft[0], limits[2].soft[2]);
    union message m = { .say = { .kind = 7, .len = 2, .text = "hi" } }, copy = m;
    memcpy(&all[0]->last, &m, sizeof m);
    printf("%u %s %d\n", all[0]->last.kind, copy.say.text, memcmp(&all[0]->last, &copy, 10));
    printf("%d %d %d\n", vla(5), pick(1)("ab12_"), pick(0)("abc"));
    LOG(3, "%d of %s", 4, "x");
    LOG(1, "plain");
    tls.depth += (int)(rdx(1, 2) >> 32);
    printf("%d %s\n", tls.depth, tls.last);
    printf("%d %d %d\n", __builtin_popcount(255), __builtin_choose_expr(1, 3, 4), __builtin_types_compatible_p(int, long));
    printf("%zu %d\n", __builtin_object_size(m.say.text, 1), __builtin_constant_p(3));
    long over;
    printf("%d\n", __builtin_add_overflow(__LONG_MAX__, 1L, &over));
    atomic_fetch_or_explicit(&all[0]->seen, 6, memory_order_release);
    uint64_t want = 6;
    printf("%d\n", atomic_compare_exchange_strong(&all[0]->seen, &want, 8));
    while (clients.next != &clients) {
        struct list *l = clients.next;
        (clients.next = l->next)->prev = &clients;
        free(container_of(l, struct client, link));
    }
    return 0;
}
