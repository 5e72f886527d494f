/* The unit that the patch replaces. */
#include "program.h"

#ifndef VERSION
#define VERSION 1
#endif

int answer(void)
{
    return VERSION;
}

const char *version(void)
{
    return VERSION == 1 ? "one" : "two";
}
