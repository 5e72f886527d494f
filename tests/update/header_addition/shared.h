#include <stddef.h>
#if VERSION == 2
#include <time.h>
#define ADDED_MACRO 5
enum { ADDED_CONSTANT = 7 };
struct added { int x, y; };
typedef struct added added_t;
int added_function(struct added);
extern int added_variable;
static inline int added_inline(int x)
{
    return x + ADDED_MACRO;
}
#endif
int other(int);
