int called_back(int);
int counted(void);
int kept_variable = 8;

static int apply(int (*f)(int), int x)
{
    return f(x);
}

int uses_nested(int base)
{
    int add(int x)
    {
        return called_back(x) + base + counted();
    }
    int (*back)(int) = called_back;
    return apply(add, 10) + back(1);
}
