/* A unit that stays: its text is shorter than where the struct stands in the other. */
#include "session.h"

int one(void)
{
    return 1;
}
