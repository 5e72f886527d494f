/* A section entry, which defines no symbol. */
__asm__(".pushsection .note.test,\"\",@progbits\n .byte 1\n .popsection\n");

int other(void)
{
    int result;
    __asm__("movl %1, %0" : "=r"(result) : "i"(VERSION));
    return result;
}
