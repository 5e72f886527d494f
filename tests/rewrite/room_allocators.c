// Functions of the program that give fresh memory, and new objects of functions that stay on the stack over updates.
//! unproven: pool_get
//! config: [[update-point]]
//! config: function = "main"
//! config: entry = true
//! config: [types]
//! config: allocators = ["arena_get"]
//! room: struct conn
//! rewritten: (struct conn *)(dsu_to_xmalloc((dsu_a = (sizeof *c)))); unsigned long dsu_n = !dsu_new ? 0 : dsu_a / sizeof *dsu_new;
//! rewritten: (struct conn *)(dsu_to_xcalloc((dsu_a = (n)), (dsu_b = (sizeof(struct conn))))); unsigned long dsu_n = !dsu_new ? 0 : dsu_a * dsu_b / sizeof *dsu_new;
//! rewritten: (struct conn *)(dsu_to_xrealloc(0, (dsu_a = (2 * sizeof *r))))
//! rewritten: (struct conn *)(dsu_to_tagged("conn", (dsu_a = (dsu_to_size(1))))); unsigned long dsu_n = !dsu_new ? 0 : dsu_a / sizeof *dsu_new;
//! rewritten: (struct conn *)(dsu_to_arena_get(&arena, (dsu_a = (sizeof(struct conn)))))
//! rewritten: (struct conn *)(dsu_to_behind((dsu_a = (sizeof(struct conn)))))
//! rewritten: (struct outer *)(dsu_to_xmalloc((dsu_a = (sizeof(struct outer)))))
//! rewritten: unsigned long dsu_n0 = 3; while (dsu_n0-- > 0) { *(unsigned long *)&((struct conn *)dsu_new[dsu_n].more)[dsu_n0].dsu_stamp = 0; }
//! rewritten: struct conn left = {}, both[2] = {}, given = { 1 };
//! output: 6 9 9
//! not-rewritten: (struct conn *)(dsu_to_xrealloc(r,
//! not-rewritten: (struct conn *)(dsu_to_dup_bytes(
//! not-rewritten: (struct conn *)(dsu_to_pool_get(
//! not-rewritten: (struct conn *)(dsu_to_the_only_one(
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct conn { int fd; char name[60]; long count; };
struct outer { int n; struct conn first, more[3]; };
struct arena { char *next, *end; };

void *checked(void *p, const char *what)
{
	if (!p) {
		puts(what);
		exit(1);
	}
	return p;
}
void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (p == NULL)
		abort();
	return p;
}
void *xcalloc(size_t n, size_t size) { return checked(calloc(n, size), "xcalloc"); }
void *xrealloc(void *old, size_t size) { void *p; p = realloc(old, size); return checked(p, "xrealloc"); }
void *tagged(const char *tag, size_t size) { (void)tag; return xmalloc(size); }
char *behind(size_t size) { size_t *p = malloc(size + 16); *p = size; return (char *)p + 16; }
void *dup_bytes(const void *from, size_t size) { void *p = xmalloc(size); memcpy(p, from, size); return p; }
static void *spare;
void *pool_get(size_t size) { if (spare) { void *p = spare; spare = NULL; return p; } return xmalloc(size); }
void *arena_get(struct arena *a, size_t size) { void *p = a->next; a->next += size; return p; }
void *the_only_one(void) { static struct conn *one; if (!one) { one = xmalloc(sizeof *one); one->fd = 1; } return one; }
size_t size(int n) { return n * sizeof(struct conn); }
int next(int *n) { return ++*n; }

int main(void)
{
	int n = 3;
	long space[100];
	struct arena arena = { (char *)space, (char *)(space + 100) };
	struct conn *c = xmalloc(sizeof *c);
	struct conn *many = xcalloc(n, sizeof(struct conn));
	struct conn *r = xrealloc(0, 2 * sizeof *r);
	struct conn *t = tagged("conn", size(1));
	struct conn *a = arena_get(&arena, sizeof(struct conn));
	struct conn *b = (struct conn *)behind(sizeof(struct conn));
	struct outer *o = xmalloc(sizeof(struct outer));
	struct conn *p = pool_get(sizeof *p);
	struct conn *one = the_only_one();
	struct conn *d;
	struct conn left, both[2], given = { 1 };
	size_t room = sizeof *c;
	/* What the sizes do is done once. */
	struct conn *twice = xcalloc(n += 2, sizeof *twice);
	struct conn *counted = xmalloc(next(&n) * sizeof *counted);

	c->fd = 5;
	left = both[1] = given;
	c->count = left.fd;
	d = dup_bytes(c, room);
	many[2].fd = 6;
	r[1].fd = 7;
	r = xrealloc(r, 9 * sizeof *r);
	t->fd = a->fd = b->fd = o->more[2].fd = p->fd = 8;
	twice[4].fd = counted[5].fd = 9;
	printf("%d %d %d\n", n, twice[4].fd, counted[5].fd);
	printf("%d %d %d %d %d %d\n", c->fd, d->fd, many[2].fd, r[1].fd, t->fd + a->fd + b->fd + o->more[2].fd + p->fd, one->fd);
	return 0;
}
