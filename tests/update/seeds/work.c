/* Static objects of a struct that changes, and tables that grow. */
#include <stdio.h>
#include <string.h>

struct rule {
    char name[40];
    int cost;
    long uses;
    int history[4];
#if VERSION >= 2
    int limit;
    char unit[8];
#endif
};

struct book {
    int number;
    struct rule rules[2];
};

#if VERSION == 1
static struct rule rules[2] = {{"a", 1, 0, {0}}, {"b", 2, 0, {0}}};
static const struct rule fixed[2] = {{.name = "f", .cost = 9}, {.name = "g", .cost = 8}};
static struct book book = {5, {{.name = "x", .cost = 3}, {.name = "y", .cost = 4}}};
static int counts[2] = {10, 20};
static unsigned short total = 65000;
static char last[4] = "abc";
#elif VERSION == 2
static struct rule rules[2] = {{"a", 1, 0, {0}, 7, "ms"}, {"b", 2, 0, {0}}};
static const struct rule fixed[2] = {{.name = "f", .cost = 9, .limit = 3}, {.name = "g", .cost = 7, .unit = "s"}};
static struct book book = {5, {{.name = "x", .cost = 3}, {.name = "y", .cost = 4, .limit = 6}}};
static int counts[2] = {10, 20};
static unsigned short total = 65000;
static char last[4] = "abc";
#else
static struct rule rules[4] = {{"a", 1, 0, {0}, 7, "ms"}, {"b", 2, 0, {0}}, {"c", 3, 0, {0}}, {"d", 4, 0, {0}, 9, "m"}};
static const struct rule fixed[2] = {{.name = "f", .cost = 9, .limit = 3}, {.name = "g", .cost = 7, .unit = "s"}};
static struct book book = {5, {{.name = "x", .cost = 3}, {.name = "y", .cost = 4, .limit = 6}}};
static long counts[3] = {10, 20, 30};
static int total = 65000;
static char last[32] = "abc";
#endif

void command(const char *line)
{
    static int calls[
#if VERSION >= 3
        4
#else
        2
#endif
    ] = {0, 50, };
    for (int i = 0; i < (int)(sizeof rules / sizeof rules[0]); i++) {
        if (strcmp(rules[i].name, line) == 0) {
            rules[i].uses++;
            rules[i].history[0] = (int)rules[i].uses;
            printf("%s cost=%d uses=%ld/%d", rules[i].name, rules[i].cost, rules[i].uses, rules[i].history[0]);
#if VERSION >= 2
            printf(" limit=%d unit=%s", rules[i].limit, rules[i].unit);
#endif
            puts("");
        }
    }
    if (strcmp(line, "fixed") == 0) {
        printf("%s %d %s %d", fixed[0].name, fixed[0].cost, fixed[1].name, fixed[1].cost);
#if VERSION >= 2
        printf(" limits %d %d unit '%s'", fixed[0].limit, fixed[1].limit, fixed[1].unit);
#endif
        puts("");
    } else if (strcmp(line, "book") == 0) {
        book.number++;
        printf("%d %s %s", book.number, book.rules[0].name, book.rules[1].name);
#if VERSION >= 2
        printf(" limits %d %d", book.rules[0].limit, book.rules[1].limit);
#endif
        puts("");
    } else if (strcmp(line, "counts") == 0) {
        counts[0]++;
        counts[1] += 2;
        total++;
        calls[0]++;
        printf("%ld %ld of %d, total %d, last %s, calls %d %d\n", (long)counts[0], (long)counts[1],
               (int)(sizeof counts / sizeof counts[0]), (int)total, last, calls[0], calls[1]);
    } else {
        snprintf(last, sizeof last, "%s", line);
    }
}
