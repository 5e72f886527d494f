#include "known.h"

int use(struct known *k)
{
	int second(void) { return k[1].b; }
	return second();
}
