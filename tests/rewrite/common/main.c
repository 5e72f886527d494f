/* Tentative definitions, merged by the linker. */
//! flags: -fcommon
#include <stdio.h>

int shared;
int counts[4];
char *text;
struct pair { int x, y; } pair;
static int mine;
static int mine = 4;
int defined_there;
void fill(void);

int main(void)
{
    shared = 3;
    fill();
    printf("%d %d %s %d %d %d\n", shared, counts[3], text, pair.y, mine, defined_there);
    return 0;
}
