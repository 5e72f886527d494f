struct pair { int a, b; };
struct back { void *words[8]; int code; };

int twice_returning(struct back *back) __attribute__((returns_twice));
_Noreturn void resume(struct back *back, int code);
int variadic(int n, ...);
int pure_one(int x) __attribute__((pure));
int cold_one(int x) __attribute__((cold, warn_unused_result, nonnull));
double of_double(double x) __attribute__((const, target("sse2")));
struct pair of_struct(struct pair p);
int tail_of(int x) __attribute__((noinline));
