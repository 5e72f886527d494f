#include <stddef.h>

void finish(int);
void release(void *p);
int in_section(int) __attribute__((section("other_text")));
__attribute__((pure)) int pure_one(int x);
int const_one(int x) __attribute__((__const__));
void noisy(const char *format, ...) __attribute__((format(printf, 1, 2), nonnull(1)));
char *allocate(size_t) __attribute__((malloc, malloc(release, 1), alloc_size(1), returns_nonnull));
extern int must_use(int) __attribute__((warn_unused_result)) __attribute__((deprecated("it is not")));
void fatal(int code) __attribute__((noreturn, cold));
_Noreturn void fail_elsewhere(int);
