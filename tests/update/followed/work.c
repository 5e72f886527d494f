#include <stdio.h>

#include "table.h"

static int bonus;

void command(const char *line)
{
    static int prepared;
    if (!prepared++)
        prepare();
    bonus += VERSION - VERSION;
    printf("%s: %s, %s, %d\n", line, on_menu(line) ? "on the menu" : "not on the menu", known(line) ? "known" : "unknown",
           row_count() + bonus);
}
