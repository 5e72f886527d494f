// All structs but one are left alone.
//! config: [[update-point]]
//! config: function = "main"
//! config: entry = true
//! config: [types]
//! config: wrap = false
//! config: slop = 24
//! config: [types.wanted]
//! config: wrap = true
//! room: wanted: 24
//! no-room: struct other: dsu.toml says so: [types] wrap = false
#include <stdio.h>

typedef struct { long a[9]; } wanted;
struct other { long a[9]; };

int main(void)
{
	wanted w = { { 1 } };
	struct other o = { { 2 } };
	printf("%ld %ld\n", w.a[0], o.a[0]);
	return 0;
}
