/* port_owner.h: the process that listens on a TCP port, as /proc shows it.
 *
 * Threads    any; reads the descriptors of every process, so it is for a failure alone.
 * Failure    not found: the process is another user's, or in another namespace.
 */
#ifndef DROVER_PROC_PORT_OWNER_H
#define DROVER_PROC_PORT_OWNER_H

#include "base/base.h"

struct port_owner {
    int pid; /* 0: not found. */
    char name[32];
};
struct port_owner port_owner_find(uint16_t port);

/* The inode of the listening socket of that port in a table of the form of /proc/net/tcp; 0: none.
 * The table is terminated. */
uint64_t port_inode_find(const char *table, uint16_t port);

#endif
