/* Objects whose new fields begin with something in new code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum state { FRESH = 3, DONE };

#define UNSET (-1)

struct conn {
    long id;
    char name[64];
#if VERSION == 2
    int fd;
    enum state state;
    double ratio;
    unsigned long mask;
    unsigned level : 5;
    long perhaps;
    long given;
    void *nothing;
    long plain;
    char *text;
#endif
};

/* There are objects of this one that no call makes. */
struct user {
    char name[64];
#if VERSION == 2
    int limit;
#endif
};

/* Made in two places. */
struct item {
    char name[64];
#if VERSION == 2
    int same;
    int other;
#endif
};

static struct conn *conns[10];
static struct item *items[10];
static struct user root;
static struct user *users[10];
static int count;

static struct conn *new_conn(const char *name)
{
    struct conn *c;

    if ((c = malloc(sizeof *c)) == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    c->id = count;
    snprintf(c->name, sizeof c->name, "%s", name);
#if VERSION == 2
    c->fd = UNSET;
    c->state = FRESH;
    c->ratio = 0.5;
    c->mask = ~0UL;
    c->level = 1 << 3;
    if (name[0] == 'x')
        c->perhaps = 5;
    c->given = (long)strlen(name);
    c->nothing = NULL;
    c->text = c->name;
    c->fd = c->fd > 0 ? 7 : c->fd;
#endif
    return c;
}

static struct item *new_item(int big)
{
    struct item *i = big ? NULL : calloc(1, sizeof(struct item));

    if (big) {
        i = malloc(sizeof(struct item) + 100);
        memset(i, 0, sizeof *i);
#if VERSION == 2
        i->same = i->other = 4;
    } else {
        i->other = (i->same = 4) + 1;
#endif
    }
#if VERSION == 2
    if (!big)
        i->same = 4;
#endif
    return i;
}

static struct user *new_user(void)
{
    struct user *u = calloc(1, sizeof *u);
#if VERSION == 2
    u->limit = 9;
#endif
    return u;
}

static void show(const struct conn *c)
{
    printf("%ld %s", c->id, c->name);
#if VERSION == 2
    printf(" fd=%d state=%d ratio=%.1f mask=%lx level=%u perhaps=%ld given=%ld nothing=%d plain=%ld text=%d", c->fd, c->state,
           c->ratio, c->mask, c->level, c->perhaps, c->given, c->nothing == NULL, c->plain, c->text != NULL);
#endif
    puts("");
}

void command(const char *line)
{
    if (*line == '+') {
        conns[count] = new_conn(line + 1);
        items[count] = new_item(count & 1);
        users[count] = new_user();
        printf("made %d\n", count++);
        return;
    }
    if (*line >= '0' && *line <= '9') {
        show(conns[*line - '0']);
        return;
    }
#if VERSION == 2
    for (int i = 0; i < count; i++)
        printf("%d/%d/%d ", items[i]->same, items[i]->other, users[i]->limit);
    printf("%d\n", root.limit);
#else
    printf("%s %s\n", root.name, items[0]->name);
#endif
}
