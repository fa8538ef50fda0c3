/* rewind.h: a session takes back what it did in its folder, and in its conversation.
 *
 *   a plan of files ──tx_rewind_start──> applying ──(files are exchanged)──> tx_rewind_settle
 *
 * Promise    the row says `applying` before the first file is touched, so a daemon that comes back
 *            finishes it. The conversation goes back in the commit that says `applied`, so never
 *            one without the other. Messages of a rewound conversation stay readable, as those of
 *            a rollback do.
 * Threads    inside a store function. Failure: as store.h.
 */
#ifndef DROVER_ENGINE_TURN_REWIND_H
#define DROVER_ENGINE_TURN_REWIND_H

#include "base/err.h"
#include "base/text.h"
#include "rules/changes/point.h"
#include "store/store.h"

enum { REWIND_MESSAGES_MAX = 1000 };

struct rewind_new {
    struct id id;
    struct bytes owner, session; /* ses_… */
    int64_t world;               /* 0: no file is touched. */
    struct bytes files;          /* JSON array. */
    struct bytes message;        /* msg_… of the user, from which on all goes; "": none. */
    int64_t tree; /* A working tree is applied: its session may work, or be gone. 0: none is. */
};
/* ERR_TURN_IN_PROGRESS: the session is busy. ERR_MESSAGE_NOT_FOUND, ERR_NOT_A_USER_MESSAGE.
 * ERR_TOO_MANY: more than REWIND_MESSAGES_MAX would go. */
MUST_CHECK struct err tx_rewind_start(struct tx *tx, const struct rewind_new *what,
                                      struct why *why);
struct rewind_settle {
    struct id id;
    enum rewind_state state;
    struct bytes note;
};
/* Once: a rewind that has ended stays as it is. */
MUST_CHECK struct err tx_rewind_settle(struct tx *tx, const struct rewind_settle *settle);

/* The next one that was not finished, after that number; *ret_found false: there is none. Texts
 * are in the arena. */
struct rewind_open {
    struct rewind_row row;
    struct bytes session, path, repository;
    struct bytes actor; /* ses_…, or tre_… of a working tree that is applied. */
};
MUST_CHECK struct err tx_rewind_next(struct tx *tx, struct bytes host, int64_t after,
                                     bool *ret_found, struct rewind_open *ret_open);

/* The first run of the turn that a message of the user began; "": none has begun. The number of
 * that turn; 0: it has none. */
MUST_CHECK struct err tx_rewind_turn(struct tx *tx, struct bytes owner, struct bytes message,
                                     struct bytes *ret_session, int64_t *ret_turn, struct why *why);

#endif
