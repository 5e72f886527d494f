/* Tables that only the start of the program goes through. */
#include <stdio.h>
#include <string.h>

struct module {
    const char *name;
    int index;
};

static struct module first = { "first", 0 }, second = { "second", 0 };
#if VERSION == 2
static struct module third = { "third", 0 };
#endif

static struct module *const modules[] = {
    &first,
    &second,
#if VERSION == 2
    &third,
#endif
    NULL,
};

static int begun;
static void begin_one(void) { begun += 1; }
static void begin_two(void) { begun += 10; }

struct step {
    const char *name;
    void (*begin)(void);
};
static const struct step steps[] = {
    { "one", begin_one },
    { "two", begin_two },
#if VERSION == 3
    { "three", begin_two },
#endif
};

static const int sizes[] = {
    1, 2,
#if VERSION >= 4
    5,
#endif
};
static int total;

__attribute__((constructor)) static void prepare(void)
{
    for (int i = 0; modules[i]; i++)
        modules[i]->index = i + 1;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        steps[i].begin();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        total += sizes[i];
}

void command(const char *line)
{
    (void)line;
    for (int i = 0; modules[i]; i++)
        printf("%s %d, ", modules[i]->name, modules[i]->index);
    printf("%zu steps, begun %d, %zu sizes, %d\n", sizeof steps / sizeof *steps, begun, sizeof sizes / sizeof *sizes, total);
}
