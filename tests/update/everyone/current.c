int current(void)
{
    return VERSION;
}
