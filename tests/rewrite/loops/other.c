#include "loops.h"

#include <poll.h>
#include <unistd.h>

int get(void)
{
    char c;
    return read(0, &c, 1) == 1 ? c : -1;
}

void wait_some(int n)
{
    if (n)
        poll(0, 0, n);
}

struct pair get_pair(int x)
{
    return (struct pair){x, x + 1, ""};
}

const char *const *get_text(int x)
{
    static const char *const texts[] = {"zero", "one", "two"};
    wait_some(1);
    return texts + x;
}
