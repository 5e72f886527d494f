/* Flags under which generated text would be rejected, were it compiled as strictly as the user's. */
//! flags: -std=c99 -Werror -Wall -Wextra -pedantic-errors -Wmissing-prototypes -Wstrict-prototypes -Wshadow
//! flags: -Wredundant-decls -Wnested-externs -Wdeclaration-after-statement -Wmissing-declarations -Wwrite-strings
//! flags: -Wold-style-definition -Wundef -Wpointer-arith -Wcast-qual -Wconversion -Wformat=2 -Wunused-macros
//! config: [[update-point]]
//! config: function = "main"
//! config: loop = 1
//! config: quiescent = ["next"]
//! stdin: ab\n
#include "pedantic.h"

#include <stdio.h>

static int local(int x);

int main(void)
{
    int (*pointer)(int) = local, c;
    while ((c = next()) > 0)
        printf("%d %d\n", c, pointer(other(c)));
    return 0;
}

static int local(int x)
{
    return x + 1;
}
