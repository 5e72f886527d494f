// Structs that an object knows which dsu-cc did not compile.
//! plain: lib.c
//! no-room: struct state: function library_add, which no rewritten unit defines, may know it
//! no-room: struct item: which no rewritten unit defines
//! no-room: struct callback: function library_each, which no rewritten unit defines, may know it
//! room: struct own
#include <stdio.h>
#include <string.h>
#include "shared.h"

static void show(struct item *i, struct callback *c) { printf("%ld %ld\n", i->a[8], c->data[9]++); }

int main(void)
{
	struct own own = { { 1 }, NULL };
	struct state state = { 0, NULL, "state" };
	struct item items[3] = { { { [8] = 1 }, NULL }, { { [8] = 2 }, NULL }, { { [8] = 3 }, NULL } };
	struct callback data = { { [9] = 5 } };
	int i;

	own.state = &state;
	for (i = 0; i < 3; i++)
		library_add(own.state, &items[i]);
	library_add(&state, &library_item);
	library_each(&state, show, &data);
	printf("%d %s\n", state.count, state.name);
	return 0;
}
