void prepare(void);
int row_count(void);
int on_menu(const char *word);
int known(const char *word);
