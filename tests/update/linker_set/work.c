#include <stdio.h>

/* Entries that the linker puts together: a patch's own would not be among them. */
struct entry {
    const char *name;
    int hits;
};
#define ENTRY(n) static struct entry entry_##n __attribute__((section("entries"), used)) = {#n, 0}

#if VERSION == 3
ENTRY(three);
#endif
ENTRY(one);
#if VERSION != 4
ENTRY(two);
#endif
extern struct entry __start_entries[], __stop_entries[];

void command(const char *line)
{
    int n = 0;
    for (struct entry *e = __start_entries; e < __stop_entries; e++)
        n += ++e->hits;
    printf("%s: %d v%d\n", line, n, VERSION);
}
