// Why structs get no room for later.
//! room: struct plain: 16
//! no-room: struct tiny
//! no-room: struct packed: attributes or pragmas
//! no-room: struct pragma: attributes or pragmas
//! no-room: struct aligned: attributes or pragmas
//! no-room: struct flexible: longer than it says
//! no-room: struct hack: longer than it says
//! no-room: struct asserted: a constant depends on its size
//! no-room: struct bounded: a constant depends on its size
//! no-room: struct cased: a constant depends on its size
//! no-room: struct place: a constant depends on its size or an offset
//! no-room: struct enumerated: a constant depends on its size
//! no-room: struct written: its bytes are passed to fwrite (main, room_reasons.c:
//! no-room: struct part: it is part of struct written, of which holds: its bytes are passed to fwrite
//! no-room: struct compared: its bytes are passed to memcmp
//! no-room: struct hashed: its bytes are passed to hash
//! no-room: struct copied: its bytes are passed to memcpy
//! no-room: struct shown_too: its bytes are passed to show_and_wipe (main, room_reasons.c:
//! no-room: struct listed: its bytes are passed to wipe_both (main, room_reasons.c:
//! no-room: struct gathered: its bytes are moved through iov_base
//! no-room: struct tabled: its address and its size are put into another struct
//! no-room: struct checked: its size is compared or kept in a variable (main, room_reasons.c:
//! no-room: struct longer: its size is compared or kept in a variable (main, room_reasons.c:
//! no-room: struct constant: its size is compared or kept in a variable (room_reasons.c:
//! room: struct counted: 16
//! no-room: struct bytes: it is cast to or from bytes (first, room_reasons.c:
//! no-room: struct parsed: it is cast to or from bytes
//! no-room: struct one: it is cast to or from struct two
//! no-room: struct two: it is cast to or from struct one
//! no-room: struct shown: a union shows its bytes
//! no-room: struct hidden: a union shows its bytes
//! no-room: struct shared: it may be in memory shared with others, from mmap
//! no-room: struct region: it may be in memory shared with others, from map_region (main, room_reasons.c:
//! no-room: struct local in inside: it is defined inside a function
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

struct plain { long a[9]; };
struct tiny { long a[2]; };
struct packed { char c; long a[9]; } __attribute__((packed));
#pragma pack(push, 1)
struct pragma { char c; long a[9]; };
#pragma pack(pop)
struct aligned { long a[9]; } __attribute__((aligned(32)));
struct flexible { long a[9]; char rest[]; };
struct hack { long a[9]; char rest[1]; };
struct asserted { long a[9]; };
_Static_assert(sizeof(struct asserted) == 72, "size");
struct bounded { long a[9]; };
static char buffer[sizeof(struct bounded)];
struct cased { long a[9]; };
struct place { long a[9]; int b; };
extern char check_place[offsetof(struct place, b) == 72 ? 1 : -1];
struct enumerated { long a[9]; };
enum { ENUMERATED = sizeof(struct enumerated) };
struct part { long a[9]; };
struct written { int n; struct part parts[2]; };
struct checked { long a[9]; };
struct longer { long a[9]; };
struct constant { long a[9]; };
static const size_t constant_size = sizeof(struct constant);
struct counted { long a[9]; };
static struct counted counted[3];
struct compared { long a[9]; };
struct hashed { int first; long a[9]; };
struct copied { long a[9]; };
struct shown_too { long a[9]; };
struct listed { long a[9]; };
struct gathered { long a[9]; };
struct tabled { long a[9]; };
struct bytes { long a[9]; };
struct parsed { long a[9]; };
struct one { int kind; long a[9]; };
struct two { int kind; long b[10]; };
struct shown { long a[9]; };
union view { struct shown s; unsigned char raw[72]; };
struct hidden { long a[9]; };
struct around { union { struct hidden h; int words[18]; } u; int n; };
struct shared { long a[9]; };
struct region { long a[9]; };

