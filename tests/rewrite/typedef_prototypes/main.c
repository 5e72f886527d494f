/* Functions declared by typedef, several in one declaration, with variables among them. */
//! indirect: open_handler close_handler left right apply
//! stub: open_handler close_handler
#include <stdio.h>

#include "handlers.h"

static handler_t before, after;
static int first(int), second(int), value = 3, *pointer = &value;
int left(int), right(int), shared, *where(void);

static int before(int x)
{
    return x - 1;
}

static int after(int x)
{
    return x + 1;
}

static int first(int x)
{
    return second(x) + *pointer;
}

static int second(int x)
{
    return x * value;
}

int main(void)
{
    handler_t *list[] = {open_handler, &close_handler, before, after, *open_handler, **before};
    handler_t nested;
    for (unsigned i = 0; i < sizeof list / sizeof *list; i++)
        printf("%d ", list[i](10));
    printf("\n%d %d %d\n", open_handler(1), close_handler(2), apply(before, 5));
    printf("%d %d %d\n", first(2), left(3), right(4));
    shared = 12;
    printf("%d %d\n", *where(), nested(2));
    printf("%d\n", ((int (*)(int))open_handler)(7));
    return 0;
}
