#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "compute.h"

enum { SIZE = 1 << 12, ITEMS = 1 << 13 };

static struct complex signal[SIZE];
static uint64_t items[ITEMS];

static uint64_t random_word(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void transform(void)
{
    for (int i = 0; i < SIZE; i++)
        signal[i] = (struct complex){(double)(random_word() % 1000), 0};
    fft(signal, SIZE);
    for (int i = 0; i < SIZE; i++)
        digest_add((uint64_t)(int64_t)(signal[i].re + signal[i].im));
}

static void order(void)
{
    for (int i = 0; i < ITEMS; i++)
        items[i] = random_word();
    sort(items, ITEMS, by_value);
    for (int i = 0; i < ITEMS; i += 64)
        digest_add(items[i]);
    sort(items, ITEMS, by_low_bits);
    for (int i = 0; i < ITEMS; i += 64)
        digest_add(items[i]);
}

static void run(int rounds)
{
    butterfly_tables(SIZE);
    while (rounds-- > 0) {
        transform();
        order();
    }
}

int main(int argc, char **argv)
{
    run(argc > 1 ? atoi(argv[1]) : 100);
    printf("%016" PRIx64 "\n", digest);
    return 0;
}
