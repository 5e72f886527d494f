int current(void)
{
    return VERSION;
}

int handled(int number)
{
    (void)number;
    return VERSION * 10;
}
