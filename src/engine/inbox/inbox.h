/* inbox.h: what is owed to whoever waits for a result (promise P3).
 *
 * Promise    a row is written in the commit that ends a run, and leaves `pending` only in the
 *            commit that knows how its delivery went; each change is an event, delivery_changed, in
 *            that commit (engine/base/resource.h). Nothing else ever removes it. Once settled it
 *            goes with its run, or before, when it is old or there are many.
 * Receivers  the end of a run is owed to those that its spec names. The owner `local` is notified
 *            by setting `notify_webhook`, too: of ends and stalls (notice_event_of), and of
 *            questions.
 *            A question is also owed to the webhooks of the run that asks and of the runs above it.
 *            Where a new attempt of the run asks it again, there is no second notice.
 * Sessions   take rows by their turns (bind.h). A row need not be the end of a run: in place of one
 *            it may name a mail (engine/turn/notices.h), and is removed once it is settled.
 * How        a receiver with pending rows is a subject of effects like a run: each commit that
 *            touches it leaves a note, and at start all of them are walked (tx_inbox_recover).
 * Threads    inside a store function.
 */
#ifndef DROVER_ENGINE_INBOX_INBOX_H
#define DROVER_ENGINE_INBOX_INBOX_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"
#include "rules/inbox/inbox.h"
#include "rules/run/run.h"
#include "store/store.h"

enum {
    INBOX_NOTE = 2,          /* The kind under which store notes reach the dispatcher. */
    INBOX_OUTPUT_MAX = 4000, /* Characters of a command's output in a notice. */
    INBOX_MEMBERS_MAX = 4000,
    INBOX_KEPT_MAX = 10000, /* Settled rows. */
    INBOX_CAUSE_MAX = 200,
    INBOX_OPEN_MAX = 1000,     /* Open notices of an owner, above which no question is added. */
    INBOX_QUESTION_MAX = 1000, /* Bytes of a question in a notice, */
    INBOX_TITLE_MAX = 200,     /* and of a title. */
    INBOX_NOTE_MAX = 2 + UINT8_MAX + 2048, /* Of a receiver: kind, owner, address. */
};

/* A row for each receiver of the end; called by the commit that ends the run. */
struct inbox_notice {
    const struct run_row *run; /* As it stands after its end. */
    struct bytes output;       /* Text: head and tail. */
    struct bytes members;      /* Of a workflow: more of the object, INBOX_MEMBERS_MAX; "": none. */
    int64_t exit_code;         /* -1: none. */
};
MUST_CHECK struct err tx_inbox_notify(struct tx *tx, const struct inbox_notice *notice);

/* In the commit of the question. */
struct inbox_ask {
    const struct run_row *run; /* The run that asks. */
    int64_t id;                /* Number of the question, */
    struct bytes approval;     /* and its name. */
    struct bytes session;      /* ses_…, whose turn asks; "": none. */
    struct bytes step, digest;
    struct bytes question; /* As text for people. */
    bool leave;            /* Permission for a call. */
};
MUST_CHECK struct err tx_inbox_ask(struct tx *tx, const struct inbox_ask *ask);
/* A person needs to hear of the question no more: notices of it that are not delivered are gone. */
void tx_inbox_withdraw(struct tx *tx, int64_t approval);

/* At the start of the daemon, before any notice. */
struct inbox_place {
    struct bytes origin;     /* http://127.0.0.1:8080; "": no browser of this machine reaches us. */
    int64_t notify_after_ms; /* Runs that took as long are notices when they end. */
};
/* Setting `public_url`, else the origin of the daemon; "": links cannot be made. */
struct bytes tx_inbox_origin(struct tx *tx);
MUST_CHECK struct err tx_inbox_set_place(struct tx *tx, const struct inbox_place *place);

struct inbox_receiver {
    struct bytes owner, address;
    enum receiver_kind kind;
};
/* The row of a receiver that is due first, and how long it still waits. `waits`: of webhooks. */
struct inbox_due {
    bool found;
    bool damaged; /* The row cannot be delivered: tx_inbox_set_aside. */
    int64_t wait_ms;
    struct inbox_row row;
};
MUST_CHECK struct err tx_inbox_due(struct tx *tx, const struct inbox_receiver *receiver,
                                   const struct inbox_waits *waits, struct inbox_due *ret_due);

/* A row that cannot be delivered as it stands in the database: it is held, with that as its cause,
 * until somebody drops it, and the receiver's other rows go on. */
MUST_CHECK struct err tx_inbox_set_aside(struct tx *tx, int64_t id);

enum inbox_outcome { INBOX_DELIVERED, INBOX_FAILED, INBOX_RECEIVER_GONE };
struct inbox_settle {
    struct bytes delivery, cause;
    enum inbox_outcome outcome;
    struct inbox_waits waits;
    uint32_t random;
};
/* *ret_late: it was settled meanwhile. */
MUST_CHECK struct err tx_inbox_settle(struct tx *tx, const struct inbox_settle *settle,
                                      bool *ret_late);

/* By a person: try it now, or take it off the list. ERR_NOT_FOUND, ERR_CONFLICT (settled). */
enum inbox_order { INBOX_RETRY, INBOX_DROP };
struct inbox_key {
    struct bytes owner, delivery; /* owner.data NULL: of any. */
};
MUST_CHECK struct err tx_inbox_order(struct tx *tx, const struct inbox_key *key,
                                     enum inbox_order order, struct inbox_row *ret_row);

/* A note for each receiver that has unsettled rows, in an order of their own, above `after`; costs
 * what it finds, however many rows there are. A receiver that cannot be read is left out, and
 * counted. *ret_next: hand it in as the next `after`; no length: that was all. */
struct inbox_cursor {
    size_t len; /* 0: from the first. */
    char note[INBOX_NOTE_MAX];
};
MUST_CHECK struct err tx_inbox_recover(struct tx *tx, const struct inbox_cursor *after,
                                       int64_t limit, struct inbox_cursor *ret_next,
                                       int64_t *ret_damaged);
/* Removes settled rows: those that are too old by the clock of tx_run_prune, and the oldest beyond
 * a number. *ret_more: call again. */
struct inbox_prune {
    int64_t age_ms; /* 0: no such bound. */
    int64_t count;  /* Of all owners. */
    int64_t limit;  /* Rows of one call. */
};
MUST_CHECK struct err tx_inbox_prune(struct tx *tx, const struct inbox_prune *prune,
                                     bool *ret_more);

struct inbox_census {
    int64_t pending, stalled, oldest_ms; /* made_ms of the oldest unsettled; 0: none. */
};
MUST_CHECK struct err tx_inbox_census(struct tx *tx, struct inbox_census *ret_census);

/* From a note; borrows it. */
MUST_CHECK bool inbox_note_read(struct bytes note, struct inbox_receiver *ret_receiver);

#endif
