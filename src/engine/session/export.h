/* export.h: all of a session, whole, as JSON or Markdown, page by page.
 *
 * Promise    nothing is cut: a page ends behind a part, and has at most SESSION_EXPORT_PAGE bytes
 *            and one part more. Each page tells what is there when it is read; what is said behind
 *            the place that was reached comes along.
 * Threads    inside a store function.
 * Failure    ERR_NOT_FOUND: there is no such session (any more).
 */
#ifndef DROVER_ENGINE_SESSION_EXPORT_H
#define DROVER_ENGINE_SESSION_EXPORT_H

#include "engine/session/sessions.h"

enum {
    SESSION_EXPORT_PAGE = 256 << 10,
    SESSION_EXPORT_TEXT_MAX = 16 << 20, /* What a page's text must be able to hold. */
};
enum session_export_format { SESSION_EXPORT_JSON, SESSION_EXPORT_MARKDOWN };

/* Where an export is: begin with zeros. */
struct session_export_place {
    bool begun;
    int64_t message; /* id of the one being written, or written last; 0: none. */
    int64_t part;    /* Number of its part that was written last; 0: none. */
    bool open;       /* It is still being written. */
    bool done;       /* All of it was. */
};
struct session_export {
    struct session_key key;
    enum session_export_format format;
    enum run_hold hold; /* The session's state is as tx_session_shown has it. */
    struct session_export_place place;
};
/* Adds the next page to `text`. */
MUST_CHECK struct err tx_session_export(struct tx *tx, const struct session_export *what,
                                        struct text *text, struct session_export_place *ret_place);

#endif
