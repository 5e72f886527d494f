/* Types without room, which get a field: the refusal says why there is none. */
#include <stdio.h>
#include <stdlib.h>

struct record {
    long id;
#if VERSION == 2
    long hits;
#endif
    char name[64];
};

struct pair {
    long a;
#if VERSION == 3
    long c;
#endif
    long b;
};

struct mark {
    int kind;
#if VERSION == 4
    int hits;
#endif
};

struct tag {
    int kind;
#if VERSION == 5
    int hits;
#endif
};
_Static_assert(sizeof(struct tag) == sizeof(int[VERSION == 5 ? 2 : 1]), "tags are as long as they say");

static struct record *record;
static struct pair *pair;

static struct mark mark = { VERSION };
static struct tag tag = { VERSION };

static void save(const struct record *r)
{
    FILE *f = fopen("/dev/null", "w");
    if (f) {
        fwrite(r, sizeof *r, 1, f);
        fwrite(&mark, sizeof mark, 1, f);
        fclose(f);
    }
}

void command(const char *line)
{
    (void)line;
    if (!record) {
        record = calloc(1, sizeof *record);
        pair = calloc(1, sizeof *pair);
    }
    record->id++;
    pair->b++;
    save(record);
    printf("%ld %ld\n", record->id, pair->b);
#if VERSION == 2
    printf("%ld\n", record->hits++);
#elif VERSION == 3
    printf("%ld\n", pair->c++);
#elif VERSION == 4
    printf("%d\n", mark.hits++);
#elif VERSION == 5
    printf("%d\n", tag.hits++);
#endif
}
