/* As with gssapi. */
#pragma dsu new mon_dispatch_proto20
