#include <stdio.h>
#include <string.h>

/* Another one than in other.c. */
struct state {
    long count;
#if VERSION > 1
    long sum;
#endif
};

static struct state state;
long other(void);

void command(const char *line)
{
    state.count++;
#if VERSION > 1
    state.sum += (long)strlen(line);
#endif
    printf("%s: %ld %ld\n", line, state.count, other());
}
