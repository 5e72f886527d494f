int deeper(int);
static int twice(int x)
{
    return x * 2;
}
int chained(int x)
{
    return twice(deeper(x));
}
