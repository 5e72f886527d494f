void trace(const char *what);
