int other(int x);
int next(void);
