struct address { long words[8]; int port; };
struct conn { int fd; struct address local, remotes[2]; struct conn *next; char tail; };
typedef struct { char text[70]; unsigned flag : 3, rest : 9; } note_t;
struct request { long a[10]; };
struct answer { double d[9]; };
struct message { int kind; union { struct request request; struct answer answer; }; union { struct request again; } named; };
struct base { int kind; long a[9]; };
struct derived { struct base base; long more; };
struct link { struct link *next; long pad[8]; };
struct holder { int n; struct link link; };
#define container_of(p, type, member) ((type *)((char *)(p) - __builtin_offsetof(type, member)))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
extern struct conn conns[3];
extern __thread struct address here;
struct conn by_value(struct conn c, int fd);
long total(const struct conn *c);
int order(const void *a, const void *b);