struct entry { const char *name; void *data; size_t size; };
static void *map_region(size_t size)
{
	void *p = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void show(void *p, size_t size) { fwrite(p, size, 1, stdout); }
static void show_and_wipe(void *p, size_t size)
{
	if (p && size)
		show(p, size);
	memset(p, 0, size);
}
static void wipe_both(void *p, size_t size, void *q)
{
	memset(p, 0, size);
	*(char *)q = 20;
}

static struct tabled tabled = { { 7 } };
static struct entry table[] = { { "tabled", &tabled, sizeof(tabled) } };

static unsigned hash(const void *data, size_t size)
{
	const unsigned char *p = data;
	unsigned sum = 0;
	while (size--)
		sum = sum * 31 + *p++;
	return sum;
}

static int first(struct bytes *b) { return *(unsigned char *)b; }
static long parse(const char *text) { return ((const struct parsed *)text)->a[0]; }
static int kind(void *p) { struct two *t = p; return ((struct one *)t)->kind; }
static int inside(int n)
{
	struct local { long a[9]; } l = { { n } };
	return (int)l.a[0];
}
static const char *which(size_t n)
{
	switch (n) {
	case sizeof(struct cased): return "cased";
	default: return "other";
	}
}

int main(void)
{
	struct plain p = { { 1 } };
	struct tiny t = { { 2 } };
	struct packed k = { 3, { 0 } };
	struct pragma g = { 4, { 0 } };
	struct aligned al = { { 5 } };
	struct flexible *f = calloc(1, sizeof *f + 5);
	struct hack *h = calloc(1, sizeof *h + 5);
	struct written w = { 6, { { { 0 } } } };
	struct compared c = { { 0 } }, d = { { 0 } };
	struct hashed x = { 8, { 0 } };
	struct copied from = { { 9 } };
	struct gathered ga = { { 10 } };
	struct iovec iov = { 0 };
	struct bytes b = { { 11 } };
	struct two two = { 12, { 0 } };
	union view v = { { { 13 } } };
	struct around ar = { { { { 14 } } }, 15 };
	struct shared *sh = mmap(0, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	void *memory = map_region(4096);
	struct region *re = memory;
	long text[9] = { 16 }, scratch[20];
	struct shown_too st = { { 0 } };
	struct listed li = { { 0 } };
	struct place pl = { { 0 }, 17 };

	void *received = scratch;
	struct checked *ch = received;
	struct longer *lo = received;
	size_t length = sizeof scratch;
	if (length < sizeof *ch || sizeof(struct longer) + 8 > length)
		return 1;
	scratch[0] = ch->a[0] = lo->a[0] = 20;
	for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++)
		counted[i].a[0] = (long)constant_size;
	printf("%ld %ld\n", scratch[0], counted[2].a[0]);

	strcpy(f->rest, "flex");
	strcpy(h->rest, "hack");
	fwrite(&w, sizeof w, 1, stdout);
	memcpy(buffer, &from, sizeof from);
	iov.iov_base = &ga;
	show_and_wipe(&st, sizeof st);
	wipe_both(scratch, sizeof li, &li);
	printf("%ld %ld\n", st.a[0], li.a[0]);
	sh->a[0] = re->a[0] = 18;
	printf("\n%ld %ld %d %d %ld %s %s\n", p.a[0], t.a[0], k.c, g.c, al.a[0], f->rest, h->rest);
	printf("%d %u %d %ld\n", memcmp(&c, &d, sizeof c), hash(&x.first, sizeof x), buffer[0], *(long *)iov.iov_base);
	printf("%d %ld %d %d %ld %d %ld\n", first(&b), parse((char *)text), kind(&two), v.raw[0], ar.u.h.a[0], ar.n, sh->a[0]);
	printf("%d %s %s %zu %d %d\n", inside(19), which(72), table[0].name, table[0].size, ENUMERATED, pl.b);
	return 0;
}
