#include "serve.h"

#include <string.h>

int current(void);

void by_loop(void)
{
    char line[100];
    int n = 0;
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "end"))
            break;
        printf("loop %d %d\n", ++n, current());
    }
}
