#include <search.h>
void on_end(void *), on_tree(void *);
void *body(void *);
void visit(const void *node, VISIT order, int depth);
