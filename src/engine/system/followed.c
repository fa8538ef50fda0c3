/* followed.c: events of rows that have changed: see engine/base/follow.h. */
#include "engine/base/follow.h"

#include "engine/approval/rows.h"
#include "engine/budget/rows.h"
#include "engine/run/rows.h"

const store_row_fn followed_rows[STORE_ROW_KINDS_MAX] = {
    [FOLLOW_RUN] = runs__tell_changed,           [FOLLOW_SESSION] = sessions__tell_changed,
    [FOLLOW_APPROVAL] = approvals__tell_changed, [FOLLOW_BUDGET] = budget__tell_changed,
    [FOLLOW_REMOVAL] = follow__untell,
};
