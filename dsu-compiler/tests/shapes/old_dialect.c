/* A strict and old dialect; nothing may be said in words that it does not know. */
/*! wrap: struct conn */
/*! wrap: struct list */
/*! flags: -std=c89 */
#include <stdio.h>

void *old_memory(unsigned long);

struct conn {
    int fd;
#ifndef OLD
    double ratio;
    unsigned flag : 1;
#endif
};
struct list { struct list *next;
#ifndef OLD
    struct { struct list **previous, *next; } links;
#endif
    struct conn conn; };

#ifndef OLD
static struct conn make(int fd)
{
    struct conn c = { 0 };
    c.fd = fd;
    c.ratio = fd / 2.0;
    return c;
}

int main(void)
{
    struct list *l = old_memory(sizeof *l), other, **walk;
    register struct conn c;
    double (*get)(struct conn *) = 0;
    l->links.previous = &l->next;
    other = *l;
    walk = other.links.previous;
    c = make(3);
    printf("%d %f %d %d %d\n", walk == &l->next, make(5).ratio, c.flag, l->conn.flag, get == 0);
    for (l->conn.fd = 0; l->conn.ratio < 3; l->conn.ratio++)
        ;
    printf("%f\n", l->conn.ratio);
    return 0;
}
#else
int main(void) { return 0; }
#endif
