/* Ways to write that are easily overlooked. */
#include <stdio.h>
#include <stdlib.h>

struct entry {
    int key, hits;
};
static struct entry entries[] = {{1, 0}, {VERSION + 1, 0}};
static int added = VERSION * 10;
static int exchanged = VERSION * 10;
static int far = VERSION * 10;
static int extended = VERSION * 10;
static int timeout = VERSION + 7; /* not the number of a line, though it stands on one above */
#if VERSION == 1
static int lines = 18;
#else
static int lines = 21;
#endif




static int by_key(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void command(const char *line)
{
    int key = 1;
    struct entry *found = bsearch(&key, entries, 2, sizeof *entries, by_key);
    found->hits++;
    if (__atomic_add_fetch(&added, 1, __ATOMIC_SEQ_CST) > 1000 || !__atomic_exchange_n(&exchanged, 77, __ATOMIC_SEQ_CST))
        puts("too many");
    far










        = far + 1;
    int *p = __extension__ & extended;
    ++*p;
    (void)line;
    printf("%d: %d %d %d %d %d, %d %d\n", VERSION, entries[0].hits, added, exchanged, far, extended, timeout, lines);
}
