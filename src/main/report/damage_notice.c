/* damage_notice.c: see damage_notice.h. A page is counted once, so this ends by itself. */
#include "main/report/damage_notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"

enum { DATA_SIZE = 64 };

static struct err event_tx(struct tx *tx, void *ctx) {
    const struct damage_notice *notice = ctx;
    char data[DATA_SIZE];
    (void)snprintf(data, sizeof data, "{\"pages\":%" PRIu32 "}", notice->sent); /* It fits. */
    struct appended appended;
    const struct append append = {.owner = BYTES("local"),
                                  .stream = BYTES("system"),
                                  .type = BYTES("database_damaged"),
                                  .data = {data, strlen(data)}};
    return tx_append(tx, &append, &appended);
}

static void event_send(struct damage_notice *notice);

static void event_done(struct err err, void *ctx) {
    struct damage_notice *notice = ctx;
    notice->away = false;
    if (err_failed(err)) {
        log_event(notice->log, LOG_WARN, "the event about damage could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
    event_send(notice);
}

static void event_send(struct damage_notice *notice) {
    if (!notice->away && notice->sent < notice->told) {
        notice->away = true;
        notice->sent = notice->told;
        store_write(notice->store, event_tx, event_done, notice);
    }
}

void damage_notice_look(struct damage_notice *notice) {
    uint32_t pages = store_damaged(notice->store);
    if (pages <= notice->told) {
        return;
    }
    notice->told = pages;
    log_event(
        notice->log, LOG_ERROR,
        "a page of the database is damaged: what needs it fails; look for a failing disk, stop"
        " the daemon and restore a backup ('drover doctor' says how)",
        LOG_FIELDS(log_int("damaged_pages", pages),
                   log_err(err_make(ERR_STORE_CORRUPT, "store: page"))));
    event_send(notice);
}
