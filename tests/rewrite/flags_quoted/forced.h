#define FORCED 77
