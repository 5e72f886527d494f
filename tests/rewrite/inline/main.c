/* Inline functions of all kinds, in a header that two units include. */
//! indirect: other external_user plain_c99
//! direct: header_static only_here
#include <stdio.h>

#include "inline.h"

static inline int only_here(int x)
{
    return header_static(x) * 2;
}

/* Emits the external definition of the inline function of the header. */
extern inline int emitted_here(int x);

int main(void)
{
    printf("%d %d\n", header_static(1), only_here(3));
    printf("%d %d\n", emitted_here(4), other(5));
    printf("%d\n", gnu_style(6));
    printf("%d\n", always(7));
    printf("%d\n", plain_c99(8));
    printf("%d\n", counter() + counter() + counter());
    printf("%d\n", external_user(9));
    printf("%d\n", pointer_here() == pointer_there());
    return 0;
}

int (*pointer_here(void))(int)
{
    return emitted_here;
}
