/* Pragmas in the text: packing, optimisation, renaming, diagnostics. */
#include <stdio.h>

#include "pragmas.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wunused-variable"
_Pragma("GCC diagnostic ignored \"-Wunused-function\"") static int unused(void) { return 1; }
#pragma GCC diagnostic pop

#pragma GCC push_options
#pragma GCC optimize("O3")
static int optimised(int x)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        x += other(i);
    return x;
}
#pragma GCC pop_options

int main(void)
{
    printf("%d %d %d\n", optimised(1), (int)sizeof(struct tight), redirected(2));
#pragma GCC ivdep
    for (int i = 0; i < 2; i++)
        printf("%d\n", other(i));
    return 0;
}
