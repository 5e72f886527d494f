/* Without braces, elements cannot be told from one another. */
//! wrap: struct point
//! refused: the layout of struct point changed, and an initialiser of it leaves braces out
struct point {
#ifndef OLD
    int z;
#endif
    int x, y;
};
struct point all[2] = { 1, 2, 3, 4 };
int main(void) { return all[0].x; }
