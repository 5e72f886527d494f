/* A type inside a function has no objects elsewhere, and no layout to keep. */
//! wrap: struct point in main
//! refused: struct point in main cannot be controlled: it is defined inside a function
int main(void)
{
    struct point {
#ifndef OLD
        int z;
#endif
        int x, y;
    } p = { 1 };
    return p.x;
}
