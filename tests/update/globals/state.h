struct entry { int used; char name[8]; };
extern int shared;
extern struct entry table[10];
int look(void);
