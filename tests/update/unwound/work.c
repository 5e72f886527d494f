int current(void);
int through(int (*f)(void));

int current(void)
{
    return VERSION;
}

int through(int (*f)(void))
{
    volatile int result = f();
    return result + VERSION - VERSION;
}
