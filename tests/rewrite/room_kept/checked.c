#include "checked.h"

extern void wrong_size(void) __attribute__((error("struct checked has the wrong size")));

int check(struct checked *c)
{
	if (sizeof *c % 72)
		wrong_size();
	return (int)c->a[0];
}
