/* Fields that come one after the other, each with a constant that it begins with. */
#include <stdio.h>
#include <stdlib.h>

#define FROM_2(...)
#define FROM_3(...)
#if VERSION >= 2
#undef FROM_2
#define FROM_2(...) __VA_ARGS__
#endif
#if VERSION >= 3
#undef FROM_3
#define FROM_3(...) __VA_ARGS__
#endif

struct item {
    char name[192];
    FROM_2(int fd;)
    FROM_3(short limit; unsigned mode : 3; char big[600]; long beside;)
};

static struct item *items[10];
static int count;

static struct item *new_item(void)
{
    struct item *i = malloc(sizeof *i);
    if (!i)
        return NULL;
    i->name[0] = 0;
    FROM_2(i->fd = VERSION == 3 ? -3 : -1;)
    FROM_3(i->limit = -5; i->mode = 6; i->beside = 1L << 40; i->big[0] = 0;)
    return i;
}

void command(const char *line)
{
    if (*line == '+')
        items[count++] = new_item();
    struct item *i = items[*line == '+' ? count - 1 : *line - '0'];
    printf("i%s", i->name);
    FROM_2(printf(" %d", i->fd);)
    FROM_3(printf(" %d %d %ld", i->limit, i->mode, i->beside);)
    puts(".");
}
