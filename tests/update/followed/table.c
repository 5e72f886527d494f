/* Tables that are not constant, whose addresses go through local variables, parameters, calls through pointers and other
 * tables. Nothing writes them. From version 3 on a pointer to a row is kept; from version 5 on something writes a word. */
#include "table.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    int start;
    int *counter;
    void (*init)(struct row *row);
};

static int apples, pears, plums;

static void set(const struct row *row, int value)
{
    *row->counter = value;
}

static void init_plain(struct row *row)
{
    *row->counter = row->start;
}

static void init_twice(struct row *row)
{
    set(row, row->start * 2);
}

static struct row rows[] = {
    {"apples", 1, &apples, init_plain},
#if VERSION == 2 || VERSION == 4
    {"plums", 7, &plums, init_plain},
#endif
    {"pears", 2, &pears, init_twice},
    {NULL, 0, &plums, NULL},
};

#if VERSION == 3 || VERSION == 4
static struct row *last;
#endif

/* Runs at the start only: what it made of the rows stays. */
void prepare(void)
{
    for (struct row *row = rows; row->name; row++) {
        if (row->init)
            row->init(row);
        struct row *copy = malloc(sizeof *copy);
        if (copy)
            memcpy(copy, row, sizeof *row);
        free(copy);
#if VERSION == 3 || VERSION == 4
        last = row;
#endif
    }
#if VERSION == 3 || VERSION == 4
    last->start = 2;
#endif
}

int row_count(void)
{
    int count = 0;
    const struct row *row;
    for (row = rows; row->name; ++row)
        count++;
    return count + apples + pears + plums;
}

static char *fruits[] = {"apple",
#if VERSION == 2 || VERSION == 6
                         "plum",
#endif
                         NULL};
static char *drinks[] = {"tea", NULL};
static char *foods[] = {"bread", NULL};

/* The same in both versions. */
static char **menus[] = {fruits, drinks, NULL};

/* Shrinks. */
static char **all[] = {
    fruits,
    drinks,
#if VERSION != 2
    foods,
#endif
    NULL,
};

static int has(char **words, const char *word)
{
    char **w = words;
    for (; *w; ++w) {
        if (strcmp(*w, word) == 0)
            break;
    }
#if VERSION == 5 || VERSION == 6
    if (*w && word[0] == '!')
        *w = "";
#endif
    return *w != NULL;
}

int on_menu(const char *word)
{
    char ***menu = menus;
    for (; *menu; ++menu) {
        if (has(*menu, word))
            return 1;
    }
    return 0;
}

int known(const char *word)
{
    for (int i = 0; all[i]; i++) {
        char **words = all[i];
        if (has(words, word))
            return 1;
    }
    return foods[0] == NULL;
}
