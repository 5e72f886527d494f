extern int (*const exported[2])(int);
int call_exported(void);
