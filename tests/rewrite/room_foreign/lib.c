#include "shared.h"

struct item library_item = { { [8] = 4 }, 0 };

void library_add(struct state *s, struct item *i)
{
	i->next = s->first;
	s->first = i;
	s->count++;
}

void library_each(struct state *s, void (*f)(struct item *, struct callback *), struct callback *data)
{
	for (struct item *i = s->first; i; i = i->next)
		f(i, data);
}
