/* resource.h: the descriptor of sessions, and the groups of columns that are written together.
 * Threads: any; constant. */
#ifndef DROVER_RULES_SESSION_RESOURCE_H
#define DROVER_RULES_SESSION_RESOURCE_H

#include "base/resource/resource.h"

enum session_columns {
    SESSION_OWN = FIELD_SET,         /* Written by tx_session_change, */
    SESSION_TEXTS = FIELD_SET << 1,  /* sessions__empty, */
    SESSION_STATE = FIELD_SET << 2,  /* sessions__set_state, */
    SESSION_TIME = FIELD_SET << 3,   /* sessions__touch, */
    SESSION_FULL = FIELD_SET << 4,   /* sessions__set_context, */
    SESSION_SIGHT = FIELD_SET << 5,  /* sessions__set_hidden, */
    SESSION_PATH = FIELD_SET << 6,   /* sessions__set_places, */
    SESSION_NATIVE = FIELD_SET << 7, /* sessions__set_native, */
    SESSION_ANSWER = FIELD_SET << 8, /* and where tx_session_change lets another program answer. */
};
extern const struct resource session_resource; /* Rows: struct session_row. */

#endif
