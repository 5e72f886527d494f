typedef int hook(int);
extern hook *hooks[2];
void install(void);
