/* The ways a call can go in an updatable program. Usage: calls KIND TIMES; prints nanoseconds. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int other_unit(int x);

static volatile int sink;
static int descriptor;

__attribute__((noinline)) static int same_unit(int x)
{
    __asm__ volatile("");
    return x + 1;
}

int (*volatile by_pointer)(int) = other_unit;

static void direct(long times)
{
    int x = 0;

    while (times-- > 0)
        x = same_unit(x);
    sink = x;
}

static void between_units(long times)
{
    int x = 0;

    while (times-- > 0)
        x = other_unit(x);
    sink = x;
}

static void through_pointer(long times)
{
    int x = 0;

    while (times-- > 0)
        x = by_pointer(x);
    sink = x;
}

/* The loop has an update point in the updatable build. */
void update_point(long times)
{
    int x = 0;

    while (times-- > 0) {
        x++;
        __asm__ volatile("" : "+r"(x));
    }
    sink = x;
}

/* The loop has an update point, and read is a quiescent call in it. */
void system_call(long times)
{
    char c;

    while (times-- > 0)
        sink = (int)read(descriptor, &c, 1);
}

static const struct {
    const char *name;
    void (*run)(long times);
} kinds[] = {
    {"direct", direct},
    {"between-units", between_units},
    {"through-pointer", through_pointer},
    {"update-point", update_point},
    {"system-call", system_call},
};

int main(int argc, char **argv)
{
    struct timespec begin, end;
    long times = argc > 2 ? atol(argv[2]) : 1;

    descriptor = open("/dev/zero", O_RDONLY);
    for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(argv[1], kinds[i].name)) {
            clock_gettime(CLOCK_MONOTONIC, &begin);
            kinds[i].run(times);
            clock_gettime(CLOCK_MONOTONIC, &end);
            printf("%ld\n", (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec);
            return 0;
        }
    return 2;
}
