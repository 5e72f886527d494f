/* Statically linked programs cannot take patches: refused, with what to do. */
//! link: -static
//! link-fails: a statically linked program cannot be updated
#include <stdio.h>

int main(void)
{
    puts("static");
    return 0;
}
