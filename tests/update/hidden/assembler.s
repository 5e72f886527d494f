        .text
        .globl from_assembler
        .hidden from_assembler
        .type from_assembler, @function
from_assembler:
        leal 5(%rdi), %eax
        ret
        .size from_assembler, .-from_assembler
        .data
        .globl assembler_data
        .hidden assembler_data
        .type assembler_data, @object
        .size assembler_data, 4
assembler_data:
        .long 50
        .section .note.GNU-stack,"",@progbits
