/* Computed goto: label addresses in static tables, functions called in between. */
//! direct: step
#include <stdio.h>

int outside(int x);

static int step(int x)
{
    return x + 1;
}

int run(const unsigned char *code)
{
    static const void *const table[] = {&&halt, &&add, &&twice, [3] = &&call, [4 ... 6] = &&skip};
    static const int offsets[] = {&&halt - &&halt, &&add - &&halt};
    void *next;
    int x = offsets[0];
    goto *table[*code++];
add:
    x = step(x);
    goto *table[*code++];
twice:
    x *= 2;
    goto *(next = (void *)table[*code++]);
call:
    x = outside(x);
skip:
    goto *table[*code++];
halt:
    return x;
}

int outside(int x)
{
    __label__ here, there;
    if (x > 100)
        goto there;
here:
    return x * 100;
there:
    x -= 100;
    goto here;
}

int main(void)
{
    printf("%d\n", run((const unsigned char[]){1, 1, 2, 3, 5, 1, 0}));
    return 0;
}
