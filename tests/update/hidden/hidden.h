#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN int from_assembler(int);
extern HIDDEN int assembler_data;
HIDDEN int other_unit(int);
extern HIDDEN int other_data;
HIDDEN int own(int);
#pragma GCC visibility push(hidden)
int by_pragma(int);
extern int pragma_data;
int kept_function(int);
#pragma GCC visibility pop
__attribute__((__visibility__("internal"))) int internal(int);
