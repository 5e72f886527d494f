struct pair { int a, b; double d[2]; };
struct flexible { int count; int items[]; };
extern struct bits { unsigned a : 3; signed b : 6; } bits;
extern union both { long whole; short halves[4]; } both;
extern struct flexible *flexible;
int look(void);
