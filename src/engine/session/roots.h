/* roots.h: folders beside the project's root that the tools of a session may use.
 *
 * Promise    a root is a person's grant: by the API, or by the yes to a call of request_access,
 *            which is one commit with the root. It holds from that commit on, also in a turn that
 *            waits; one that is taken back holds for no call that begins after it. A root belongs
 *            to one session: forks have none of it. A person may grant a folder to the project of
 *            the session instead: then it stands in the settings of that, and no session has a row.
 * Paths      are where the folder really is; whoever asks has found that out (tool/place.h).
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_SESSION_ROOTS_H
#define DROVER_ENGINE_SESSION_ROOTS_H

#include "engine/session/sessions.h"

enum { SESSION_ROOTS_MAX = 16, SESSION_ROOT_PATH_MAX = 1024 };

struct root_row {
    struct bytes path;
    bool write;
    struct bytes by; /* The owner who granted it. */
    int64_t granted_ms;
};

/* Of a session that was found. What is there already gets the new access. ERR_TOO_MANY. */
MUST_CHECK struct err tx_root_put(struct tx *tx, const struct session_row *session,
                                  const struct root_row *root);
/* ERR_NOT_FOUND: it was not granted. */
MUST_CHECK struct err tx_root_remove(struct tx *tx, const struct session_row *session,
                                     struct bytes path);
/* [{"path","access","granted_by","granted_ms"}], in the order of paths. */
MUST_CHECK struct err tx_roots_write_json(struct tx *tx, int64_t session, struct text *text);
/* The same with the folders that the settings of its project grant (JSON; "": none). Where both
 * name a folder, the wider access holds. */
MUST_CHECK struct err tx_roots_write_joined(struct tx *tx, int64_t session, struct bytes project,
                                            struct text *text);
/* ERR_FORBIDDEN: the folder is that of no session and of no project of the owner. */
MUST_CHECK struct err tx_folder_check(struct tx *tx, struct bytes owner, struct bytes folder);
/* The highest of these folders that `folder` is, or is below by its name; the transaction's.
 * ERR_FORBIDDEN: none. */
MUST_CHECK struct err tx_folder_above(struct tx *tx, struct bytes owner, struct bytes folder,
                                      struct bytes *ret_above);
/* Calls `each` with folders of the owner's projects and sessions: those of the projects and of the
 * open sessions that were changed last come first. At most FOLDERS_LISTED_MAX. */
enum { FOLDERS_LISTED_MAX = 200 };
MUST_CHECK struct err tx_folder_each(struct tx *tx, struct bytes owner,
                                     void (*each)(void *ctx, struct bytes folder), void *ctx);
void root_write_json(const struct root_row *root, struct text *text);

/* The call was allowed, and `about` is its card's. */
struct root_grant {
    struct bytes about, by;
    bool to_project; /* The project has the folder already: the session gets no row. */
};
/* *ret_grant false: it asks for no folder. Else the root is there (never with less than it had),
 * and *ret_result is what the model is told. ERR_TOO_MANY. */
MUST_CHECK struct err roots__grant(struct tx *tx, const struct session_row *session,
                                   const struct root_grant *what, bool *ret_grant,
                                   struct bytes *ret_result);

/* What one session was granted holds for another, its subagent. */
MUST_CHECK struct err tx_roots_inherit(struct tx *tx, int64_t from, int64_t to);

#endif
