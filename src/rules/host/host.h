/* host.h: a host that shares the database, as a row and as lists show it (resource.c).
 *
 * Ownership  texts are borrowed.
 * Threads    any.
 */
#ifndef DROVER_RULES_HOST_HOST_H
#define DROVER_RULES_HOST_HOST_H

#include "base/base.h"
#include "base/resource/resource.h"

enum host_role { HOST_STANDBY, HOST_LEADER };

struct host_row {
    int64_t id;
    struct bytes place; /* As of home.h. */
    struct bytes name;  /* For people: HOSTNAME:DATA. */
    struct bytes version;
    enum host_role role; /* Not read from the row: see engine/host/hosts.h. */
    int64_t made_ms, seen_ms;
    int64_t runs; /* Jobs of it that have not ended. */
    bool here;    /* Lists: the daemon that answers is of this host. */
};

extern const char *const host_role_names[];
extern const struct resource host_resource; /* Only read: engine/host/hosts.h writes its rows. */

#endif
