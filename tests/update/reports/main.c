#include "serve.h"

void command(const char *line);

#if VERSION == 2
static void __attribute__((constructor)) prepare(void)
{
    puts("prepared");
}
#endif

static void run(void)
{
    char line[100];
#if VERSION == 2
    puts("running");
#endif
    while (next_line(line, sizeof line) >= 0)
        command(line);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
#if VERSION == 1
    puts("ready");
#else
    puts("ready for all");
#endif
    run();
    return VERSION;
}
