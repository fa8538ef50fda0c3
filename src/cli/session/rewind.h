/* rewind.h: the rewind of a session: the target, the preview, the request.
 *
 * Ownership  *ret_target is ended by rewind_target_done; *ret_answer is the caller's.
 * Threads    one.
 * Failure    as api_request.h. ERR_CHANGED_SINCE: others changed the same files; nothing happened.
 */
#ifndef DROVER_CLI_SESSION_REWIND_H
#define DROVER_CLI_SESSION_REWIND_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"
#include "base/text.h"
#include "cli/base/api.h"

/* Where a session goes back to: before a message of the user, or to a point. */
struct rewind_target {
    char *id;        /* Owned: msg_… or pnt_… */
    json_t *message; /* Owned: the message; NULL: it is a point. */
};
void rewind_target_done(struct rewind_target *target); /* For AUTO; zeroed is fine. */

/* The message of the user that is `back` messages back; 1 is the last one. ERR_MESSAGE_NOT_FOUND:
 * there are fewer. */
MUST_CHECK struct err rewind_target_back(struct talk *talk, const char *session, int64_t back,
                                         struct rewind_target *ret_target, struct why *why);
/* The target of that id. */
MUST_CHECK struct err rewind_target_find(struct talk *talk, const char *id,
                                         struct rewind_target *ret_target, struct why *why);
/* Adds the words of the message; nothing for a point. */
void rewind_target_text(const struct rewind_target *target, struct text *text);

enum rewind_what { REWIND_FILES, REWIND_BOTH, REWIND_CONVERSATION };
enum rewind_way { REWIND_PREVIEW, REWIND_APPLY };
struct rewind_wish {
    const char *session, *to;
    enum rewind_what what;
    enum rewind_way way;
    const json_t *force; /* Array of paths; NULL: none. */
};
MUST_CHECK struct err rewind_ask(struct talk *talk, const struct rewind_wish *wish,
                                 json_t **ret_answer, struct why *why);

/* Whether nothing would happen. */
MUST_CHECK bool rewind_is_empty(const json_t *preview);
MUST_CHECK size_t rewind_refused_count(const json_t *preview);
/* Adds lines of a preview: where to, each file with its fate, refused ones with their authors. */
void rewind_preview_add(const struct rewind_target *target, const json_t *preview,
                        struct text *lines);
/* Adds a line for each file of a plan: its fate, path and lines. */
struct rewind_fates {
    const char *created, *removed, *changed;
};
void rewind_files_add(const json_t *plan, const struct rewind_fates *fates, struct text *lines);
/* Adds a line for each path of a plan that is refused, with who changed it. */
void rewind_refused_add(const json_t *plan, struct text *lines);
/* Adds what a rewind takes back: "2 files and the conversation". */
void rewind_sum_add(const json_t *answer, struct text *text);

#endif
