/* Structs whose new form only a person can tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next;
    char label[48];
#if VERSION == 1
    char *price;
    int cents;
#elif VERSION == 2
    struct {
        long euros;
        int cents;
    } price;
    int cents;
#else
    char *price;
    int cents;
    int doubled;
#endif
    long tail[2];
};

static struct item *items;
static int factor = 2;
static int migrated;

void command(const char *line)
{
    if (*line == '+') {
        struct item *i = calloc(1, sizeof *i);
        snprintf(i->label, sizeof i->label, "%s", line + 1);
#if VERSION == 2
        i->price.euros = 77;
#else
        i->price = strdup("12.34");
#endif
        i->cents = 21;
        i->next = items;
        items = i;
        printf("added %s\n", i->label);
        return;
    }
    for (struct item *i = items; i; i = i->next) {
        if (strcmp(i->label, line) == 0) {
#if VERSION == 1
            printf("%s %s %d\n", i->label, i->price, i->cents);
#elif VERSION == 2
            printf("%s %ld:%d %d\n", i->label, i->price.euros, i->price.cents, i->cents);
#else
            int doubled = i->doubled;
            printf("%s %s %d %d, factor %d, migrated %d\n", i->label, i->price, i->cents, doubled, factor, migrated);
#endif
        }
    }
}
