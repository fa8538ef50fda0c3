/* export.c: all of a session as one answer, poured as it is read.
 *
 *            ┌──────── written, and there is more ────────┐
 *            v                                            │
 *   begin ─> READING ── a page ──> WRITING ── written, and that was all ──> ended
 *
 * A page is read only when the one before it has left, so that a slow client costs one page. What
 * fails before the first page is a problem document; later, the connection is cut, so that half of
 * a session is never taken for a whole one.
 */
#include <stdio.h>
#include <string.h>

#include "api/session/sessions.h"
#include "base/memory.h"
#include "engine/session/messages.h"
#include "http/stream/pour.h"

enum export_state {
    EXPORT_WRITING, /* A page is written, the first one included. */
    EXPORT_READING, /* The next page is read. */
    EXPORT_GONE,    /* The client left meanwhile: freed when the page was read. */
};

struct export_op {
    struct request request; /* Until the first page is there; its answer is each page. */
    struct pour pour;
    struct session_export what;
    char owner[OWNER_SIZE], session[ID_SIZE]; /* The exchange ends before the answer does. */
    struct session_export_place next;         /* While the function runs. */
    size_t written;                           /* Bytes of the page. */
    enum export_state state;
};

static void export_free(struct export_op *export) {
    text_done(&export->request.op.answer);
    mem_free(export);
}

static struct err export_page(struct tx *tx, void *ctx) {
    struct export_op *export = ctx;
    op_restart(&export->request.op);
    return tx_session_export(tx, &export->what, &export->request.op.answer, &export->next);
}

static void page_done(struct err result, void *ctx);

/* While the next page is read, the answer is the reader's: a client that is ready waits for it. */
static void page_write(struct export_op *export) {
    const struct text *page = &export->request.op.answer;
    enum pour_result result = POUR_MORE;
    while (result == POUR_MORE && export->written < page->len) {
        size_t left = page->len - export->written;
        size_t len = left < POUR_PIECE_MAX ? left : POUR_PIECE_MAX;
        result = pour_write(&export->pour, (struct bytes){page->data + export->written, len});
        export->written += len;
    }
    if (export->written == page->len && export->what.place.done) {
        pour_end(&export->pour);
    } else if (export->written == page->len) {
        export->state = EXPORT_READING;
        store_read(export->request.store, export_page, page_done, export);
    }
}

static void page_done(struct err result, void *ctx) {
    struct export_op *export = ctx;
    if (export->state == EXPORT_GONE) {
        export_free(export);
        return;
    }
    export->state = EXPORT_WRITING;
    if (err_failed(result)) {
        pour_cut(&export->pour);
        return;
    }
    export->written = 0;
    export->what.place = export->next;
    if (pour_open(&export->pour)) {
        page_write(export);
    }
}

static void ready(struct pour *pour) {
    struct export_op *export = CONTAINER_OF(pour, struct export_op, pour);
    if (export->state == EXPORT_WRITING) {
        page_write(export);
    }
}

static void drain(struct pour *pour, enum err_code why) {
    (void)why; /* Either way it cannot become whole. */
    pour_cut(pour);
}

static void gone(struct pour *pour) {
    struct export_op *export = CONTAINER_OF(pour, struct export_op, pour);
    if (export->state == EXPORT_READING) {
        export->state = EXPORT_GONE;
    } else {
        export_free(export);
    }
}

static const struct pour_ops ops = {.ready = ready, .drain = drain, .gone = gone};

static enum request_next export_begin(void *ctx, struct err *io_result) {
    struct export_op *export = ctx;
    struct exchange *exchange = export->request.op.exchange;
    bool markdown = export->what.format == SESSION_EXPORT_MARKDOWN;
    const struct pour_options options = {
        .ops = &ops, .media = markdown ? "text/markdown; charset=utf-8" : "application/json"};
    char name[100];
    if (err_failed(*io_result)) {
        return REQUEST_ANSWER;
    }
    int len = snprintf(name, sizeof name, "attachment; filename=\"%s.%s\"", export->session,
                       markdown ? "md" : "json");
    assert(len > 0 && (size_t)len < sizeof name);
    exchange_add_header(exchange, "Content-Disposition", name);
    export->what.place = export->next;
    if (!exchange_pour_begin(exchange, &options, &export->pour)) {
        export_free(export); /* The answer to a HEAD is complete. */
    }
    return REQUEST_LATER;
}

static struct err export_read(void *ctx) {
    struct export_op *export = ctx;
    const struct exchange *exchange = export->request.op.exchange;
    struct bytes format = param_text(exchange, "format");
    bool json = !param_given(exchange, "format") || bytes_is(format, "json");
    if (!json && !bytes_is(format, "markdown")) {
        return err_why(&export->request.op.why, ERR_BAD_QUERY,
                       "query parameter 'format' must be json or markdown");
    }
    export->what.format = json ? SESSION_EXPORT_JSON : SESSION_EXPORT_MARKDOWN;
    return ERR_OK;
}

static struct err export_start(void *ctx) {
    struct export_op *export = ctx;
    const struct one_key *key = &export->request.key;
    assert(key->owner.len < sizeof export->owner && key->id.len < sizeof export->session);
    memcpy(export->owner, key->owner.data, key->owner.len);
    memcpy(export->session, key->id.data, key->id.len);
    export->what.key = (struct session_key){.owner = {export->owner, key->owner.len},
                                            .session = {export->session, key->id.len}};
    export->what.hold = run_bounds_hold(&export->request.bounds);
    text_init(&export->request.op.answer, SESSION_EXPORT_TEXT_MAX);
    return ERR_OK;
}

const struct request_kind sessions__export = {
    .size = sizeof(struct export_op),
    .one = &session_one,
    .read = export_read,
    .start = export_start,
    .work = export_page,
    .done = export_begin,
};
