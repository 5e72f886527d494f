/* A configuration that names what is not there. */
//! config: [[update-point]]
//! config: function = "main"
//! config: loop = 1
//! config: quiescent = ["accept"]
//! link-fails: quiescent call accept is not called by name
#include <stdio.h>

int main(void)
{
    for (int i = 0; i < 2; i++)
        puts("one");
    while (0)
        ;
    return 0;
}
