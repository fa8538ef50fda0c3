/* failed_start_notice.c: see failed_start_notice.h. */
#include "main/report/failed_start_notice.h"

#include "journal/journal.h"

enum { DATA_MAX = 512 };

static struct err event_tx(struct tx *tx, void *ctx) {
    const struct failed_start_notice *notice = ctx;
    struct appended appended;
    const struct append append = {.owner = BYTES("local"),
                                  .stream = BYTES("system"),
                                  .type = BYTES("daemon_held"),
                                  .data = {notice->data.data, notice->data.len}};
    return tx_append(tx, &append, &appended);
}

static void event_done(struct err err, void *ctx) {
    const struct failed_start_notice *notice = ctx;
    if (err_failed(err)) {
        log_event(notice->log, LOG_WARN, "the event about the hold could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
}

void failed_start_notice_send(struct failed_start_notice *notice) {
    if (!failed_starts_hold(notice->starts)) {
        return;
    }
    struct text *data = &notice->data;
    text_init(data, DATA_MAX);
    text_add_char(data, '{');
    failed_starts_write(notice->starts, data);
    text_add_char(data, '}');
    assert(!text_failed(data)); /* Three ids. */
    AUTO(text_done) struct text runs;
    text_init(&runs, DATA_MAX);
    failed_starts_name(notice->starts, &runs);
    log_event(notice->log, LOG_ERROR,
              "the daemon crashed soon after each of its last starts, so it holds: nothing begins"
              " until drover release, which shows the runs that it was at",
              LOG_FIELDS(log_int("failed_starts", failed_starts_count(notice->starts)),
                         log_text("last_runs", runs.data)));
    store_write(notice->store, event_tx, event_done, notice);
}

void failed_start_notice_done(struct failed_start_notice *notice) {
    text_done(&notice->data);
}
