/* notices.c: see notices.h. A page is counted once, so the events about damage come to an end. */
#include "main/report/notices.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"

enum { DAMAGE_SIZE = 64, HELD_MAX = 512 };

static struct err system_append(struct tx *tx, struct bytes type, struct bytes data) {
    struct appended appended;
    const struct append append = {
        .owner = BYTES("local"), .stream = BYTES("system"), .type = type, .data = data};
    return tx_append(tx, &append, &appended);
}

/* --- Damage ----------------------------------------------------------------------------------- */

static struct err damage_tx(struct tx *tx, void *ctx) {
    const struct notices *notices = ctx;
    char data[DAMAGE_SIZE];
    (void)snprintf(data, sizeof data, "{\"pages\":%" PRIu32 "}", notices->damage_sent); /* Fits. */
    return system_append(tx, BYTES("database_damaged"), bytes_of(data));
}

static void damage_send(struct notices *notices);

static void damage_done(struct err err, void *ctx) {
    struct notices *notices = ctx;
    notices->damage_away = false;
    if (err_failed(err)) {
        log_event(notices->log, LOG_WARN, "the event about damage could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
    damage_send(notices);
}

static void damage_send(struct notices *notices) {
    if (!notices->damage_away && notices->damage_sent < notices->damage_logged) {
        notices->damage_away = true;
        notices->damage_sent = notices->damage_logged;
        store_write(notices->store, damage_tx, damage_done, notices);
    }
}

void notices_damage(struct notices *notices) {
    uint32_t pages = store_damaged(notices->store);
    if (pages <= notices->damage_logged) {
        return;
    }
    notices->damage_logged = pages;
    log_event(notices->log, LOG_ERROR,
              "a page of the database is damaged: requests that read it fail; look for "
              "a failing disk, stop the daemon and restore a backup ('drover doctor' "
              "says how)",
              LOG_FIELDS(log_int("damaged_pages", pages),
                         log_err(err_make(ERR_STORE_CORRUPT, "store: page"))));
    damage_send(notices);
}

/* --- Hold after failed starts ----------------------------------------------------------------- */

static struct err held_tx(struct tx *tx, void *ctx) {
    const struct notices *notices = ctx;
    return system_append(tx, BYTES("daemon_held"), text_bytes(&notices->held));
}

static void held_done(struct err err, void *ctx) {
    const struct notices *notices = ctx;
    if (err_failed(err)) {
        log_event(notices->log, LOG_WARN, "the event about the hold could not be stored",
                  LOG_FIELDS(log_err(err)));
    }
}

void notices_hold(struct notices *notices, const struct failed_starts *starts) {
    if (!failed_starts_hold(starts)) {
        return;
    }
    text_init(&notices->held, HELD_MAX);
    text_add_char(&notices->held, '{');
    failed_starts_write(starts, &notices->held);
    text_add_char(&notices->held, '}');
    assert(!text_failed(&notices->held)); /* Three ids. */
    AUTO(text_done) struct text runs = text_up_to(HELD_MAX);
    failed_starts_name(starts, &runs);
    log_event(notices->log, LOG_ERROR,
              "the daemon crashed soon after each of its last starts, so it holds: "
              "nothing starts before 'drover release', which lists the runs that were "
              "in progress",
              LOG_FIELDS(log_int("failed_starts", failed_starts_count(starts)),
                         log_text("last_runs", runs.data)));
    store_write(notices->store, held_tx, held_done, notices);
}

void notices_done(struct notices *notices) {
    text_done(&notices->held);
}
