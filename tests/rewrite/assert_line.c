/* A failed assertion names the user's file and line, and an updatable program ends as the plain one does. */
//! config: [[update-point]]
//! config: function = "run"
//! config: loop = 1
//! exit: 3
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_abort(int number)
{
    (void)number;
    write(1, "aborted\n", 8);
    _exit(3);
}

void run(int n)
{
    for (;;) {
        if (n++ == 3)
            break;
    }
    assert(n == 5);
}

int main(void)
{
    setvbuf(stderr, NULL, _IONBF, 0);
    dup2(1, 2);
    signal(SIGABRT, on_abort);
    run(0);
    return 0;
}
