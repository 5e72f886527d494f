undeclared(a, b)
{
    return a * 10 + b;
}

elsewhere(s)
    char *s;
{
    return strlen(s) + more(2);
}

more(x)
{
    return x * 1000;
}
