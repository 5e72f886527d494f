int overridden(int x)
{
    return x + 100;
}

int given(int x)
{
    return x + 200;
}

__attribute__((weak)) int twice(int x)
{
    return x * 2;
}
