/* The running activation of main goes on calling `step` as it knows it; everything else calls the new one. */
#include "serve.h"

#if VERSION == 1
int step(int x);
#else
int step(int x, int y);
#endif
void command(const char *line);

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
#if VERSION == 1
        printf("main: %d\n", step(1));
#else
        printf("main: %d\n", step(1, 2));
#endif
        command(line);
    }
    return 0;
}
