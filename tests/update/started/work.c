/* What the start of the program makes of new data is missing in a running one. */
#include <stdio.h>
#include <string.h>

struct directive {
    const char *name;
    size_t length;
};

static struct directive directives[] = {
#if VERSION == 3
    { "third", 0 },
#endif
    { "first", 0 },
    { "second", 0 },
};

#if VERSION >= 2
static int started, both = 2;
static const char *fixed = "fixed";
#endif

static void prepare_all(void)
{
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++)
        directives[i].length = strlen(directives[i].name);
#if VERSION >= 2
    started = 5;
    both = 3;
#endif
}

void prepare(void)
{
    prepare_all();
}

void command(const char *line)
{
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++)
        if (directives[i].length == strlen(line) && strcmp(directives[i].name, line) == 0)
            printf("directive ");
#if VERSION >= 2
    if (*line == '+')
        both++;
    printf("%d %d %s\n", started, both, fixed);
#else
    puts(line);
#endif
}
