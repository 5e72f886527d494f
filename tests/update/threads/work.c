#include <stdio.h>
#include <unistd.h>

extern int ticks[8];
static __thread int calls;

int work(int id)
{
    calls++;
    return VERSION * 100 + id;
}

int job(int id)
{
    return VERSION * 100 + id;
}

void tell(void)
{
    int all = 1;
    /* The workers come by within a moment. */
    for (int i = 0; i < 2000; i++) {
        all = ticks[1] / 100 == VERSION && ticks[2] / 100 == VERSION;
        if (all)
            break;
        usleep(1000);
    }
    printf("version %d, %s\n", VERSION, all ? "all" : "not all");
}
