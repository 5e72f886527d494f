// A unit that is kept goes on knowing its structs as they were; one that only does not compile with room is not kept.
//! kept: nested.c: nested function
//! no-room: struct known: unit nested.c, which is kept as it is, knows it
//! no-room: struct checked: checked.c does not compile with it
//! no-room: struct named: dsu.toml says so
//! no-room: struct wide: its bytes are passed to fwrite
//! config: [[update-point]]
//! config: function = "main"
//! config: entry = true
//! config: [types."struct named"]
//! config: wrap = false
//! config: [types."struct forced"]
//! config: wrap = true
//! config: slop = 40
//! config: [types."struct unknown"]
//! config: wrap = false
//! room: struct free: 16
//! room: struct forced: 40
//! note: dsu.toml speaks of struct unknown, which no unit defines
#include <stdio.h>
#include "checked.h"
#include "known.h"

struct free { long a[9]; };
struct named { long a[9]; };
struct forced { int small; };
struct wide { struct named n; long b; };

int main(void)
{
	struct free f = { { 1 } };
	struct known k = { { 2 }, 3 };
	struct checked c = { { 4 } };
	struct named n = { { 5 } };
	struct forced o = { 6 };
	struct wide w = { { { 0 } }, 7 };
	struct known array[2] = { k, k };
	array[1].b = 8;
	fwrite(&w, sizeof w, 1, stdout);
	printf("\n%ld %d %d %ld %d\n", f.a[0], use(array), check(&c), n.a[0], o.small);
	return 0;
}
