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

struct export_op {
    struct op op; /* Until the first page is there; `answer` is the page. */
    struct pour pour;
    struct store *store; /* Borrowed. */
    struct session_export what;
    char owner[OWNER_SIZE], session[ID_SIZE]; /* The exchange ends before the answer does. */
    struct session_export_place next;         /* While the function runs. */
    size_t written;                           /* Of the page. */
    bool pouring, reading, gone;
};

static void export_free(struct export_op *export) {
    text_done(&export->op.answer);
    mem_free(export);
}

static struct err page_run(struct tx *tx, void *ctx) {
    struct export_op *export = ctx;
    op_restart(&export->op);
    struct err err = tx_session_export(tx, &export->what, &export->op.answer, &export->next);
    return err.code == ERR_NOT_FOUND ? one_absent(&session_one, &export->op.why) : err;
}

static void page_done(struct err result, void *ctx);

static void page_read_next(struct export_op *export) {
    export->reading = true;
    store_read(export->store, page_run, page_done, export);
}

/* While the next page is read, `answer` is the reader's: a client that is ready waits for it. */
static void page_write(struct export_op *export) {
    const struct text *page = &export->op.answer;
    enum pour_result result = POUR_MORE;
    if (export->reading) {
        return;
    }
    while (result == POUR_MORE && export->written < page->len) {
        size_t left = page->len - export->written;
        size_t len = left < POUR_PIECE_MAX ? left : POUR_PIECE_MAX;
        result = pour_write(&export->pour, (struct bytes){page->data + export->written, len});
        export->written += len;
    }
    if (export->written < page->len) {
        return;
    }
    if (export->what.place.done) {
        pour_end(&export->pour);
    } else {
        page_read_next(export);
    }
}

static void ready(struct pour *pour) {
    page_write(CONTAINER_OF(pour, struct export_op, pour));
}

static void drain(struct pour *pour, enum err_code why) {
    (void)why; /* Either way it cannot become whole. */
    pour_cut(pour);
}

static void gone(struct pour *pour) {
    struct export_op *export = CONTAINER_OF(pour, struct export_op, pour);
    export->gone = true;
    if (!export->reading) {
        export_free(export);
    }
}

static const struct pour_ops ops = {.ready = ready, .drain = drain, .gone = gone};

static void export_begin(struct export_op *export) {
    bool markdown = export->what.format == SESSION_EXPORT_MARKDOWN;
    const struct pour_options options = {
        .ops = &ops, .media = markdown ? "text/markdown; charset=utf-8" : "application/json"};
    char name[100];
    int len = snprintf(name, sizeof name, "attachment; filename=\"%s.%s\"", export->session,
                       markdown ? "md" : "json");
    assert(len > 0 && (size_t)len < sizeof name);
    exchange_add_header(export->op.exchange, "Content-Disposition", name);
    export->pouring = true;
    if (!exchange_pour_begin(export->op.exchange, &options, &export->pour)) {
        export_free(export); /* Of a HEAD, all is said. */
    }
}

static void page_done(struct err result, void *ctx) {
    struct export_op *export = ctx;
    export->reading = false;
    export->written = 0;
    export->what.place = err_failed(result) ? export->what.place : export->next;
    if (export->gone) {
        export_free(export);
    } else if (err_failed(result) && export->pouring) {
        pour_cut(&export->pour);
    } else if (err_failed(result)) {
        op_answer(&export->op, result);
        export_free(export);
    } else if (!export->pouring) {
        export_begin(export);
    } else if (pour_open(&export->pour)) {
        page_write(export);
    }
}

static struct err format_read(const struct exchange *exchange,
                              enum session_export_format *ret_format, struct why *why) {
    struct bytes format = param_text(exchange, "format");
    bool json = !param_given(exchange, "format") || bytes_is(format, "json");
    if (!json && !bytes_is(format, "markdown")) {
        return err_why(why, ERR_BAD_QUERY, "query parameter 'format' must be json or markdown");
    }
    *ret_format = json ? SESSION_EXPORT_JSON : SESSION_EXPORT_MARKDOWN;
    return ERR_OK;
}

void sessions__export(struct exchange *exchange, void *ctx) {
    const struct sessions_api *api = ctx;
    const struct request_host host = {ctx, api->host.loop, api->host.store, api->host.dispatch};
    struct request request = {.kind = NULL};
    if (!request_prepare(&request, exchange, &session_one, &host)) {
        return;
    }
    struct export_op *export = mem_new(sizeof *export);
    op_init(&export->op, exchange);
    text_init(&export->op.answer, SESSION_EXPORT_TEXT_MAX);
    export->store = api->host.store;
    struct err err = format_read(exchange, &export->what.format, &export->op.why);
    if (err_failed(err)) {
        op_answer(&export->op, err);
        export_free(export);
        return;
    }
    struct bytes owner = request.key.owner, session = request.key.id;
    assert(owner.len < sizeof export->owner && session.len < sizeof export->session);
    memcpy(export->owner, owner.data, owner.len);
    memcpy(export->session, session.data, session.len);
    export->what.key = (struct session_key){.owner = {export->owner, owner.len},
                                            .session = {export->session, session.len}};
    export->what.hold = dispatch_held(api->host.dispatch);
    page_read_next(export);
}
