/* Declared again and again, before and after the definition, in one line with others, in odd orders of words. */
//! indirect: again
#include <stdio.h>

int again(int), *data_pointer(void), numbers[3], (*pointer)(int) = again, (*(*getter)(void))(int);
extern int again(int);
int again(int x);
int static odd(int), even(int);
const static int limit = 3;
int inline static tiny(void) { return 9; }
typedef struct node { struct node *next; int (*visit)(struct node *); } node, *node_p;
struct node *make(int (*)(node *)), first;
extern int numbers[];
extern int (*pointer)(int);
__extension__ int extended(int);
int volatile flag = 1;
long long unsigned int big(void);
signed again_signed(unsigned, ...);

static int (*give(void))(int)
{
    return odd;
}

int (*(*getter)(void))(int) = give;

int again(int x)
{
    return x ? again(x - 1) + 1 : 0;
}

int again(int x);
static int odd(int x) { return x == 0 ? 0 : even(x - 1); } static int even(int x) { return x == 0 ? 1 : odd(x - 1); }
extern int again(int y);

int visit(node_p n) { return n->next ? n->next->visit(n->next) + 1 : 1; }

struct node *make(int (*f)(node *))
{
    first.next = NULL;
    first.visit = f;
    return &first;
}

int extended(int x) { return -x; };
unsigned long long big(void) { return 1ULL << 40; }
int again_signed(unsigned n, ...) { return (int)n; }
int *data_pointer(void) { return numbers; }
;

int main(void)
{
    node second = {make(visit), visit};
    numbers[1] = limit;
    printf("%d %d %d %d\n", again(4), pointer(2), getter()(3), (*getter())(4));
    printf("%d %d %d\n", visit(&second), data_pointer()[1], tiny());
    printf("%d %llu %d %d\n", extended(flag), big(), again_signed(3u, 1), odd(5) + even(4));
    return 0;
}
