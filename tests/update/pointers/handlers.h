typedef int handler(int);
handler alpha, beta;
extern handler *registered[4];
handler *choose(const char *name);
int is_alpha(handler *f);
