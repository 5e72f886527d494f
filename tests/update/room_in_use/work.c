#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Has room for later, as version 1 does nothing that it would show in. */
struct node {
    struct node *next;
    long a[4];
    int kind;
#if VERSION == 2
    int hits;
#endif
    char name[50];
};

static struct node *nodes;

static struct node *add(const char *name)
{
#if VERSION == 2
    struct node *n = malloc(sizeof(struct node) - sizeof n->name + strlen(name) + 1);
#else
    struct node *n = malloc(sizeof(struct node));
#endif
    n->kind = 0;
    strcpy(n->name, name);
    n->next = nodes;
    return nodes = n;
}

void command(const char *line)
{
    struct node *n = add(line);
#if VERSION == 2
    n->hits++;
#endif
#if VERSION == 3 || VERSION == 4
    char bytes[2000];
    FILE *file = fmemopen(bytes, sizeof bytes, "w");
    fwrite(n, sizeof *n, 1, file);
    printf("%s: %s room\n", line, ftell(file) > 104 ? "with" : "without");
    fclose(file);
#else
    printf("%s: %s\n", line, n->name);
#endif
}
