#include <stdio.h>
#include <stdlib.h>

/* v2: a struct known only by a pointer. v3: a member without a tag, of the same size. v4: a struct of one function. v5: a variable
 * becomes thread-local. */
typedef struct {
    int a;
#if VERSION == 2
    char pad[100];
#endif
    int b;
} *handle;

struct outer {
    struct {
        char x;
        char y
#if VERSION == 3
            __attribute__((aligned(2)))
#endif
            ;
        int z;
    } in;
};

static void *store, *other_store;
static struct outer outer;
#if VERSION == 5
static __thread int count;
#else
static int count;
#endif
/* v6: a constant more, which is no change of shape. */
static enum { IDLE, BUSY,
#if VERSION == 6
    DONE,
#endif
} state;

static int other(void)
{
    struct local {
        int pad, a;
    } l = {1, 2};
    return l.a;
}

void command(const char *line)
{
    struct local {
#if VERSION == 4
        int pad;
#endif
        int a;
    };
    handle h = store ? store : (store = calloc(1, sizeof *h));
    struct local *l = other_store ? other_store : (other_store = calloc(1, sizeof *l));
    h->b++;
    l->a++;
    outer.in.y++;
    count++;
    state = BUSY;
    (void)line;
    printf("%d: %d %d %d %d %d %d\n", VERSION, h->b, l->a, outer.in.y, count, other(), state);
}
