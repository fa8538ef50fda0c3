/* about.h: the subject of a yes of approvers: the question says it, and is asked again where it is
 * something else by then. Pure.
 *
 *   {"owner", "flow": {"name", "file", "sha256"}, "model", "input",
 *    "steps": [{"step_id", "kind", "text", "files": [{"path", "sha256"}]}],
 *    "before": answer, "differs": sentence, "text"}
 *
 * steps: all that come after the approval. files: of those up to the first that acts: the file of
 * a child, and the files that the text names. before: the answer to the question that was asked
 * before; differs: against that. text: all of it for people.
 *
 * Ownership  texts and JSON are borrowed during the call; results are the caller's.
 * Threads    any. Failure: none but the bound of a text.
 */
#ifndef DROVER_RULES_FLOW_ABOUT_H
#define DROVER_RULES_FLOW_ABOUT_H

#include "base/text.h"
#include "rules/flow/flow.h"

enum {
    FLOW_ABOUT_TEXT_MAX = 4000,      /* Bytes of the text of a step. */
    FLOW_ABOUT_TEXTS_MAX = 32 << 10, /* Bytes of the texts of all steps. */
    FLOW_ABOUT_INPUT_MAX = 16 << 10, /* Bytes of an input that is shown whole. */
    FLOW_ABOUT_FILES_MAX = 100,      /* Files of one step. */
    FLOW_ABOUT_LIST_MAX = 64 << 10,  /* Bytes of the files of all steps, as JSON. */
    FLOW_ABOUT_PATH_MAX = 500,
    FLOW_ABOUT_BYTES_MAX = 1 << 20, /* All of it as JSON, if each byte were escaped. */
};

/* The text by which a step says what it does: its command, its agent and prompt, the name of its
 * child, the text of its function. texts: of functions, as the worker described them, by step. */
void flow_about_step(const struct flow_step *step, const json_t *texts, struct text *text);
/* Calls `each` for the words of a text that may name a file. shell: the text is a command, and the
 * word directly after its `>` or `>>`, without quotes, is only written to. A word lives during its
 * call. */
void flow_about_words(struct bytes text, bool shell, void (*each)(void *ctx, struct bytes word),
                      void *ctx);

struct flow_about {
    const struct flow *flow;
    size_t at;           /* The approval. */
    const json_t *texts; /* As of flow_about_step. */
    struct bytes owner, name, file, source, model, input;
    const json_t *files; /* Array of {"step_id", "path", "sha256"}. */
    const json_t *old;   /* Subject of the question before; NULL: there was none. */
    struct bytes answer; /* To that, for people; "": nobody has answered. */
};
MUST_CHECK struct err flow_about_write(const struct flow_about *about, struct text *ret_json);

/* Whether files of a step are not as `about` has them: a sentence for each, by a comma. What is no
 * array differs. */
bool flow_about_differs(const json_t *about, struct bytes step, const json_t *files,
                        struct text *ret_how);

#endif
