typedef int handler_t(int);
typedef handler_t *handler_p;
typedef int apply_t(handler_t *, int);

handler_t open_handler, close_handler;
extern handler_t nested;
apply_t apply;
