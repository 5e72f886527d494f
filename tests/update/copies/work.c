/* Objects that are copied, cleared, moved and pointed into, before and after their struct gets a field. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct list *next;
};

struct node {
    long key;
    char text[48];
    struct list link;
#if VERSION == 2
    int rank;
    const char *note;
#endif
    union {
        long number;
        char letters[8];
#if VERSION == 2
        double real;
#endif
    } value;
};

#define NODE(l) ((struct node *)(void *)((char *)(l) - offsetof(struct node, link)))

static struct list *head;
static struct node *pool;
static int size;
static struct node spare;

static struct node made(long key)
{
    struct node n = {.key = key, .text = "made"};
    n.value.number = 10 * key;
#if VERSION == 2
    n.rank = (int)key;
    n.note = "new";
#endif
    return n;
}

static void show(struct node n)
{
    printf("%ld %s %ld", n.key, n.text, n.value.number);
#if VERSION == 2
    printf(" rank %d note %s", n.rank, n.note ? n.note : "none");
#endif
    puts("");
}

void command(const char *line)
{
    long key = atol(line + 1);
    if (*line == '+') { /* into the pool, which moves */
        pool = realloc(pool, (size_t)(size + 1) * sizeof *pool);
        pool[size] = made(key);
        size++;
        printf("%d in the pool\n", size);
    } else if (*line == '*') { /* onto the list */
        struct node *n = malloc(sizeof *n);
        *n = made(key);
        n->link.next = head;
        head = &n->link;
        puts("linked");
    } else if (*line == 'p') {
        show(pool[key]);
    } else if (*line == 'l') {
        for (struct list *l = head; l; l = l->next)
            show(*NODE(l));
    } else if (*line == 'c') { /* copies */
        spare = pool[key];
        struct node local;
        memcpy(&local, &spare, sizeof local);
        local.key += 100;
        show(local);
#if VERSION == 2
        spare.rank += 50;
        show(spare);
        show(pool[key]);
#endif
    } else if (*line == 'z') { /* reuse */
        memset(&pool[key], 0, sizeof pool[key]);
        pool[key].key = key;
        strcpy(pool[key].text, "reused");
        show(pool[key]);
    } else if (*line == 's') {
        show(spare);
    }
}
