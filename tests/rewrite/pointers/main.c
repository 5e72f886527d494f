/* Function pointers: in static tables, compared across units, in every spelling. */
//! indirect: alpha beta gamma local_one
//! stub: alpha beta gamma local_one
#include <stdio.h>
#include <string.h>

#include "table.h"

static int local_one(int x)
{
    return x + 9;
}

static const struct entry here[] = {
    {"alpha", alpha},
    {.name = "beta", .run = &beta},
    [3] = {"local", local_one},
    [2] = {.run = gamma, .name = "gamma"},
};

static int (*const pointers[3])(int) = {alpha, beta, (int (*)(int))gamma};
static void *addresses[] = {(void *)alpha, (char *)beta + 0, 0};
static struct entry single = {"single", 1 ? alpha : beta};
int (*global_pointer)(int) = beta;
static int (**indirect)(int) = &global_pointer;
static struct { struct entry inner; int (*pair[2])(int); } deep = {{"deep", gamma}, {alpha, local_one}};

static int (*choose(int which))(int)
{
    return which ? alpha : &beta;
}

static int call(int (*f)(int), int x)
{
    return f ? (*f)(x) : -1;
}

int main(void)
{
    for (unsigned i = 0; i < 4; i++)
        printf("%s %d %d\n", here[i].name, here[i].run(1), i < 3 ? here[i].run == there[i].run : -1);
    printf("%d %d\n", pointers[0] == here[0].run, addresses[1] == (void *)there[1].run);
    printf("%d %d\n", single.run == alpha, &alpha == alpha);
    printf("%d %d\n", global_pointer == beta, (*indirect)(2));
    printf("%d %d %d\n", deep.inner.run(3), deep.pair[0](3), deep.pair[1](3));
    printf("%d %d\n", choose(1) == alpha, choose(0)(4));
    printf("%d %d %d %d\n", (alpha)(1), (*alpha)(1), (***beta)(1), (&gamma)(1));
    printf("%d\n", (here[0].run ? alpha : beta)(5));
    printf("%d %d\n", call(alpha, 6), call(local_one, 6));
    printf("%d\n", find(beta));
    printf("%d\n", find(local_one));
    struct entry made = {"made", find_by_name("gamma")};
    printf("%d %d\n", made.run == gamma, ((struct entry){"literal", alpha}).run(7));
    int (*f)(int) = alpha;
    f = beta;
    switch ((f == beta) + 2 * (f != alpha)) {
    case 3: puts("three"); break;
    default: puts("other");
    }
    if (!alpha || !(beta))
        puts("null");
    printf("%d\n", (0, gamma)(8));
    printf("%d\n", memcmp(&pointers[0], &there[0].run, sizeof f));
    long number = (long)alpha;
    printf("%d\n", ((int (*)(int))number)(9));
    return 0;
}
