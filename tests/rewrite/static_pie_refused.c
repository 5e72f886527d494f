/* Statically linked programs cannot take patches: refused, with what to do. */
//! flags: -fPIE
//! link: -static-pie
//! link-fails: a statically linked program cannot be updated
#include <stdio.h>

int main(void)
{
    puts("static");
    return 0;
}
