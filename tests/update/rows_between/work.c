/* Tables that the program writes get rows in the middle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct option {
    const char *name;
    int value;
#if VERSION == 6
    int limit;
#endif
    char note[64];
};

static struct option options[] = {
#if VERSION == 6
    { "gamma", 3, 33 },
    { "alpha", 1, 11 },
#elif VERSION == 4
    { "other", 1 },
    { "gamma", 3 },
    { "delta", 4 },
#elif VERSION == 5
    { "gamma", 30 },
#else
    { "alpha", 1 },
#if VERSION >= 2
    { "beta", 2 },
#endif
    { "gamma", 3 },
#if VERSION == 3
    { "delta", 4 },
#endif
#endif
};

/* Of a type without a name; the order changes. */
static struct {
    int kind;
    long uses;
} uses[] = {
#if VERSION == 2
    { 'c', 0 },
    { 'b', 0 },
#endif
    { 'a', 0 },
#if VERSION != 2
    { 'b', 0 },
#endif
};

/* Numbers stay where they are, unless it looks otherwise. */
static int sums[] = {
    10,
#if VERSION == 7
    15,
#endif
    20,
#if VERSION == 2
    30,
#endif
};

void command(const char *line)
{
    const char *equals = strchr(line, '=');
    size_t length = equals ? (size_t)(equals - line) : strlen(line);
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++)
        if (uses[i].kind == line[0] || (line[0] == 'g' && uses[i].kind == 'b'))
            printf("%ld. ", ++uses[i].uses);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strlen(options[i].name) == length && strncmp(options[i].name, line, length) == 0) {
            if (equals)
                sums[1] += options[i].value = atoi(equals + 1);
            printf("%s is %d sums %d %d\n", options[i].name, options[i].value, sums[0], sums[1]);
#if VERSION == 6
            printf("%d\n", options[i].limit);
#endif
            return;
        }
    }
    puts("no such option");
}
