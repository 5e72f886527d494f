/* Assembler that C code knows nothing of: a note, as linkers and loaders read it. */
__asm__("\t.pushsection .note.test,\"a\",@note\n\t.p2align 2\n"
        "_test_note:\n\t.long 5\n\t.long 4\n\t.long 1\n\t.asciz \"TEST\"\n\t.p2align 2\n\t.long "
#if VERSION == 5
        "8"
#else
        "7"
#endif
        "\n\t.size _test_note, . - _test_note\n\t.popsection\n");

int noted(void)
{
#if VERSION == 4
    return 4;
#elif VERSION == 5
    return 5;
#else
    return 0;
#endif
}
