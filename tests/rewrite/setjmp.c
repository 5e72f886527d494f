/* setjmp and longjmp over functions that are called through slots, and out of a quiescent call. */
//! stdin: jump\nstay\n
//! config: [[update-point]]
//! config: function = "main"
//! config: loop = 1
//! config: quiescent = ["get"]
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static jmp_buf top;
static sigjmp_buf sig;

void deep(int n)
{
    if (n == 0)
        longjmp(top, 7);
    deep(n - 1);
}

int get(char *to)
{
    int n = 0;
    while (n < 30 && read(0, to + n, 1) == 1 && to[n] != '\n')
        n++;
    to[n] = 0;
    if (!strcmp(to, "jump"))
        longjmp(top, 1);
    return n;
}

static void on_signal(int number)
{
    siglongjmp(sig, number);
}

int main(void)
{
    char line[32];
    volatile int rounds = 0;
    int code = setjmp(top);
    printf("code %d\n", code);
    if (code == 7) {
        signal(SIGUSR1, on_signal);
        if (sigsetjmp(sig, 1) == 0)
            raise(SIGUSR1);
        else
            puts("signal");
        return 0;
    }
    for (;;) {
        if (get(line) == 0)
            break;
        printf("%s %d\n", line, ++rounds);
    }
    deep(5);
    return 1;
}
