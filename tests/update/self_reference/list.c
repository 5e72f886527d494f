/* Variables whose initialisers refer to themselves, as list heads do. */
#include <stdio.h>
#include <stdlib.h>

struct node {
    struct node *next;
    int value;
};
struct head {
    struct node *first, **last;
};

struct head list = {NULL, &list.first};
static struct head other = {NULL, &(other).first};

static void append(struct head *head, int value)
{
    struct node *node = malloc(sizeof *node);
    node->next = NULL;
    node->value = value;
    *head->last = node;
    head->last = &node->next;
}

static int sum(const struct head *head)
{
    static struct head counted = {NULL, &counted.first};
    append(&counted, 0);
    int total = 0;
    for (const struct node *node = counted.first; node; node = node->next)
        total++;
    for (const struct node *node = head->first; node; node = node->next)
        total += node->value * VERSION;
    return total;
}

void command(const char *line)
{
    append(&list, atoi(line) * 100);
    append(&other, 1000);
    int first = sum(&list);
    printf("%d %d\n", first, sum(&other));
}
