#define NAME asm_twice
        .text
        .globl NAME
        .type NAME, @function
NAME:
        /* a pointer to the function in data */
        movq table(%rip), %rax
        addl %edi, %edi
        jmp *%rax
        .size NAME, .-NAME
        .data
table:  .quad second
        .section .note.GNU-stack,"",@progbits
