/* Sections of their own, and those that nothing refers to removed. */
//! flags: -ffunction-sections -fdata-sections
//! link: -Wl,--gc-sections
//! variant: -O2 -g
//! variant: -O0
//! indirect: used
#include <stdio.h>

int used(int), unused(int);
extern int used_data;
int (*pointers[])(int) = {used};

__attribute__((used)) static int kept_by_attribute(int x)
{
    return x;
}

int main(void)
{
    printf("%d %d\n", used(3), used_data);
    printf("%d\n", pointers[0] == used);
    return 0;
}
