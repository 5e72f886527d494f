struct row { const char *name; int (*run)(int); };
extern const struct row table[2];
extern const char *const names[3];
extern __thread int per_thread;
int twice(int);
