/* Structs that end in an array without a length: an object is as long as its initialiser says, and no type tells. */
#include <stdio.h>
#include <string.h>

struct row {
    const char *name;
    int value;
};

struct list {
    struct list *next;
    int count;
    struct row rows[];
};

/* Nothing writes it. */
static struct list fixed = {0, VERSION > 1 ? 3 : 2, {{"a", 1}, {"b", VERSION},
#if VERSION > 1
                                                     {"c", 3},
#endif
                                                    }};

/* Nothing writes it, and it is as long as before. */
static const struct list values = {0, 2, {{"x", 10 * VERSION}, {"y", 20 * VERSION}}};

/* Running values. */
static struct list counts = {0, 2, {{"p", VERSION}, {VERSION > 1 ? "Q" : "q", VERSION},
#if VERSION == 3
                                    {"r", 3},
#endif
                                   }};
static struct list *all;

static struct {
    int size;
    char text[];
} words = {VERSION,
#if VERSION == 4
           "longer than before"
#else
           "short"
#endif
};

void command(const char *line)
{
    if (!all) {
        all = &counts;
        words.size += 10;
    }
    counts.rows[1].value += 100;
    printf("%s:", line);
    for (int i = 0; i < fixed.count; i++)
        printf(" %s=%d", fixed.rows[i].name, fixed.rows[i].value);
    printf(", %d %d,", values.rows[0].value, values.rows[1].value);
    for (int i = 0; i < all->count; i++)
        printf(" %s=%d", all->rows[i].name, all->rows[i].value);
    printf(", %d %s\n", words.size, words.text);
}
