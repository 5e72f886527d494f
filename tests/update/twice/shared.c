static int calls;

static int add(int x)
{
    return x * FACTOR + VERSION;
}

static int (*volatile pointer)(int) = add;

int NAME(int x)
{
    return pointer(x) + 100000 * ++calls;
}
