static int calls;

static int multiply(int x)
{
    static int extra;
    return x * FACTOR + extra++;
}

int NAME(int x)
{
    int (*volatile pointer)(int) = multiply;
    return pointer(x) + ++calls * 100;
}
