#include "serve.h"

void prepare(void), command(const char *line);

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    prepare();
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        command(line);
    return 0;
}
