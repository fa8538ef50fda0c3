/* damage.h: damage, for whoever keeps the daemon: rows that cannot be right (GET /api/v1/damage),
 * and folders of attempts that no row knows (GET /api/v1/damage/folders). The routes stand in the
 * table of system.c.
 *
 * Threads    the loop.
 */
#ifndef DROVER_API_SYSTEM_DAMAGE_H
#define DROVER_API_SYSTEM_DAMAGE_H

#include "api/base/request.h"
#include "api/system/system.h"

extern const struct query_param damage_query[];
extern const char damage_answer[]; /* Schema. */
extern const struct request_kind damage_list;

extern const struct query_param damage_folders_query[];
extern const char damage_folders_answer[]; /* Schema. */
extern const struct request_kind damage_folders_list;

#endif
