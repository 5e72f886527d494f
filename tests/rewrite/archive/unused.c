int never_linked(void);
int unused(int x)
{
    return never_linked() + x;
}
