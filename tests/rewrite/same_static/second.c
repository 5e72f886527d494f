struct state { double b; char *c; };
static struct state state = {0.5, "x"};
static long counter = 50;

static int helper(int x)
{
    return x * 2 + (int)(state.b * 4) + (int)counter++;
}

int second(void)
{
    return helper(1) + state.c[0];
}

int (*second_helper(void))(int)
{
    return helper;
}
