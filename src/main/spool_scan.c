/* spool_scan.c: the folders are listed, their rows are looked for page by page, and the folders
 * without a row are looked into. A folder is listed after its row was stored, so a run that begins
 * meanwhile is no mistake; one that is removed meanwhile has no folder any more at the end. */
#include "main/spool_scan.h"

#include <string.h>

#include "engine/run/runs.h"

enum { NAMES_BYTES_MAX = 1 << 20, PAGE = 50, NAMES_LOGGED = 5, LOGGED_BYTES_MAX = 512 };

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
                  "the spool has folders of runs that the database does not know: it has lost them,"
                  " or belongs to another directory; their output is kept for a day",
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
