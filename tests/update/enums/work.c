#include <stdio.h>

enum state {
    IDLE,
#if VERSION == 2
    STARTING,
#endif
    BUSY,
    DONE
};

static enum state state = BUSY;

void command(const char *line)
{
    printf("%s: %d\n", line, state == BUSY ? 1 : state == DONE ? 2 : 0);
    state = DONE;
}
