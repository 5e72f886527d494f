int real(int x)
{
    return x + 100 * VERSION;
}

int other_name(int) __attribute__((alias("real")));
int renamed(int) __asm__("another_symbol");

int renamed(int x)
{
    return x + 300 * VERSION;
}

int overridden(int x)
{
    return x + 200 * VERSION;
}

__attribute__((weak)) int weak_default(int x)
{
    return x + 500 * VERSION;
}
