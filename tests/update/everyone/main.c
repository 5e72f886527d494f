/* The main program. */
#include "serve.h"

void command(const char *line);

int main(void)
{
    char line[200];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        command(line);
    puts("bye");
    return 0;
}
