/*
 * A monitor reaches its table of requests through mon_dispatch alone, once it has begun: one that runs goes on with the table it
 * has, flags and all, and refuses requests that the table does not know. One that begins later takes the new table.
 */
#pragma dsu new mon_dispatch_proto20
#pragma dsu new mon_dispatch_postauth20
