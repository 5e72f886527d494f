#include "conn.h"

/* How many are made at a time: the running program's own number counts. */
static int batch = VERSION == 1 ? 2 : 200;
#if VERSION == 1
static const struct conn constant[2] = { { .id = 7 }, { .id = 8 } };
#elif VERSION == 2
static const struct conn constant[2] = { { .id = 7 }, { .id = 8, .weight = 80 } };
#else
static const struct conn constant[2] = { [1] = { .id = 8, .weight = 80 } };
#endif

#if VERSION >= 2
static int total(const struct conn *from, int count)
{
    struct conn copies[3], empty = { 0 }, one = { from->id, from->weight, "one" };
    int sum = empty.weight + one.weight;
    for (int i = 0; i < count; i++) {
        copies[i] = *from;
        sum += copies[i].weight;
    }
    return sum;
}
#endif

void command(const char *line)
{
    struct conn *c = find(atoi(line)), *spare = malloc(sizeof *spare);
    int made = 0;
    struct conn *several = malloc((made += batch) * sizeof *several);
    several[made - 1].id = batch;
    c->hits++;
    spare->id = constant[0].id;
#if VERSION == 1
    printf("%d %ld v1\n", c->id, c->hits);
#elif VERSION == 2
    c->weight++;
    spare->weight = constant[1].weight;
    several[made - 1].weight = made == batch;
    printf("%d %ld %d %d %d v2\n", c->id, c->hits, c->weight, total(c, 2), spare->weight * several[made - 1].weight);
#else
    c->range.high++;
    spare->range.low = 2;
    printf("%d %ld %d %d %d %d v3\n", c->id, c->hits, c->weight, total(c, 3), c->range.high, spare->range.low);
#endif
    free(spare);
    free(several);
    batch += line[0] == '+';
}
