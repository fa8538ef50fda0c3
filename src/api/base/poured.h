/* poured.h: an answer of any length, read page by page and poured as it is read.
 *
 *            ┌──────── written, and there is more ────────┐
 *            v                                            │
 *   begin ─> READING ── a page ──> WRITING ── written, and that was all ──> ended
 *
 * Promise    a page is read only when the one before it has left, so that a slow client costs one
 *            page. What fails before the first page is a problem document; later, the connection is
 *            cut, so that half of an answer is never taken for a whole one.
 * Ownership  the object of the request begins with a struct poured. From `done` of the request on
 *            it is freed here. The exchange ends before the answer does, so `key` has copies.
 * Threads    the loop; `page` is a store function, and sets `last` each time.
 * Failure    as pour.h.
 */
#ifndef DROVER_API_BASE_POURED_H
#define DROVER_API_BASE_POURED_H

#include "api/base/request.h"
#include "base/id.h"
#include "base/limits.h"
#include "http/stream/pour.h"

enum poured_state {
    POURED_WRITING, /* A page is written, the first one included. */
    POURED_READING, /* The next page is read. */
    POURED_GONE,    /* The client left meanwhile: freed when the page was read. */
};

struct poured {
    struct request request; /* Until the first page is there; its answer is each page. */
    struct pour pour;
    /* Set by `start` of the request: */
    store_fn page;                  /* Begins with op_restart. Its argument is the struct poured. */
    void (*take)(struct poured *p); /* After each page: the place of the next one. */
    const char *media, *ending;     /* Static: of the content, and of the file's name. */
    /* Set by poured_start: */
    char owner[OWNER_SIZE], id[ID_SIZE];
    struct one_key key;
    bool last;      /* Set by `page`: nothing follows it. */
    size_t written; /* Bytes of the page. */
    enum poured_state state;
};

/* In `start`: keeps the key. `page_max`: bytes of a page. */
void poured_start(struct poured *poured, size_t page_max);
/* The request's `work`, and its `done`. */
MUST_CHECK struct err poured_work(struct tx *tx, void *poured);
enum request_next poured_done(void *poured, struct err *io_result);

#endif
