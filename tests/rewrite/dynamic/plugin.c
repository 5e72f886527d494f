int plugin_b(int x)
{
    return x + 2;
}
