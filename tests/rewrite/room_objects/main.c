// Structs with room, wherever objects of them are.
//! room: struct address: 16
//! room: struct conn
//! room: note_t
//! room: struct request
//! room: struct answer
//! room: struct message
//! room: struct base
//! room: struct derived
//! room: struct link
//! room: struct holder
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conn.h"

static struct conn fixed = { 1, { { 2 }, 3 }, { { { 4 }, 5 }, { .port = 6 } }, &fixed, 'x' };
static note_t notes[2] = { { "one", 1, 2 }, [1] = { "two", .rest = 3 } };
static int lengths[COUNT(notes)];

static void wipe(void *p, size_t size)
{
	if (!p || size == 0)
		return;
	memset(p, 0, size);
}
static void wipe_and_free(void *p, size_t size) { wipe(p, size); free(p); }
static struct holder *around(struct link *l) { return container_of(l, struct holder, link); }
static int kind(struct base *b) { return ((struct derived *)b)->more + b->kind; }

int main(void)
{
	struct conn stack = fixed, copy, *heap = malloc(3 * sizeof *heap), sorted[3] = { { 9 }, { 7 }, { 8 } };
	struct message m = { 1, { .answer = { { 0, 1.5 } } }, { { { 1, 2 } } } };
	struct derived d = { { 4, { 0 } }, 5 };
	struct holder h = { 6, { NULL, { 0 } } };
	struct request *array = calloc(4, sizeof(struct request));

	wipe(&copy, sizeof copy);
	memcpy(&copy, &stack, sizeof copy);
	copy = by_value(copy, 11);
	memcpy(heap, &copy, sizeof *heap);
	heap[1] = *heap;
	heap[2] = (struct conn){ .fd = 12, .tail = 'y' };
	heap = realloc(heap, 5 * sizeof *heap);
	memmove(heap + 3, heap + 1, 2 * sizeof *heap);
	qsort(sorted, COUNT(sorted), sizeof sorted[0], order);
	conns[2].remotes[1].words[7] = 13;
	here.port = 14;
	array[3].a[9] = 15;
	printf("%d %d %d %d %c\n", stack.fd, copy.fd, heap[3].fd, heap[4].fd, heap[4].tail);
	printf("%ld %ld %ld %d\n", total(&fixed), total(&copy), total(heap + 2), fixed.next == &fixed);
	printf("%d %d %d %s %d %zu\n", sorted[0].fd, sorted[1].fd, sorted[2].fd, notes[1].text, notes[1].rest, COUNT(lengths));
	printf("%g %ld %d %d\n", m.answer.d[1], m.named.again.a[1], kind(&d.base), around(&h.link)->n);
	printf("%ld %d %ld %zu\n", total(&conns[2]), here.port, array[3].a[9], (size_t)(&conns[2] - conns));
	wipe_and_free(heap, sizeof *heap);
	return 0;
}
