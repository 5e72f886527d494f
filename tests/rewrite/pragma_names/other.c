int other(int x)
{
    return x + 1;
}

int where_it_goes(int x)
{
    return x + 500;
}
