/* Leaves wrapped calls by longjmp from a signal handler, and handles signals during updates. */
#include "serve.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>

int current(void);
int handled(int);

static sigjmp_buf out;
static volatile sig_atomic_t jump, count;

static void on_signal(int number)
{
    count += handled(number);
    if (jump)
        siglongjmp(out, 1);
}

int main(void)
{
    char line[100];
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGUSR1, &action, NULL);
    puts("ready");
    if (sigsetjmp(out, 1))
        printf("jumped %d\n", current());
    for (;;) {
        if (next_line(line, sizeof line) < 0)
            break;
        if (!strcmp(line, "jump"))
            jump = 1;
        else if (!strcmp(line, "stay"))
            jump = 0;
        printf("%s %d %d\n", line, current(), (int)count);
    }
    return 0;
}
