/* scans.c: the folders are listed, their rows are looked for page by page, and the folders
 * without a row are looked into. A folder is listed after its row was stored, so a run that begins
 * meanwhile is no mistake; one that is removed meanwhile has no folder any more at the end. */
#include "main/scans.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/run/runs.h"
#include "engine/system/damage.h"

enum { NAMES_BYTES_MAX = 1 << 20, PAGE = 50, NAMES_LOGGED = 5, LOGGED_BYTES_MAX = 512 };
enum { LOGGED_MAX = 20, PAGE_KEPT_MAX = 20, WHERE_SHOWN_MAX = 400 };

/* The part of a folder's name that is the run's id; empty: not a name of ours. */
static struct bytes run_of(const char *name) {
    const char *dot = strrchr(name, '.');
    return (struct bytes){name, dot == NULL ? 0 : (size_t)(dot - name)};
}

/* --- Folders without a row -------------------------------------------------------------------- */

static void judge_run(struct loop_work *work) {
    struct spool_look *look = CONTAINER_OF(work, struct spool_look, work);
    text_clear(&look->page);
    for (size_t at = 0; at < look->unknown.len;) {
        const char *name = look->unknown.data + at;
        struct spool_state state;
        struct err err = spool_decide(look->spool, name, SPOOL_LOOK, 0 /* not used */, &state);
        at += strlen(name) + 1;
        if (!err_failed(err) && (state.found == SPOOL_ALIVE || state.found == SPOOL_ENDED ||
                                 state.found == SPOOL_GONE)) {
            text_add(&look->page, name, strlen(name) + 1);
        }
    }
}

static void judge_done(struct loop_work *work) {
    struct spool_look *look = CONTAINER_OF(work, struct spool_look, work);
    AUTO(text_done) struct text shown = text_up_to(LOGGED_BYTES_MAX);
    look->count = 0;
    for (size_t at = 0; at < look->page.len; look->count++) {
        const char *name = look->page.data + at;
        at += strlen(name) + 1;
        if (look->count < NAMES_LOGGED) {
            text_addf(&shown, "%s%s", look->count == 0 ? "" : " ", name);
        }
    }
    if (look->count > 0) {
        log_event(look->log, LOG_ERROR,
                  "the spool has folders of runs that are not in the database, which lost "
                  "them or belongs to another data directory; their output is kept for a "
                  "day",
                  LOG_FIELDS(log_int("folders", look->count), log_text("first", shown.data),
                             log_err(err_make(ERR_STORE_INCOMPLETE, "spool: look"))));
    }
}

/* --- Rows ------------------------------------------------------------------------------------- */

static struct err page_tx(struct tx *tx, void *ctx) {
    struct spool_look *look = ctx;
    struct err err = ERR_OK;
    text_clear(&look->page);
    look->next = look->at;
    for (int i = 0; i < PAGE && look->next < look->names.len && !err_failed(err); i++) {
        const char *name = look->names.data + look->next;
        bool found = true;
        struct run_row row;
        const struct run_key key = {.run = run_of(name)};
        look->next += strlen(name) + 1;
        err = tx_run_find_shown(tx, &key, &found, &row); /* Also a damaged one. */
        if (!err_failed(err) && !found) {
            text_add(&look->page, name, strlen(name) + 1);
        }
    }
    return err;
}

/* Reads page after page. */
static void page_done(struct err err, void *ctx) {
    struct spool_look *look = ctx;
    if (err_failed(err)) {
        if (err.code != ERR_CLOSING) {
            log_event(look->log, LOG_WARN, "the spool could not be compared with the database",
                      LOG_FIELDS(log_err(err)));
        }
        return;
    }
    if (look->page.len > 0) {
        text_add(&look->unknown, look->page.data, look->page.len);
    }
    look->at = look->next;
    if (look->stopping) { /* The store answers its last reads when the loop has ended. */
        return;
    }
    if (look->at < look->names.len) {
        store_read(look->store, page_tx, page_done, look);
    } else if (look->unknown.len > 0) {
        look->work = (struct loop_work){.run = judge_run, .done = judge_done};
        loop_work(look->loop, &look->work);
    }
}

/* --- All folders ------------------------------------------------------------------------------ */

static struct err on_folder(void *ctx, const char *name) {
    struct spool_look *look = ctx;
    size_t len = strlen(name) + 1;
    bool fits = look->names.len + len <= NAMES_BYTES_MAX; /* Enough to say that there are some. */
    if (fits && run_of(name).len > 0) {
        text_add(&look->names, name, len);
    }
    return ERR_OK;
}

static void list_run(struct loop_work *work) {
    struct spool_look *look = CONTAINER_OF(work, struct spool_look, work);
    look->err = spool_each(look->spool, on_folder, look);
}

static void list_done(struct loop_work *work) {
    struct spool_look *look = CONTAINER_OF(work, struct spool_look, work);
    page_done(look->err, look);
}

void spool_look_start(struct spool_look *look, struct loop *loop, struct store *store,
                      struct log *log, const struct spool *spool) {
    *look = (struct spool_look){.loop = loop, .store = store, .log = log, .spool = spool};
    text_init(&look->names, NAMES_BYTES_MAX);
    text_init(&look->unknown, NAMES_BYTES_MAX);
    text_init(&look->page, NAMES_BYTES_MAX);
    look->work = (struct loop_work){.run = list_run, .done = list_done};
    loop_work(look->loop, &look->work);
}

void spool_look_stop(struct spool_look *look) {
    look->stopping = true;
}

void spool_look_done(struct spool_look *look) {
    text_done(&look->names);
    text_done(&look->unknown);
    text_done(&look->page);
}

/* --- Damaged rows: a page after the other; a few lines of log, however much is damaged -------- */

struct found {
    const char *table, *column, *what; /* Static. */
    char where[WHERE_SHOWN_MAX + 1];   /* Cut. */
};

struct damage_scan {
    struct store *store; /* Borrowed, as is the log. */
    struct log *log;
    struct damage_cursor at, next; /* next: written by the store function, which may run again. */
    struct damage_page page;
    int64_t found; /* Number of damaged columns, of all pages before. */
    int64_t page_found;
    struct found kept[PAGE_KEPT_MAX]; /* The first ones of this page. */
};

static void damage_keep(void *ctx, const struct damage *damage) {
    struct damage_scan *look = ctx;
    if (look->page_found < PAGE_KEPT_MAX) {
        struct found *found = &look->kept[look->page_found];
        *found = (struct found){damage->table, damage->column, damage->what, ""};
        memcpy(found->where, damage->where.data, utf8_cut(damage->where, WHERE_SHOWN_MAX));
    }
    look->page_found++;
}

static struct err damage_read(struct tx *tx, void *ctx) {
    struct damage_scan *look = ctx;
    look->page_found = 0;
    look->next = look->at;
    return tx_damage_page(tx, DAMAGE_NEWEST, &look->next, damage_keep, look, &look->page);
}

static void damage_done(struct err err, void *ctx) {
    struct damage_scan *look = ctx;
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
        store_read(look->store, damage_read, damage_done, look);
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
    struct damage_scan *look = mem_new(sizeof *look);
    *look = (struct damage_scan){.store = store, .log = log};
    store_read(store, damage_read, damage_done, look);
}
