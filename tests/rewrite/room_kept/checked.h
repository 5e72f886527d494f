struct checked { long a[9]; };
int check(struct checked *c);
