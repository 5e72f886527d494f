/* A block of a side table goes with its object where the program's own functions free it, and stays where they only may. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct session *next;
    long id;
#if VERSION == 2
    long hits;
    char note[40];
#endif
    char name[48];
};

void xfree(void *p);
void drop(const char *what, void *p);
void give(int pool, void *p);
void *retire(void *p);
void now_and_then(void *p);
void in_a_loop(int n, void *p);

static struct session *make(long id)
{
    struct session *s = calloc(1, sizeof *s);
    s->id = id;
#if VERSION == 2
    s->hits = id;
    snprintf(s->note, sizeof s->note, "note %ld", id);
#endif
    return s;
}

static void check(const struct session *s)
{
#if VERSION == 2
    char note[40];
    snprintf(note, sizeof note, "note %ld", s->id);
    if (s->hits != s->id || strcmp(s->note, note))
        printf("wrong: %ld\n", s->id);
#else
    (void)s;
#endif
}

void command(const char *line)
{
    static void *fillers[4000];
    static int filled;
    static struct session *odd;
    for (int i = 0; i < atoi(line); i++) {
        struct session *a = make(3 * i), *b = make(3 * i + 1), *c = make(3 * i + 2);
        check(a), check(b), check(c);
        xfree(a);
        give(1, b);
        give(1, NULL);
        drop("one", (void *)c);
        /* None of the next objects is in the same place. */
        for (int n = 0; n < 3; n++)
            fillers[filled++] = malloc(sizeof(struct session));
    }
    if (*line == 'k') {
        struct session *p = make(77), *q = make(78), *r = make(79);
        free(retire(p));
        check(p);
        now_and_then(q);
        now_and_then(r);
        check(r);
        in_a_loop(0, r);
        check(r);
        if (odd) {
            check(odd);
            xfree(odd);
        }
        odd = r;
    }
    printf("done %d\n", filled && fillers[filled - 1] != NULL);
}
