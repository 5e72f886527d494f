//! link: -rdynamic -ldl
//! flags: -D_GNU_SOURCE
#include "serve.h"

#include <dlfcn.h>

int real(int), other_name(int), overridden(int), weak_default(int);
int renamed(int) __asm__("another_symbol");

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    int (*by_name)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "real");
    int (*by_alias)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "other_name");
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        printf("%s: %d %d %d %d %d %d %d\n", line, real(0), other_name(1), by_name(2), by_alias(3), overridden(4),
               weak_default(5), renamed(6));
    return 0;
}
