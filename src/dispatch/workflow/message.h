/* message.h: members of messages to workers (script/protocol.h); for the files of this folder alone.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_MESSAGE_H
#define DROVER_DISPATCH_WORKFLOW_MESSAGE_H

#include "dispatch/workflow/call.h"
#include "script/catalog.h"

enum {
    WORKFLOW_PAGE_STEPS = 256,
    WORKFLOW_PAGE_BYTES = 1 << 20,
};

/* A member of an object, as text_add_member; NULL, or the number that says so: null. */
void workflow__add_member(struct text *text, const char *name, const char *value);
void workflow__add_limit(struct text *text, const char *name, int64_t number, int64_t none);
/* Without memory for it, the whole text fails. */
void workflow__add_json(struct text *text, const char *name, const json_t *json);
/* "script","form","file": the members of a script as a worker wants it. */
void workflow__add_script(const struct script_prepared *prepared, struct bytes file,
                          struct text *text);
/* A worker of that script gets its first message. Takes the bytes. */
struct script_worker *workflows__start_script(struct workflows *workflows, struct scripts *scripts,
                                              const struct script_watch *watch, void *ctx,
                                              struct text *order);
void workflows__send(struct script_worker *worker, struct text *message); /* The worker computes. */
/* ,"total":…,"limits":{…},"history":[ of a worker's first message. */
void workflow__add_limits(const struct workflows_limits *limits, int64_t total, struct text *text);

/* ,"o":… of an outcome. true: its value is to follow. */
MUST_CHECK bool workflow__add_result_head(const struct step_row *row, struct text *text);
void workflow__add_throw(struct text *text, struct bytes message);
MUST_CHECK bool workflow__message_is(const json_t *message, const char *type);
/* Members of a script that a row has. false: it is none. */
bool workflow__add_source(struct bytes source, struct bytes file, struct text *text,
                          struct why *why);
/* In a store function. `fault` is set where a script of workflow() is broken: the run ends,
 * CAUSE_SYNTAX_ERROR. */
MUST_CHECK struct err workflow__add_outcome(struct tx *tx, const struct step_row *row,
                                            struct text *text, struct why *fault);

/* An outcome, as it is delivered. */
struct page_outcome {
    char name[CALL_NAME];
    int64_t number, output_tokens;
    struct text words; /* Owned. */
};

struct workflow_page {
    struct page_outcome list[WORKFLOW_PAGE_STEPS];
    size_t count, bytes;
    struct why fault;
};
void workflow__page_clear(struct workflow_page *page);
void workflow__page_free(struct workflow_page *page); /* NULL is allowed. */

#endif
