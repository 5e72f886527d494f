int shared;
int counts[4];
char *text;
struct pair { int x, y; } pair;
int defined_there = 77;
int only_here;

void fill(void)
{
    shared *= 5;
    counts[3] = shared + only_here;
    text = "filled";
    pair.y = 9;
}
