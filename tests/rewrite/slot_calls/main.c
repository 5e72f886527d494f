/* Calls through slots are calls of functions for the compiler: with their attributes, and with their weight. */
//! config: [[update-point]]
//! config: function = "main"
//! config: entry = true
//! variant: -O2
//! variant: -O0 -g3
//! variant: -Os -fPIC
//! rewritten: = twice_returning(
//! rewritten: (dsu_to_pure_one)(
//! rewritten: __asm__("*dsu_slot_variadic(%rip)")
//! not-rewritten: (*dsu_slot_
//! output: returned 0 returned 7 sum 6 pure 8 cold 3 double 2.5 struct 3 4 tail 5
#include <stdio.h>

#include "other.h"

int tail(int x) { return tail_of(x); }

int main(void)
{
    struct back back = {0};
    int code = twice_returning(&back);
    printf("returned %d ", code);
    if (code == 0) {
        resume(&back, 7);
    }
    printf("sum %d pure %d", variadic(3, 1, 2, 3), (pure_one)(4) + pure_one(4));
    printf(" cold %d double %g", cold_one(2), of_double(2.0));
    struct pair p = of_struct((struct pair){4, 3});
    printf(" struct %d %d tail %d\n", p.a, p.b, tail(4));
    return 0;
}
