#if VERSION == 2
/* Another comment. */
#define UNUSED_MACRO 5

#define MACRO(y) ( (y)+3 )
#else
#define MACRO(x) ((x) + 3)
#endif
