/* The program's own functions with names of library calls that sleep; and such names for other things. */
//! stdin: abc
//! flags: -fno-builtin
//! config: [[update-point]]
//! config: function = "main"
//! config: quiescent = ["get"]
//! not-rewritten: dsu_call_poll
//! not-rewritten: dsu_call_recv
//! rewritten: dsu_call_read
#include <stdio.h>
#include <unistd.h>

struct device { long (*read)(char *, int); int poll; };

static int poll(int x)
{
    return x * 2;
}

int recv(int a, int b)
{
    return a - b;
}

static long wrapped(char *to, int size)
{
    return read(0, to, (size_t)size);
}

static struct device device = {wrapped, 3};

static int get(void)
{
    char c;
    int select = poll(device.poll), accept = recv(5, 2);
    long n = device.read(&c, 1);
    (void)write(1, "", 0);
    return n == 1 ? c + select - 2 * accept : -1;
}

int main(void)
{
    int c;
    setvbuf(stdout, NULL, _IONBF, 0);
    while ((c = get()) >= 0)
        printf("%d\n", c);
    return 0;
}
