/* What a function with a main loop did before the loop, in many ways (WAY): of that, only what can run again counts. */
//! flags: -D_GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dsu.h>

#include "serve.h"

#ifndef WAY
#define WAY 0
#endif
#define OLD (VERSION == 1)

struct part {
    int x;
    int list[2];
};

struct session {
    char name[64];
    int count;
#if OLD
    int limit;
    int marks[4];
    struct part part;
    char label[16];
#endif
};

static struct session *session;
static char line[200];
int hook_calls;
/* Variables that get another type. */
#if OLD
int total;
int table[2];
#else
long total;
long table[2];
#endif

#if OLD
static int *kept;
static jmp_buf place;

static int *same(int *p)
{
    return p;
}

static void keep(int *p)
{
    kept = p;
}

/* Gone in version 2. */
static void gone(void)
{
    session->limit++;
}

static inline void part_of_caller(void)
{
    session->limit++;
}

static void on_signal(int number)
{
    session->limit += number;
}

static void (*volatile hook)(void);
#endif

static void changed(void)
{
    hook_calls++;
#if OLD
    session->limit++;
#endif
}

static void dropped(struct session **s)
{
    (*s)->count += 0;
#if OLD
    (*s)->limit++;
#endif
}

/* Where a macro's arguments stand on several lines, line markers stand between the tokens. */
#define PLACE_OF(what) &what

static int answer(void)
{
    session->count++;
    printf("%s %d v%d\n", line, session->count + (int)(total + table[1]), VERSION);
    return 0;
}

#if WAY == 41
static void serve(int level)
{
#if OLD
    if (level > 0)
        serve(level - 1);
    session->limit++;
#endif
    while (next_line(line, sizeof line) >= 0) {
        DSU_UPDATE_POINT("serve");
        answer();
    }
}
#endif

