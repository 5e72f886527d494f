struct engine {
    char name[72];
    int speed;
};

struct engine *make(void);
int limit(struct engine *e);
