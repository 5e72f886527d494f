int real_name(int x)
{
    return x + FORCED;
}
