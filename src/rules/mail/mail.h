/* mail.h: mail between agents, sessions and people: its fields, its addresses, and what the state
 * of its delivery means for it. Pure.
 *
 *   pending ──a turn──> working ──the turn succeeded──> done
 *    │  ^                  │ └──three failures, or the receiver is gone──> failed
 *    │  └──taken back, ────┘
 *    │     or failed
 *    └──its sender, before it is read──> retracted
 *
 * Depth      mail that is sent while a turn reads other mail or works on a task, or that answers
 *            mail, is one deeper than that. Requests have a depth of at most MAIL_DEPTH_MAX, other
 *            mail of one more, so that each request can be answered, and two agents that answer
 *            everything come to an end.
 * Ownership  texts are borrowed from the function that filled the struct.
 * Threads    any.
 */
#ifndef DROVER_RULES_MAIL_MAIL_H
#define DROVER_RULES_MAIL_MAIL_H

#include "base/base.h"
#include "base/err.h"
#include "base/resource/resource.h"
#include "rules/inbox/inbox.h"

enum {
    MAIL_ADDRESS_MAX = 160,   /* Bytes of an address: agent@project, ses_…, an owner. */
    MAIL_NAME_MAX = 64,       /* Bytes of an agent. */
    MAIL_TITLE_MAX = 400,     /* Bytes; */
    MAIL_TITLE_SHOWN = 100,   /* characters that a prompt shows. */
    MAIL_TEXT_MAX = 64 << 10, /* Bytes. */
    MAIL_ABOUT_MAX = 64,
    MAIL_DEPTH_MAX = 8,
    MAIL_FAILURES_MAX = 3, /* Turns that may fail before the mail does. */
    /* Rows of one owner, above which nothing is sent. What drover writes itself may pass that, as
     * it writes at most one mail for each open request: so there are at most twice as many. */
    MAILS_MAX = 100000,
    MAILS_KEPT_MAX = 50000, /* Rows that are over, of all owners. */
};

#define MAIL_STATUSES(X)                                                                           \
    X(PENDING, "pending")                                                                          \
    X(WORKING, "working")                                                                          \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(RETRACTED, "retracted")
#define MAIL_STATUS_WORDS "pending|working|done|failed|retracted"

enum mail_status {
#define X(status, name) MAIL_##status,
    MAIL_STATUSES(X)
#undef X
        MAIL_STATUS_COUNT
};
extern const char *const mail_status_names[]; /* By value; NULL ends them. */

#define MAIL_REQUEST "request"
#define MAIL_INFORM "inform"
/* Sender of what drover itself writes: no agent and no owner answers there. */
#define MAIL_DROVER "drover"

struct mail {
    int64_t id;
    struct bytes mail, owner; /* mail: mail_… */
    struct bytes project;     /* Project of the receiver; "": none. */
    struct bytes from, to;
    struct bytes title, text, type; /* type: "request", "inform" */
    struct bytes in_reply_to;       /* mail_…; "": a mail of its own. */
    struct bytes about;             /* T-31; "": nothing. */
    struct bytes supersedes;        /* In a request: mail_… that is retracted; "": none. */
    bool urgent;
    int64_t depth;
    enum mail_status status;
    struct bytes cause;                      /* Why it failed, or failed last. */
    struct bytes session;                    /* ses_… that it goes to; "": a person reads it. */
    struct bytes from_session, from_project; /* Session and project of the sender; "": none. */
    struct bytes turn;                       /* run_… that reads it, or has read it. */
    struct bytes message;  /* msg_… by which it joined a turn; "": it did not. */
    struct bytes delivery; /* dlv_…: its row of the inbox; "": it has none. */
    int64_t attempts;      /* Turns that it was given to. */
    int64_t made_ms, changed_ms;
};
extern const struct resource mail_resource;

static inline bool mail_is_request(const struct mail *mail) {
    return bytes_is(mail->type, MAIL_REQUEST);
}
static inline bool mail_is_over(enum mail_status status) {
    return status != MAIL_PENDING && status != MAIL_WORKING;
}
/* Whether it is named mail_…; whatever else is not of the mail's. */
MUST_CHECK bool mail_is_name(struct bytes name);

/* Whether mail of an agent may be signed by that name: it is an address that leads to an agent, so
 * that nobody takes it for a person, for drover, or for an agent of another project. */
MUST_CHECK bool mail_signs(struct bytes agent, struct bytes owner);

/* Where an address leads. */
enum mail_place { MAIL_TO_SESSION, MAIL_TO_PERSON, MAIL_TO_AGENT };
struct mail_address {
    enum mail_place place;
    struct bytes name;    /* ses_…, the owner, the agent. */
    struct bytes project; /* Project of an agent; "": that of the sender. */
};
/* ERR_BAD_FIELD. */
MUST_CHECK struct err mail_address_read(struct bytes to, struct bytes owner,
                                        struct mail_address *ret_address, struct why *why);

/* ERR_MAIL_LOOP: the chain is too long. */
MUST_CHECK struct err mail_depth_check(const struct mail *mail, struct why *why);

/* The status that a mail gets by its delivery, as long as it is not over. */
MUST_CHECK enum mail_status mail_judge(enum inbox_state state, int64_t failures);

#endif
