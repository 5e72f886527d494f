/* A program of its own, as the test updates every process of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int current(void);

static void child(int from)
{
    char c;
    while (read(from, &c, 1) == 1)
        printf("child: v%d\n", current());
    _exit(0);
}

void command(const char *line)
{
    static int to[2];
    if (!strcmp(line, "fork")) {
        if (pipe(to))
            exit(1);
        pid_t pid = fork();
        if (pid == 0) {
            close(to[1]);
            child(to[0]);
        }
        printf("child %d\n", pid);
    } else if (!strcmp(line, "child")) {
        if (write(to[1], "x", 1) != 1)
            exit(1);
    } else {
        printf("%s: v%d\n", line, current());
    }
}
