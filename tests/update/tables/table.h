struct row { const char *name; int (*run)(int); };
extern const struct row commands[];
extern const int command_count;
extern int weights[];
const struct row *find(const char *name);
int total(void);
