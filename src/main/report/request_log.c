/* request_log.c: see request_log.h. */
#include "main/report/request_log.h"

static const enum err_code disk_codes[] = {ERR_DISK_FULL, ERR_READ_ONLY, ERR_STORE_IO};
static_assert(COUNT_OF(disk_codes) == REQUEST_LOG_PACES, "a pace for each code");

/* NULL: the failure is of this request alone. */
static struct log_pace *disk_pace_find(struct request_log *self, enum err_code code) {
    for (size_t i = 0; i < COUNT_OF(disk_codes); i++) {
        if (disk_codes[i] == code) {
            return &self->disk_paces[i];
        }
    }
    return NULL;
}

void request_log_failed(struct request_log *self, const struct exchange *exchange, struct err err,
                        const struct why *why) {
    struct log_pace *pace = disk_pace_find(self, err.code);
    uint64_t omitted = 0;
    if (pace != NULL && !log_pace_take(pace, world_mono_ns(self->world), &omitted)) {
        return;
    }
    log_event(self->log, LOG_ERROR, "a request failed",
              LOG_FIELDS(log_bytes("method", exchange_method(exchange)),
                         log_bytes("target", exchange_target(exchange)),
                         log_text("detail", why != NULL ? why->text : NULL),
                         log_int("omitted", (int64_t)omitted), log_err(err)));
}
