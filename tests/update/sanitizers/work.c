#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version 2 has a field more, and three errors. */
struct conn {
    char name[64];
    int hits;
#if VERSION == 2
    int limit;
#endif
};

static struct conn *kept;

void command(const char *line)
{
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        strcpy(kept->name, "conn");
    }
    kept->hits++;
#if VERSION == 1
    printf("%s %d v1\n", kept->name, kept->hits);
#else
    kept->limit++;
    if (strcmp(line, "beyond") == 0)
        kept[1].limit = 1;
    if (strcmp(line, "freed") == 0)
        free(kept);
    if (strcmp(line, "overflow") == 0)
        kept->limit += INT_MAX;
    printf("%s %d %d v2\n", kept->name, kept->hits, kept->limit);
#endif
}
