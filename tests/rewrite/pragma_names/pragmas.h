#pragma once
#pragma pack(push, 1)
struct tight { char c; int i; };
#pragma pack(pop)
#pragma redefine_extname redirected where_it_goes
int redirected(int);
int other(int);
