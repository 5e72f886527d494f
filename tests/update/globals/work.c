#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state.h"

static int own = 10;
static char text[20] = "start";
static int *heap;
#if VERSION == 1
static int removed_static = 7;
int removed_global = 8;
#else
static int added_static = 70;
int added_global = 80;
static int added_zero[100];
static const char *added_pointer = "new", *list[] = {"x", "y"};
#endif

static int counter(void)
{
    static int n = 100;
#if VERSION == 2
    static int added = 500;
    n += ++added;
#endif
    return ++n;
}

static int same_name(int which)
{
    if (which) {
        static int n = 1000;
        return ++n;
    }
    static int n = 2000;
    return ++n;
}

void command(const char *line)
{
    if (!heap)
        heap = calloc(1, sizeof *heap);
    own++;
    shared++;
    ++*heap;
    strcat(text, line);
    table[3].used++;
#if VERSION == 1
    printf("1 %d %d %d %s %d %d\n", own, shared, *heap, text, removed_static++, removed_global++);
#else
    added_zero[5]++;
    printf("2 %d %d %d %s %d %d %d %s%s\n", own, shared, *heap, text, added_static++, added_global++, added_zero[5],
           added_pointer, list[1]);
#endif
    printf("%d %d %d %d %d\n", counter(), same_name(0), same_name(1), table[3].used, look());
}
