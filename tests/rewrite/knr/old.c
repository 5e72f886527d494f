static int add(a, b)
    int a, b;
{
    return a + b;
}

static int subtract(a, b) int a, b; { return a - b; }

int sum3(a, b, c)
    int a, b;
    int c;
{
    return add(add(a, b), c);
}

double scale(f, c)
    float f;
    char c;
{
    return f * c;
}

char *pick(n, a, b, c)
    int n;
    char *a, *b,
        *c;
{
    return n == 0 ? a : n == 1 ? b : c;
}

int (*choose(which))()
    int which;
{
    return which ? add : subtract;
}
