__attribute__((weak)) int overridden(int x)
{
    return -x;
}

int uses_weak(void)
{
    return overridden(1);
}
