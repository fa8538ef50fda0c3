/* ask.c: two lists, read to their ends. */
#include "cli/workflow/ask.h"

#include <string.h>

#include "cli/run/ask.h"

enum { PARENTS_MAX = 1000 };

/* --- Agents ----------------------------------------------------------------------------------- */

static void agent_keep(void *ctx, const json_t *agent) {
    const struct workflow_ask *ask = ctx;
    workflow_tree_row(ask->tree, agent);
    if (ask->rows != NULL) {
        /* One that is missing is not shown. */
        (void)json_array_append(ask->rows, (json_t *)(uintptr_t)agent);
    }
}

struct err workflow_agents_ask(struct talk *talk, struct workflow_ask *ask, struct why *why) {
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", ask->run, "/agents")) {
        return err_make(ERR_NOT_FOUND, "workflow: agents");
    }
    return talk_list(talk, target.data, agent_keep, ask, why);
}

/* --- Questions -------------------------------------------------------------------------------- */

struct listing {
    struct talk *talk;
    struct workflow_questions *questions;
    json_t *rows; /* Owned: who asks now. */
};

static void row_keep(void *ctx, const json_t *row) {
    struct listing *listing = ctx;
    (void)json_array_append(listing->rows, (json_t *)(uintptr_t)row); /* It is asked again soon. */
}

/* "" where nobody can say. */
static const char *parent_of(struct listing *listing, const char *run) {
    json_t *parents = listing->questions->parents;
    const char *known = json_string_value(json_object_get(parents, run));
    AUTO(json_release) json_t *row = NULL;
    struct why ignored;
    if (known != NULL) {
        return known;
    }
    if (json_object_size(parents) >= PARENTS_MAX) {
        (void)json_object_clear(parents); /* Those that still ask are asked about again. */
    }
    struct err err = run_get(listing->talk, run, 0 /* one try */, &row, &ignored);
    if (!client_may_pass(err)) {
        (void)json_object_set_new(parents, run, json_string(talk_text(row, "parent")));
    }
    return talk_text(parents, run);
}

static void row_tell(struct listing *listing, const json_t *row) {
    struct workflow_questions *questions = listing->questions;
    const char *run = talk_text(row, "run"), *id = talk_text(row, "id");
    const struct workflow_agent *of = workflow_tree_agent(questions->tree, run);
    if (of == NULL && run[0] != '\0') {
        of = workflow_tree_agent(questions->tree, parent_of(listing, run));
    }
    if (of == NULL) {
        return; /* Of a chat, or of another workflow. */
    }
    if (questions->open != NULL) {
        questions->open(questions->ctx, of, row);
    }
    const struct workflow_agent *asks = workflow_tree_asks(questions->tree, of->run, id);
    if (asks != NULL && questions->asked != NULL) {
        questions->asked(questions->ctx, asks, row);
    }
}

struct err workflow_questions_ask(struct talk *talk, struct workflow_questions *questions,
                                  struct why *why) {
    struct listing listing = {.talk = talk, .questions = questions, .rows = json_array()};
    struct err err = talk_list(talk, "/api/v1/approvals", row_keep, &listing, why);
    size_t at = 0;
    json_t *row = NULL;
    if (!err_failed(err)) {
        json_array_foreach(listing.rows, at, row) {
            row_tell(&listing, row);
        }
        workflow_tree_asked(questions->tree);
    }
    json_decref(listing.rows);
    return err;
}
