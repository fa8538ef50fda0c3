/* background.c: the list of jobs, workflows and subagents that a session has in the background. */
#include "engine/turn/background.h"

#include "api/session/sessions.h"
#include "api/turn/turns.h"

static struct err background_row_add(void *ctx, const struct background_row *row) {
    struct page *page = ctx;
    const bool fits = row->fits && page_is(page, "state", bytes_of(run_state_name(row->run.state)));
    if (page_row_number(page, row->run.id, fits)) {
        background_write_json(row, &page->request.op.answer);
    }
    return ERR_OK;
}

static struct err background_rows(struct tx *tx, struct page *page, const struct page_part *part) {
    struct session_row session;
    TRY(request_session(tx, &page->request, &session));
    const struct background_page what = {.session = &session,
                                         .before = part->from,
                                         .limit = part->limit,
                                         .bounds = &page->request.bounds};
    return tx_session_background(tx, &what, background_row_add, page);
}

const struct page_kind turns__background = {.request = {.one = &session_one},
                                            .rows = background_rows};
