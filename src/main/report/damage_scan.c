/* damage_scan.c: a page after the other; at most a few lines of log, however much is damaged. */
#include "main/report/damage_scan.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/system/damage.h"

enum { LOGGED_MAX = 20, PAGE_KEPT_MAX = 20, WHERE_SHOWN_MAX = 400 };

struct found {
    const char *table, *column, *what; /* Static. */
    char where[WHERE_SHOWN_MAX + 1];   /* Cut. */
};

struct look {
    struct store *store; /* Borrowed, as is the log. */
    struct log *log;
    struct damage_cursor at, next; /* next: written by the store function, which may run again. */
    struct damage_page page;
    int64_t found; /* Number of damaged columns, of all pages before. */
    int64_t page_found;
    struct found kept[PAGE_KEPT_MAX]; /* The first ones of this page. */
};

static void damage_keep(void *ctx, const struct damage *damage) {
    struct look *look = ctx;
    if (look->page_found < PAGE_KEPT_MAX) {
        struct found *found = &look->kept[look->page_found];
        *found = (struct found){damage->table, damage->column, damage->what, ""};
        memcpy(found->where, damage->where.data, utf8_cut(damage->where, WHERE_SHOWN_MAX));
    }
    look->page_found++;
}

static struct err page_read(struct tx *tx, void *ctx) {
    struct look *look = ctx;
    look->page_found = 0;
    look->next = look->at;
    return tx_damage_page(tx, DAMAGE_NEWEST, &look->next, damage_keep, look, &look->page);
}

static void page_done(struct err err, void *ctx) {
    struct look *look = ctx;
    for (int64_t i = 0; !err_failed(err) && i < look->page_found && i < PAGE_KEPT_MAX; i++) {
        const struct found *damage = &look->kept[i];
        if (look->found + i < LOGGED_MAX) {
            log_event(look->log, LOG_WARN,
                      "a row of the database is damaged; 'drover doctor' says how to remove it",
                      LOG_FIELDS(log_text("table", damage->table), log_text("row", damage->where),
                                 log_text("column", damage->column),
                                 log_text("what", damage->what)));
        }
    }
    if (!err_failed(err)) {
        look->found += look->page_found;
        look->at = look->next;
    }
    if (!err_failed(err) && look->page.more) {
        store_read(look->store, page_read, page_done, look);
        return;
    }
    if (err_failed(err) && err.code != ERR_CLOSING) {
        log_event(look->log, LOG_WARN, "the database could not be searched for damaged rows",
                  LOG_FIELDS(log_err(err)));
    } else if (look->found > LOGGED_MAX) {
        log_event(look->log, LOG_WARN, "more rows of the database are damaged",
                  LOG_FIELDS(log_int("count", look->found)));
    }
    mem_free(look);
}

void damage_look(struct store *store, struct log *log) {
    struct look *look = mem_new(sizeof *look);
    *look = (struct look){.store = store, .log = log};
    store_read(store, page_read, page_done, look);
}
