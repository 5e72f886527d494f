/* Constants that are declared where a variable is defined. */
#include <stdio.h>

#if VERSION == 1
enum kind { ONE, TWO } kind = TWO;
struct limits { enum { LOW, HIGH } level; } limits;
enum { RED, GREEN } colours[2];
#else
enum kind { ZERO, ONE, TWO } kind = TWO;
struct limits { enum { LEAST, LOW, HIGH } level; } limits;
enum { BLACK, RED, GREEN } colours[2];
#endif

static int value(void)
{
    return TWO;
}

static int level(void)
{
    return HIGH;
}

static int colour(void)
{
    return GREEN;
}

void command(const char *line)
{
    printf("%s %d %d %d\n", line, value(), level(), colour());
}
