/* Objects with fields in a side table come and go: what stays of them is memory that others took. */
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

struct pair {
    struct session *a, *b;
};

#define FREE(p) (free(p), (p) = NULL)

static struct session *make(long id)
{
    struct session *s = calloc(1, sizeof *s);
    s->id = id;
#if VERSION == 2
    if (s->hits || *s->note)
        puts("not clear");
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
    static struct session *kept;
    static void *fillers[4000];
    static int filled;
    if (!kept)
        kept = make(7);
    if (*line == 'k') {
#if VERSION == 2
        printf("kept %ld '%s'\n", kept->hits, kept->note);
#else
        puts("kept");
#endif
        return;
    }
    for (int i = 0; i < atoi(line); i++) {
        struct pair pair = { make(3 * i), make(3 * i + 1) };
        struct session *last = make(3 * i + 2);
        struct session *none = NULL;
        check(pair.a), check(pair.b), check(last);
        FREE(pair.a);
        free((void *)(i % 2 ? pair.b : last));
        free(i % 2 ? last : pair.b);
        free(none);
        /* None of the next objects is in the same place. */
        for (int n = 0; n < 3; n++)
            fillers[filled++] = malloc(sizeof(struct session));
    }
    printf("done %d\n", filled && fillers[filled - 1] != NULL);
}
