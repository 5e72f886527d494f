/* The same value under another name. */
#pragma dsu rename struct account rate interest
