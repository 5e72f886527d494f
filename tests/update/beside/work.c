#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

static struct session *sessions, *pool;
static struct session fixed = { .name = "fixed" };
static struct room hall;
static long made;

/* From the program's own pool, or fresh; cleared by hand. */
static struct session *take(void)
{
    struct session *s = pool;
    if (s)
        pool = s->next;
    else
        s = malloc(sizeof *s);
    memset(s, 0, sizeof *s);
    return s;
}

static struct session *find(const char *name)
{
    if (strcmp(name, "fixed") == 0)
        return &fixed;
    if (strncmp(name, "seat", 4) == 0)
        return &hall.seats[atoi(name + 4)];
    for (struct session *s = sessions; s; s = s->next)
        if (strcmp(s->name, name) == 0)
            return s;
    return NULL;
}

#if VERSION >= 2
static void count(long *hits)
{
    ++*hits;
}

static void describe(const struct session *s)
{
    printf(" hits=%ld note=%s at=%d,%d flag=%u mode=%u ratio=%.1f", s->hits, s->note, s->at.x, s->at.y, s->flag, s->mode,
           s->ratio);
#if VERSION == 3 || VERSION == 4
    printf(" later=%ld", s->later);
#endif
}

static void touch(struct session *s, const char *note)
{
    count(&s->hits);
    s->hits += 1;
    snprintf(s->note, sizeof s->note, "%s", note);
    s->at.x = (int)s->hits;
    s->at.y -= 1;
    s->flag++;
    s->mode ^= 5;
    s->ratio = s->ratio + 0.5;
#if VERSION == 3 || VERSION == 4
    s->later += 100;
#endif
}

static void *work(void *arg)
{
    (void)arg;
    for (struct session *s = sessions; s; s = s->next)
        for (int i = 0; i < 1000; i++)
            __atomic_add_fetch(&s->hits, 1, __ATOMIC_RELAXED);
    return NULL;
}

static long local(int depth)
{
    /* A variable without a value, one with one, and one that is cleared: all start anew wherever they lie. */
    struct session a, b = { .name = "b" }, c;
    memset(&c, 0, sizeof c);
    memset(&a, 0, sizeof a);
    touch(&a, "a");
    touch(&b, "b");
    c.hits += 40;
    long sum = a.hits + b.hits + c.hits + (depth > 0 ? local(depth - 1) : 0);
    return strcmp(a.note, "a") == 0 && strcmp(b.note, "b") == 0 && !*c.note ? sum : -1;
}
#else
static void describe(const struct session *s)
{
    (void)s;
}

static void touch(struct session *s, const char *note)
{
    (void)s, (void)note;
}

static void *work(void *arg)
{
    return arg;
}

static long local(int depth)
{
    return depth;
}
#endif

#if VERSION == 11
void duplicate(struct session *to, const struct session *from)
{
    *to = *from;
}
#elif VERSION == 12
void duplicate(struct session *to, const struct session *from)
{
    memcpy(to, from, sizeof *to);
}
#elif VERSION == 13
struct session *grow(struct session *all, size_t n)
{
    return realloc(all, n * sizeof *all);
}
#elif VERSION == 14
struct session *around(long *hits)
{
    return (struct session *)((char *)hits - offsetof(struct session, hits));
}
#elif VERSION == 15
struct session *initial(void)
{
    static struct session first = { .id = 1, .hits = 5 };
    return &first;
}
#elif VERSION == 16
void keep(void *, size_t);
void (*keeper)(void *, size_t) = keep;
void keep(void *p, size_t n)
{
    (void)p, (void)n;
}
void give(struct session *s)
{
    keeper(s, sizeof *s);
}
#elif VERSION == 17
void move_room(struct room *to, const struct room *from)
{
    *to = *from;
}
#elif VERSION == 18
long *where(void)
{
    static long *hits = &fixed.hits;
    return hits;
}
#elif VERSION == 19
static const struct session constant = { .name = "constant" };
const struct session *look(void)
{
    return &constant;
}
#elif VERSION == 20
void first(const struct session *from)
{
    struct session copy = *from;
    touch(&copy, "copy");
}
#elif VERSION == 21
struct session answer(const struct session *from)
{
    return *from;
}
#elif VERSION == 22
static struct {
    int number;
    struct session one;
} left, right;
void turn(void)
{
    left = right;
}
#elif VERSION == 23
#include <sys/mman.h>
void *arena(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
#elif VERSION == 24
int smaller(const void *a, const void *b)
{
    return (int)(((const struct session *)a)->id - ((const struct session *)b)->id);
}
void sort(struct room *room)
{
    qsort(room->seats, 3, sizeof room->seats[0], smaller);
}
#elif VERSION == 25
void both(struct session *p, struct session *q, int which, struct room *room)
{
    struct room other = { .number = 2, .seats = { [1] = which ? *p : *q } };
    (void)other, (void)room;
}
#elif VERSION == 26
enum { SIZE = sizeof(struct session) };
int size(void)
{
    return SIZE;
}
#endif

void command(const char *line)
{
    struct session *s;
    int n;
    switch (*line) {
    case '+':
        s = take();
        s->id = ++made;
        snprintf(s->name, sizeof s->name, "%s", line + 1);
        s->next = sessions;
        sessions = s;
        printf("made %ld\n", (long)s->id);
        return;
    case '-': {
        struct session **at = &sessions;
        while (*at && strcmp((*at)->name, line + 1) != 0)
            at = &(*at)->next;
        s = *at;
        *at = s->next;
        s->next = pool;
        pool = s;
        puts("put back");
        return;
    }
    case '*':
        /* Memory that really comes and goes. */
        for (n = 0; n < atoi(line + 1); n++) {
            s = calloc(1, sizeof *s);
            touch(s, "fleeting");
            if (VERSION >= 2)
                printf("calloc"), describe(s), puts("");
            free(s);
        }
        puts("gone");
        return;
    case '@': {
        pthread_t threads[8];
        for (n = 0; n < 8; n++)
            pthread_create(&threads[n], NULL, work, NULL);
        for (n = 0; n < 8; n++)
            pthread_join(threads[n], NULL);
        puts("raced");
        return;
    }
    case '?':
        printf("local %ld\n", local(3));
        return;
    case '!':
        /* Everything an object had is forgotten. */
        s = find(line + 1);
        memset(s, 0, sizeof *s);
        puts("cleared");
        return;
    case '=':
        s = find(line + 1);
        touch(s, line + 1);
        puts("touched");
        return;
    default:
        s = find(line);
        if (!s) {
            puts("none");
            return;
        }
        printf("%ld %s", (long)s->id, s->name);
        describe(s);
        puts("");
    }
}
