#if VERSION == 2
extern long written;
#elif VERSION == 4
extern int written[3];
#else
extern int written;
#endif
