/* What the two units share. */
struct point {
    int x, y;
};

extern int counter;
extern const long limits[4];
int scale(int n, const struct point *by);
