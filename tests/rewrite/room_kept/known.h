struct known { long a[9]; int b; };
int use(struct known *k);
