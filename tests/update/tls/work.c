#include <stdio.h>

extern __thread int shared;
int bump(void);

static __thread int mine = 10;
static __thread char text[16] = "t";
#if VERSION >= 2
static __thread int added = 70;
__thread long added_external = 700;
static __thread struct { int x; char big[5000]; } zero;
#endif
#if VERSION == 1
static __thread int removed = 1;
#endif

static int counter(void)
{
    static __thread int n = 100;
    return ++n;
}

void use(int id)
{
    mine++;
    text[0]++;
    shared += 10;
#if VERSION == 1
    printf("%d: v1 %d %s %d %d %d\n", id, mine, text, counter(), bump() - shared, removed++);
#else
    zero.big[4999]++;
    printf("%d: v%d %d %s %d %d %d %ld %d\n", id, VERSION, mine, text, counter(), bump() - shared, added++,
           added_external++, zero.big[4999] + zero.x);
#endif
}
