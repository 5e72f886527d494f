/* A server that forks: every process has its own copy of everything. */
#include "serve.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void tell(const char *who, int number);
int table[4];

static void child_loop(int number, int from)
{
    char c;
    for (;;) {
        ssize_t n = read(from, &c, 1);
        if (n != 1)
            _exit(0);
        table[number]++;
        tell("child", number);
    }
}

int main(void)
{
    char line[100];
    int count = 0, to[4][2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "fork")) {
            if (pipe(to[count]))
                return 1;
            pid_t pid = fork();
            if (pid == 0) {
                for (int i = 0; i <= count; i++)
                    close(to[i][1]);
                child_loop(count, to[count][0]);
            }
            printf("child %d\n", pid);
            count++;
        } else if (line[0] >= '0' && line[0] < '4') {
            if (write(to[line[0] - '0'][1], "x", 1) != 1)
                perror("write");
        } else if (!strcmp(line, "wait")) {
            close(to[--count][1]);
            printf("waited %d\n", wait(NULL) > 0);
        } else {
            tell("parent", -1);
        }
    }
    return 0;
}
