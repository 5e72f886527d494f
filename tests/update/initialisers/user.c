/* The same in both versions: not replaced, and yet sees the new values. */
#include "limits.h"

#include <stdio.h>

void user(void)
{
    printf("user: %d %d %d %s\n", exported_constant, exported_never_written, exported_written, exported_name);
}
