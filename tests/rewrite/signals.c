/* Signal handlers: given by name, in structs, through variables, and reset. */
//! stub: on_usr1 on_info
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static void (*previous)(int);

void on_usr1(int number)
{
    count += number == SIGUSR1;
}

static void on_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    count += number == info->si_signo ? 10 : 0;
}

static const struct { int number; void (*handler)(int); } table[] = {{SIGUSR1, on_usr1}, {SIGPIPE, SIG_IGN}};

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO}, old;
    signal(SIGUSR1, on_usr1);
    raise(SIGUSR1);
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    previous = signal(SIGUSR1, SIG_DFL);
    printf("%d %d\n", count, previous == on_usr1);
    signal(table[0].number, table[0].handler);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &old);
    printf("%d %d\n", count, old.sa_handler == on_usr1 && old.sa_handler == table[0].handler);
    sigaction(SIGUSR2, NULL, &old);
    printf("%d\n", old.sa_sigaction == on_info);
    signal(table[1].number, table[1].handler);
    raise(SIGPIPE);
    alarm(0);
    return 0;
}
