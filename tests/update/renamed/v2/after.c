static int count = 5;
static int (*saved)(int);

static int step(int x)
{
    static int calls;
    return 1000 + x + ++calls + count++;
}

int run(int x)
{
    if (!saved)
        saved = step;
    return saved(x) * (saved == step);
}
