/* How often each word of a text occurs. */
#include <string.h>

#include "compute.h"

enum { BUCKETS = 1 << 14 };

static struct {
    const char *word;
    size_t length;
    uint64_t count;
} table[BUCKETS];

static void count_one(const char *word, size_t length)
{
    size_t at = hash(word, length) % BUCKETS;

    while (table[at].word && (table[at].length != length || memcmp(table[at].word, word, length)))
        at = (at + 1) % BUCKETS;
    table[at].word = word;
    table[at].length = length;
    table[at].count++;
}

void words_count(const char *text)
{
    memset(table, 0, sizeof table);
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");

        count_one(text, length);
        text += length;
    }
}

uint64_t words_most(void)
{
    uint64_t most = 0;

    for (size_t i = 0; i < BUCKETS; i++)
        if (table[i].count > most)
            most = table[i].count;
    return most;
}
