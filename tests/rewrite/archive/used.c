int chained(int);
int used(int x)
{
    return chained(x) + 1;
}
