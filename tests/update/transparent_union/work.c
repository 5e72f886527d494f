#include <stdio.h>

struct node {
    int number;
};
struct named {
    struct node node;
    const char *name;
};
/* An argument becomes the union around it without a word in the source. */
typedef union {
    struct node *node;
    struct named *named;
} any_node __attribute__((transparent_union));

static int number_of(any_node n)
{
    return n.node->number;
}

void command(const char *line)
{
    static struct named n = {{7}, "n"};
    static struct node plain = {1};
    printf("%s: %d v%d\n", line, number_of(&n) + number_of(&plain), VERSION);
}
