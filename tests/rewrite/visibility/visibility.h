__attribute__((visibility("hidden"))) int hidden_one(int);
extern __attribute__((visibility("hidden"))) int hidden_data;
__attribute__((visibility("default"))) int shown(int);
int protected_one(int) __attribute__((visibility("protected")));
int flag_hidden(int);
#pragma GCC visibility push(hidden)
int pragma_hidden(int);
extern int pragma_data;
#pragma GCC visibility pop
