/* work.h: one look or one deed of a tool, and what all of them share.
 *
 * A tool's `perform` finds what the call is about, says so by work_arrive (which ends it when that
 * was denied, or is not what was allowed), and then, only if the step is WORK_DO, does it.
 * A refusal is an error with a sentence in `why`.
 */
#ifndef DROVER_TOOL_WORK_H
#define DROVER_TOOL_WORK_H

#include "base/base.h"
#include "base/err.h"
#include "tool/place.h"
#include "tool/tool.h"

enum work_step { WORK_LOOK, WORK_DO };
struct tool_work {
    const struct tool_call *call;
    const struct tool_place *place;
    enum work_step step;
    const struct tool_look *seen; /* DO: what was allowed, or NULL. */
    struct tool_look *look;       /* LOOK. */
    struct tool_result *result;   /* DO. */
    struct why why;
    enum card_cause cause; /* Of a refusal, where its error's code does not say it all. */
};

/* The subject of a look; `real` empty: it is nowhere. */
MUST_CHECK struct err look_set_subjects(struct tool_look *look, const char *shown,
                                        const char *real);
/* Where it is: as it was written, and really. */
MUST_CHECK struct err work_arrive(struct tool_work *work, const char *shown, const char *real);
/* Opens what a path names, and arrives there. */
MUST_CHECK struct err work_open_place(struct tool_work *work, const char *path,
                                      enum place_kind kind, struct place_opened *ret_opened);
/* LOOK: what there is; DO: it must be what was seen. An empty text: there is no file. */
MUST_CHECK struct err work_compare(struct tool_work *work, const struct sha256_hex *before);
/* Where the diff goes. */
struct text *work_diff(struct tool_work *work);
/* ERR_TEXT_TOO_LONG, ERR_OUT_OF_MEMORY: `own` (NULL: none), diff or result have failed. */
MUST_CHECK struct err work_texts_fit(struct tool_work *work, const struct text *own);
/* May this path be seen by the tool? For what is found on a walk. */
MUST_CHECK bool work_may_see(const struct tool_work *work, const char *shown);

/* Numbers of an input that was checked: an integer may be written as 5.0. */
int64_t input_int(const json_t *input, const char *name, int64_t absent);

const struct json_schema *toolbox__schema(const struct toolbox *toolbox, enum tool_id id);

/* Bytes that are no UTF-8 become U+FFFD, other control characters than tab and newline too. */
void work_add_text(struct text *text, struct bytes bytes);

struct err tool_read_file(struct tool_work *work);
struct err tool_list_files(struct tool_work *work);
struct err tool_search_files(struct tool_work *work);
struct err tool_write_file(struct tool_work *work);
struct err tool_edit_file(struct tool_work *work);
struct err tool_delete_file(struct tool_work *work);
struct err tool_load_skill(struct tool_work *work);
/* LOOK: the file of `content_path`, where there is one; DO: what it holds, of at most
 * TASK_OUTPUT_MAX bytes, into a result with room for that. */
struct err tool_task_output(struct tool_work *work);

#endif
