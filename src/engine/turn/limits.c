/* limits.c: how many calls of tools a turn makes.
 *
 * The settings of its session may say so (`max_tool_calls`). What the model calls beyond that is
 * refused, and it is asked once more, without tools, for what it has found so far (step.c).
 * What was made is counted from the message: its cards are never taken out of it. */
#include "engine/turn/rows.h"

#include <string.h>

#include "base/json/json.h"

static const char name[] = "max_tool_calls";

static const char used_up[] = "This was not done: as many tools as may be were called already.";
static const char too_late[] = "This was not done: no more tools can be called.";

/* Most sessions say nothing of it, and these are not parsed. */
static int64_t limit_of(struct bytes settings) {
    AUTO(json_release) json_t *json = NULL;
    if (settings.len < sizeof name ||
        memmem(settings.data, settings.len, name, sizeof name - 1) == NULL ||
        err_failed(json_parse_wrapped(settings, &json, NULL))) {
        return -1;
    }
    const json_t *limit = json_object_get(json, name);
    return json_is_integer(limit) && json_integer_value(limit) > 0 ? json_integer_value(limit) : -1;
}

struct err turns__count_tools(struct tx *tx, struct turn *turn) {
    const struct arg args[] = {arg_int(turn->row.answer)};
    const struct run_ask ask = {
        .sql = "SELECT count(*) FROM parts WHERE message = $1 AND kind = 'tool'",
        .args = args,
        .count = COUNT_OF(args)};
    int64_t made = 0, limit = limit_of(turn->session.settings);
    turn->tools_left = -1;
    if (limit < 0) {
        return ERR_OK;
    }
    struct err err = runs__int(tx, &ask, &made);
    turn->tools_left = made < limit ? limit - made : 0;
    return err;
}

bool turns__take_tool(struct turn *turn, struct bytes *ret_words) {
    if (turn->row.last_call) {
        *ret_words = BYTES(too_late);
        return false;
    }
    if (turn->tools_left == 0) {
        *ret_words = BYTES(used_up);
        return false;
    }
    turn->tools_left -= turn->tools_left > 0;
    return true;
}
