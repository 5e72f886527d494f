/* Structs that the new source lets begin with another one, for code that takes them for that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct base {
    int kind;
    long count;
};

struct connection {
#if VERSION == 2 || VERSION == 3 || VERSION == 5
    struct base base;
#elif VERSION == 4
    long started;
#endif
    char name[56];
#if VERSION == 1 || VERSION == 4
    struct base base;
#endif
};

static struct connection *connection;

static void touch(struct base *base)
{
    base->count++;
}

static void visit(void *anything)
{
#if VERSION == 3
    touch(anything);
#else
    (void)anything;
#endif
}

void command(const char *line)
{
    (void)line;
    if (!connection) {
        connection = calloc(1, sizeof *connection);
        connection->base.kind = 7;
        strcpy(connection->name, "connection");
    }
#if VERSION == 2
    touch((struct base *)connection);
#elif VERSION == 3
    visit(connection);
#else
    touch(&connection->base);
#endif
#if VERSION == 4
    connection->started++;
#endif
    printf("v%d %s %d %ld\n", VERSION, connection->name, connection->base.kind, connection->base.count);
}
