/* Assembler that gives a function of C another name. */
int mine(void)
{
#if VERSION == 6
    return 6;
#else
    return 0;
#endif
}

__asm__(".globl by_another_name\n.set by_another_name, mine\n");
