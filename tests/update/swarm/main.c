/* Many processes, some of which come and go all the time. */
#include "serve.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int current(void);

/* Sleeps until its parent is gone. */
static void sleeper(int from, int to)
{
    char c;
    for (;;) {
        if (read(from, &c, 1) != 1)
            _exit(0);
        c = (char)('0' + current());
        if (write(to, &c, 1) != 1)
            _exit(1);
    }
}

/* Makes children that end at once, or after an update. */
static void restless(int n)
{
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(current());
        int status;
        waitpid(pid, &status, 0);
        usleep((useconds_t)(500 + n * 100));
    }
}

int main(int argc, char **argv)
{
    char line[100];
    int count = argc > 1 ? atoi(argv[1]) : 3, to[2], from[2];
    pid_t group = getpid();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (pipe(to) || pipe(from))
        return 1;
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            close(to[1]);
            close(from[0]);
            if (i < 4)
                restless(i);
            sleeper(to[0], from[1]);
        }
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        int sum[10] = {0};
        char c;
        memset(line, 'x', sizeof line);
        for (int i = 0; i < count - 4; i++) {
            /* One at a time; whoever reads answers. */
            if (write(to[1], "x", 1) != 1 || read(from[0], &c, 1) != 1)
                return 1;
            sum[c - '0']++;
        }
        printf("v%d: %d %d\n", current(), sum[1], sum[2]);
    }
    signal(SIGTERM, SIG_IGN);
    kill(-group, SIGTERM);
    return 0;
}
