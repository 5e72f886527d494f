/* A loop whose waiting lies two calls down, and one such loop inside another. */
#include "serve.h"

#include <string.h>

int current(void);
static int depth;

static int wait_for(char *line, int size)
{
    return next_line(line, size);
}

static int process(char *line, int size)
{
    int n = wait_for(line, size);
    if (n > 0 && !strcmp(line, "again"))
        printf("again %d\n", current());
    return n;
}

static void inner(void)
{
    char line[100];
    depth++;
    printf("inner %d\n", depth);
    for (;;) {
        if (process(line, sizeof line) < 0 || !strcmp(line, "up"))
            break;
        if (!strcmp(line, "down"))
            inner();
        printf("%s at %d: %d\n", line, depth, current());
    }
    depth--;
}

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    for (;;) {
        if (process(line, sizeof line) < 0)
            break;
        if (!strcmp(line, "down"))
            inner();
        printf("%s at main: %d\n", line, current());
    }
    return 0;
}
