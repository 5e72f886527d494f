struct item { long a[9]; struct item *next; };
struct state { int count; struct item *first; char name[60]; };
struct callback { long data[10]; };
struct own { long a[9]; struct state *state; };
void library_add(struct state *s, struct item *i);
void library_each(struct state *s, void (*f)(struct item *, struct callback *), struct callback *data);
extern struct item library_item;
