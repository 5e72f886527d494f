#include "conn.h"

struct conn conns[3];
__thread struct address here;

struct conn by_value(struct conn c, int fd)
{
	c.fd = fd;
	return c;
}

long total(const struct conn *c)
{
	long sum = c->fd + c->local.port + c->tail;
	for (unsigned i = 0; i < COUNT(c->remotes); i++)
		for (unsigned j = 0; j < COUNT(c->remotes[i].words); j++)
			sum += c->remotes[i].words[j] + c->remotes[i].port;
	return sum;
}

int order(const void *a, const void *b)
{
	const struct conn *x = a, *y = b;
	return x->fd - y->fd;
}
