struct pair { int first, second; char more[40]; };
int get(void);
void wait_some(int);
struct pair get_pair(int);
typedef const char *text[2];
const text *get_texts(int);
const char *const *get_text(int);