int main(int argc, char **argv)
{
    (void)argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    session = calloc(1, sizeof *session);
#if WAY < 30
    puts("ready");
#endif
#if OLD
    /* Addresses that are taken before the loop. */
#if WAY == 1
    int *k = &session->limit;
#elif WAY == 2
    int *k = session->marks;
#elif WAY == 3
    int *k = &session->marks[argc];
#elif WAY == 4
    int *k = session->part.list;
#elif WAY == 5
    int *k = &session->part.x;
#elif WAY == 6
    int *k = &*&session->limit;
#elif WAY == 7
    int *k = &({ struct session *s = session; s; })->limit;
#elif WAY == 8
    int *k = PLACE_OF(
        session
            ->limit);
#elif WAY == 9
    int *k = session->marks + 1;
#elif WAY == 10
    keep(&session->limit);
#elif WAY == 11
    int *k = &_Generic(0, int : session->limit);
#elif WAY == 12
    int *k = &same(session->marks)[1];
#elif WAY == 13
    int *k = &__builtin_choose_expr(1, session->limit, 0);
#elif WAY == 14
    struct session *other = session;
    int *k = &(((*other).limit));
#elif WAY == 15
    int(*k)[4] = &session->marks;
#elif WAY == 16
    char *k = strchr(session->label, 0);
#elif WAY == 17
    int *k = argc > 0 ? &session->limit : NULL;
#elif WAY == 18
    struct part *k = &session->part;
#elif WAY == 19
    int *k = 1 [&session->marks];
#elif WAY == 20
    int *k = (session->marks);
#elif WAY == 21
    int *k = &(1 [session->marks]);
#elif WAY == 22
    static int *k;
    k = &session->limit;
#elif WAY == 23
    size_t k = (size_t)&session->limit;
#elif WAY == 24
    struct part part = session->part, *k = &part;
    int n = session->limit + session->marks[1] + session->part.list[0] + *session->marks;
    int m = (session->limit = 5, session->marks[2]++, -session->limit);
    memset(session->marks, 0, sizeof session->marks);
    snprintf(session->label, sizeof session->label, "%d", n + m);
    if (strlen(session->label) > 9 || !strcmp(session->label, "x"))
        return 1;
    int length = session->limit;
    char space[length];
    memset(space, 0, sizeof space);
#endif
    /* What runs again, though it stands before the loop. */
#if WAY == 30
again:
    session->limit++;
#elif WAY == 31
    void *where = &&again;
again:
    session->limit++;
#elif WAY == 32
    if (setjmp(place))
        session->limit++;
#elif WAY == 33
    for (int i = 0; i < argc; i++) {
        session->limit++;
#elif WAY == 34
    next_line(line, sizeof line);
    session->limit++;
#elif WAY == 35
    switch (argc) {
    case 1:
        session->limit++;
        while (argc < 100) {
        case 2:
            if (next_line(line, sizeof line) < 0)
                return 0;
            answer();
        }
    }
#elif WAY == 36
    do {
        switch (argc) {
        case 1:
            session->limit++;
            while (argc < 100) {
            case 2:
                if (next_line(line, sizeof line) < 0)
                    break;
                answer();
            }
        }
    } while (argc > 1);
    return 0;
#elif WAY == 37
    if (({ int i; for (i = 0; i < 2; i++) {;} session->limit = i; next_line(line, sizeof line); }) < 0)
        return 1;
#elif WAY == 38
    __asm__ volatile("incl %0" : "+m"(session->limit));
#elif WAY == 39
    for (int i = 0; i < argc; i++)
        session->limit++;
#elif WAY == 40
    for (session->limit = 5; next_line(line, sizeof line) >= 0;)
        answer();
#elif WAY == 42
    gone();
    part_of_caller();
    changed();
#elif WAY == 43
    hook = gone;
#elif WAY == 44
    hook = changed;
    signal(SIGUSR1, on_signal);
#elif WAY == 45
    hook = changed;
#elif WAY == 46
    size_t offset = offsetof(struct session, limit);
#elif WAY == 52
    while (argc > 1) {
        DSU_UPDATE_POINT("first");
        argc--;
    }
    session->limit++;
#elif WAY == 60
    total = argc + 4;
    table[1] = total;
    for (int i = 0; i < 2; i++)
        session->count += table[i];
#elif WAY == 61
    int *k = &total;
    hook_calls = *k;
#elif WAY == 62
    int *k = table;
    hook_calls = *k;
#elif WAY == 63
    int *k = &table[argc];
    hook_calls = *k;
#elif WAY == 49
    do {
        session->limit++;
    } while (next_line(line, sizeof line) >= 0);
#endif
#endif
#if WAY >= 30
    puts("ready");
#endif
#if WAY == 41
    serve(2);
#endif
    for (;;) {
        if (next_line(line, sizeof line) < 0)
            break;
#if OLD && WAY > 0 && WAY < 24 && WAY != 10
        if (k == NULL)
            return 1;
#elif OLD && WAY == 24
        session->count += k->x + (int)sizeof space;
#elif OLD && (WAY == 43 || WAY == 44 || WAY == 45)
        hook();
#elif OLD && WAY == 46
        *(int *)((char *)session + offset) = 7;
#elif WAY == 47
        struct session *s __attribute__((cleanup(dropped))) = session;
#elif OLD && WAY == 48
        part_of_caller();
#elif OLD && WAY == 50
        gone();
#elif OLD && (WAY == 61 || WAY == 62 || WAY == 63)
        ++*k;
#elif OLD && WAY == 64
        session->count += total++;
#elif WAY == 51
        changed();
#endif
        answer();
    }
#if OLD && WAY == 30
    if (argc > 1)
        goto again;
#elif OLD && WAY == 31
    if (argc > 1)
        goto *where;
#elif OLD && WAY == 32
    if (argc > 1)
        longjmp(place, 1);
#elif OLD && WAY == 33
    }
#endif
    (void)changed;
    (void)dropped;
    return 0;
}
