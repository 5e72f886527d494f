int surely(int x)
{
    return x + 40;
}
