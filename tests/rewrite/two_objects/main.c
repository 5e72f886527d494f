/* Two objects from one source, with different macros; a static function in both. */
//! object: one.o: shared.c -DNAME=one -DFACTOR=2
//! object: two.o: shared.c -DNAME=two -DFACTOR=3
//! indirect: one two
#include <stdio.h>

int one(int), two(int);

int main(void)
{
    printf("%d %d %d %d\n", one(1), two(1), one(1), two(1));
    return 0;
}
