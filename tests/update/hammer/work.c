#include <stdio.h>
#include <unistd.h>

extern int rounds[4];
static __thread int mine = VERSION;

int churn(int n)
{
    return n + mine;
}

void tell(void)
{
    int before[4], moved = 0;
    for (int i = 0; i < 4; i++)
        before[i] = __atomic_load_n(&rounds[i], __ATOMIC_SEQ_CST);
    for (int wait = 0; wait < 5000 && moved < 4; wait++) {
        usleep(1000);
        moved = 0;
        for (int i = 0; i < 4; i++)
            moved += __atomic_load_n(&rounds[i], __ATOMIC_SEQ_CST) != before[i];
    }
    printf("version %d, %d of 4 go on\n", VERSION, moved);
}
