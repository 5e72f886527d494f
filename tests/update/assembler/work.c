#include <stdio.h>

__asm__(".text\n.globl from_asm\n.type from_asm, @function\nfrom_asm:\n  movl $5, %eax\n  ret\n.size from_asm, .-from_asm\n");
int from_asm(void);
int other(void);
int noted(void);
int mine(void);

#if VERSION == 3
static int three(void)
{
    return 1;
}
#else
static int three(void)
{
    return 0;
}
#endif

void command(const char *line)
{
    printf("%s: %d %d %d %d %d\n", line, from_asm(), other(), three(), noted(), mine());
}
