/* Two units with static functions, variables and types of one name. */
//! indirect: helper second
#include <stdio.h>

struct state { int a; };
static struct state state = {1};
static int counter = 5;
int second(void);
int (*second_helper(void))(int);

static int helper(int x)
{
    return x + state.a + counter++;
}

int main(void)
{
    int (*mine)(int) = helper;
    printf("%d %d %d\n", helper(1), second(), helper(1));
    printf("%d\n", mine == second_helper());
    printf("%d\n", second_helper()(3));
    return 0;
}
