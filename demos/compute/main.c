/* Usage: compute PART ROUNDS. Prints a digest of all results. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compute.h"

enum { SIZE = 1 << 12, RECORDS = 1 << 12, TEXT = 1 << 16 };

static struct complex signal[SIZE];
static struct record records[RECORDS], *order[RECORDS];
static char text[TEXT];

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

static void arrange(void)
{
    for (int i = 0; i < RECORDS; i++) {
        uint64_t word = random_word();

        for (size_t k = 0; k < sizeof records[i].name - 1; k++, word /= 4)
            records[i].name[k] = (char)('a' + word % 4);
        records[i].number = (uint32_t)random_word();
        order[i] = &records[i];
    }
    sort(order, RECORDS, by_name);
    for (int i = 0; i < RECORDS; i += 16)
        digest_add(order[i]->number);
    sort(order, RECORDS, by_number);
    for (int i = 0; i < RECORDS; i += 16)
        digest_add(order[i]->number);
}

static void count(void)
{
    for (int i = 0; i < TEXT - 1; i++) {
        uint64_t word = random_word();

        text[i] = (char)(word % 6 ? 'a' + word / 6 % 5 : ' ');
    }
    words_count(text);
    digest_add(words_most());
}

static const struct {
    const char *name;
    void (*run)(void);
} parts[] = {{"transform", transform}, {"sort", arrange}, {"words", count}};

static void run(void (*part)(void), int rounds)
{
    while (rounds-- > 0)
        part();
}

int main(int argc, char **argv)
{
    butterfly_tables(SIZE);
    for (size_t i = 0; argc == 3 && i < sizeof parts / sizeof parts[0]; i++)
        if (!strcmp(argv[1], parts[i].name)) {
            run(parts[i].run, atoi(argv[2]));
            printf("%016" PRIx64 "\n", digest);
            return 0;
        }
    fprintf(stderr, "usage: %s transform|sort|words ROUNDS\n", argv[0]);
    return 2;
}
