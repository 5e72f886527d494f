/* A member without a name cannot be named in a list. */
//! wrap: struct packet
//! refused: an initialiser of it has a value for a member without a name
struct packet {
    long kind;
    union { long l; int i; };
#ifndef OLD
    int added;
    long more;
#endif
    int last;
};
#ifndef OLD
struct packet q = { 1, { 2 }, 3, 4, 5 };
#endif
int main(void) { return 0; }
