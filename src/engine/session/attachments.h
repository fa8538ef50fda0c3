/* attachments.h: files that were given to sessions, as rows. Their bytes are blobs
 * (dispatch/session/blobs.h).
 *
 * Promise    one owner's same bytes are one attachment, whatever session they were given to. It is
 *            found as long as a session in sight uses it, and its row goes with the last; bytes
 *            that no row names any more are removed.
 * Ownership  texts of rows that were read live in the transaction's arena.
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_SESSION_ATTACHMENTS_H
#define DROVER_ENGINE_SESSION_ATTACHMENTS_H

#include "engine/session/sessions.h"

struct attachment_row {
    int64_t id;
    struct bytes attachment; /* att_… */
    struct bytes owner, hash, media;
    int64_t bytes, made_ms;
};

struct attachment_new {
    struct session_key session;
    struct id attachment; /* Used if it is new. */
    struct bytes hash;    /* Hexadecimal SHA-256. */
    struct bytes media;
    int64_t bytes;
};
/* ERR_NOT_FOUND: no such session. */
MUST_CHECK struct err tx_attachment_add(struct tx *tx, const struct attachment_new *what,
                                        struct attachment_row *ret_row);

struct attachment_key {
    struct bytes owner, attachment; /* owner data NULL: anybody's. */
};
MUST_CHECK struct err tx_attachment_find(struct tx *tx, const struct attachment_key *key,
                                         bool *ret_found, struct attachment_row *ret_row);
/* One that the session's owner has is the session's from here on, too. False: there is none. */
MUST_CHECK bool tx_attachment_give(struct tx *tx, const struct session_row *session,
                                   struct bytes attachment, struct attachment_row *ret_row);
/* Is there a row, of whomever, with these bytes? */
MUST_CHECK struct err tx_attachment_known(struct tx *tx, struct bytes hash, bool *ret_known);

void attachment_write_json(const struct attachment_row *row, struct text *text);

#endif
