/* Tells where it was called from, and lets itself be looked at. */
//! flags: -D_GNU_SOURCE
//! link: -rdynamic
#include "serve.h"
#include "trace.h"

#include <string.h>

void command(const char *line);
int called_back(int x);

__attribute__((noinline)) int called_back(int x)
{
    return x + 1;
}

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    trace("ready");
    while (next_line(line, sizeof line) >= 0)
        command(line);
    return 0;
}
