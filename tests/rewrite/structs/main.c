/* Large arguments and results, and number types of all sizes, through slots and pointers. */
//! link: -lm
//! flags: -D_GNU_SOURCE
#include <complex.h>
#include <stdio.h>

#include "structs.h"

static struct large local(struct large l, double d)
{
    l.numbers[1] += d;
    return l;
}

int main(void)
{
    struct large l = {{1, 2, 3}};
    struct large (*pointer)(struct large, double) = grow, (*mine)(struct large, double) = local;
    l = mine(pointer(grow(l, 0.5), 1.5), 2);
    printf("%.1f %.1f\n", l.numbers[0], l.numbers[1]);
    printf("%d %d\n", small((struct two){3, 4}).y, mixed((struct mix){2.5f, 7}).i);
    printf("%.2Lf %.1f\n", extended(1.25L), cabs(turn(3 + 4 * I)));
    wide w = widen(1ULL << 63);
    printf("%llu\n", (unsigned long long)(w >> 64));
    vector v = add((vector){1, 2, 3, 4}, (vector){10, 20, 30, 40});
    printf("%d %d\n", v[0], v[3]);
    printf("%d\n", ten(1, 2, 3, 4, 5, 6, 7, 8, 9, 10));
    printf("%.1f\n", floats(1, 2, 3, 4, 5, 6, 7, 8, 9.5));
    printf("%d %d\n", flag(5), character(300));
    return 0;
}
