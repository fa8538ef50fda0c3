/* log_change.c: see log_change.h. */
#include "base/log_change.h"

#include <string.h>

static const uint64_t every_ns = UINT64_C(60) * 1000 * 1000 * 1000;

static bool is_same(struct err a, struct err b) {
    return a.code == b.code && a.os == b.os && strcmp(a.step, b.step) == 0;
}

bool log_change_take(struct log_change *change, struct err err, uint64_t now_ns) {
    if (!err_failed(err)) {
        change->last = ERR_OK;
        return false;
    }
    bool known = err_failed(change->last) && is_same(change->last, err);
    if (known || now_ns < change->next_ns) {
        return false;
    }
    *change = (struct log_change){.last = err, .next_ns = now_ns + every_ns};
    return true;
}
