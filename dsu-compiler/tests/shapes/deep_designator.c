/* The struct that a designator leads into has no list that could say its version. */
//! wrap: struct point
//! refused: the layout of struct point changed, and an initialiser of it leaves braces out
struct point {
#ifndef OLD
    int z;
#endif
    int x, y;
};
struct box { int n; struct point p[2]; };
struct box box = { .p[1].x = 1, .n = 2 };
int main(void) { return box.n; }
