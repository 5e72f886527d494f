_Thread_local int shared = 42;
__thread const char *name = "none";
static __thread int *cached;

int bump(void)
{
    return ++shared;
}

int *address(void)
{
    if (!cached)
        cached = &shared;
    return cached;
}
