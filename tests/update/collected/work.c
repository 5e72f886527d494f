//! flags: -ffunction-sections -fdata-sections
//! link: -Wl,--gc-sections
#include <stdio.h>

int used(int), unused(int);
extern int unused_data;

void command(const char *line)
{
#if VERSION == 1
    printf("%s: %d\n", line, used(1));
#else
    printf("%s: %d %d %d\n", line, used(1), unused(2), unused_data++);
#endif
}
