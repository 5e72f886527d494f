/* A configuration that names what is not there. */
//! config: [[update-point]]
//! config: function = "main"
//! config: loop = 3
//! link-fails: update point in function main
//! link-fails: lines 11, 13
#include <stdio.h>

int main(void)
{
    for (int i = 0; i < 2; i++)
        puts("one");
    while (0)
        ;
    return 0;
}
