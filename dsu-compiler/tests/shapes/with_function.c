/* The function that brings objects up to date would come too late. */
//! wrap: struct point
//! refused: it is defined together with a function
struct point {
#ifndef OLD
    int z;
#endif
    int x, y;
} main_point(void) { struct point p = { 1 }; return p; }
int main(void) { return main_point().x; }
