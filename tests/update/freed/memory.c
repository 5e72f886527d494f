/* The program's own functions to free memory with. */
#include <stdlib.h>

static long in_use;

static void count(void *p)
{
    if (p)
        in_use--;
}

void xfree(void *p)
{
    if (p == NULL)
        return;
    count(p);
    free(p);
}

void drop(const char *what, void *p)
{
    if (*what)
        in_use += 0;
    xfree(p);
}

void give(int pool, void *p)
{
    if (p)
        xfree(p);
    else
        in_use += pool;
}

/* Does not free: the next one does. */
void *retire(void *p)
{
    static void *retired;
    void *before = retired;
    if (!p)
        return before;
    retired = p;
    return before;
}

/* Frees now and then. */
void now_and_then(void *p)
{
    static int turn;
    if (turn++ & 1)
        return;
    xfree(p);
}

void in_a_loop(int n, void *p)
{
    while (n--)
        free(p);
}
