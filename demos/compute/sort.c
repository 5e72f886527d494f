/* Heap sort (Williams 1964, Floyd 1964) with a comparison given by the caller. */
#include "compute.h"

typedef int comparison(const struct record *, const struct record *);

static void sift(struct record **items, size_t at, size_t n, comparison *before)
{
    struct record *item = items[at];
    size_t child;

    while ((child = 2 * at + 1) < n) {
        if (child + 1 < n && before(items[child], items[child + 1]))
            child++;
        if (!before(item, items[child]))
            break;
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

void sort(struct record **items, size_t n, int (*before)(const struct record *, const struct record *))
{
    for (size_t i = n / 2; i-- > 0;)
        sift(items, i, n, before);
    while (n > 1) {
        struct record *top = items[0];

        items[0] = items[--n];
        items[n] = top;
        sift(items, 0, n, before);
    }
}
