/* export.c: all of a session as one answer (api/base/poured.h). */
#include "api/base/poured.h"
#include "api/session/sessions.h"
#include "engine/session/messages.h"

struct export_op {
    struct poured poured; /* First. */
    struct session_export what;
    struct session_export_place next; /* While the function runs. */
};

static struct err export_page(struct tx *tx, void *ctx) {
    struct export_op *export = ctx;
    struct op *op = &export->poured.request.op;
    op_restart(op);
    struct err err = tx_session_export(tx, &export->what, &op->answer, &export->next);
    export->poured.last = export->next.done;
    return err;
}

static void export_take(struct poured *poured) {
    struct export_op *export = CONTAINER_OF(poured, struct export_op, poured);
    export->what.place = export->next;
}

static struct err export_read(void *ctx) {
    struct export_op *export = ctx;
    struct request *request = &export->poured.request;
    struct bytes format = param_text(request->op.exchange, "format");
    bool json = !param_given(request->op.exchange, "format") || bytes_is(format, "json");
    if (!json && !bytes_is(format, "markdown")) {
        return err_why(&request->op.why, ERR_BAD_QUERY,
                       "query parameter 'format' must be json or markdown");
    }
    export->what.format = json ? SESSION_EXPORT_JSON : SESSION_EXPORT_MARKDOWN;
    return ERR_OK;
}

static struct err export_start(void *ctx) {
    struct export_op *export = ctx;
    struct poured *poured = &export->poured;
    const bool markdown = export->what.format == SESSION_EXPORT_MARKDOWN;
    poured_start(poured, SESSION_EXPORT_TEXT_MAX);
    poured->page = export_page;
    poured->take = export_take;
    poured->media = markdown ? "text/markdown; charset=utf-8" : "application/json";
    poured->ending = markdown ? "md" : "json";
    export->what.key = (struct session_key){.owner = poured->key.owner, .session = poured->key.id};
    export->what.hold = run_bounds_hold(&poured->request.bounds);
    return ERR_OK;
}

const struct request_kind sessions__export = {
    .size = sizeof(struct export_op),
    .one = &session_one,
    .read = export_read,
    .start = export_start,
    .work = poured_work,
    .done = poured_done,
};
