/* HOLD: who has the pointer that `alg_find` returns while the update is applied. */
#include <stdio.h>

#include "serve.h"
#include "table.h"

#ifndef HOLD
#define HOLD 0
#endif

#if HOLD == 2
static const struct alg *kept;
#endif

static void command(const char *line)
{
    const struct alg *alg = alg_find(line);
#if HOLD == 2
    kept = alg;
#endif
    printf("%s: %d %d\n", line, alg_number(line), alg ? use(alg) : 0);
}

int main(void)
{
    char line[200];
    setvbuf(stdout, NULL, _IOLBF, 0);
#if HOLD == 1
    const struct alg *first = alg_find("one");
#endif
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        command(line);
#if HOLD == 1
        use(first);
#endif
    }
#if HOLD == 2
    use(kept);
#endif
    return 0;
}
