        .text
        .globl asm_add
        .type asm_add, @function
asm_add:
        leal (%rdi,%rsi), %edi
        jmp c_function@PLT
        .size asm_add, .-asm_add
        .section .note.GNU-stack,"",@progbits
