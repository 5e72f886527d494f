/* A program that updates itself. */
#include "serve.h"

#include <dsu.h>
#include <errno.h>
#include <string.h>

void command(const char *line);
#ifndef __DSU_CC__
#error "only with dsu-cc"
#endif

int main(void)
{
    char line[1000];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strncmp(line, "apply ", 6)) {
            errno = 5;
            int result = dsu_apply(line + 6);
            printf("result %d %d\n", result, errno);
        } else if (!strcmp(line, "message")) {
            puts(dsu_last_message());
        } else {
            command(line);
        }
    }
    return 0;
}
