//! config: [[update-point]]
//! config: function = "serve"
//! config: entry = true
//! output: 12 24 9
/* Attributes that gcc cannot copy, on functions that are called through slots. */
#include <stdio.h>

static int total;

__attribute__((no_sanitize("bounds")))
int one(int n)
{
    total += n;
    return n + 1;
}

int two(int n) __attribute__((__no_sanitize_address__, noinline));
int two(int n) { return n * 2; }

__attribute__((no_sanitize_undefined, noinline)) static int three(int n) { return n - 3; }

void serve(void) { }

int main(void)
{
    serve();
    printf("%d %d %d\n", one(11), two(12), three(12));
    return total == 11 ? 0 : 1;
}
