/* check_mail.c: a model of mail, and what must hold.
 *
 *   edges      from one commit to the next a status goes by the table of rules/mail/mail.h
 *   read       mail of a session is done when a turn that succeeded, or that its user stopped, has
 *              read it, and stands in one message of the session
 *   failed     after three turns that had it, or where its session or its delivery is gone
 *   rows       while it is on its way its row of the inbox says the same
 *   taken back mail that was retracted or superseded stays so, and stands in no message
 *   told       the sender of a request that failed, or ended without an answer, gets one mail of
 *              drover's, and no other
 *   chains     each mail of an agent is deeper than what it reads; an answer asks for nothing
 *   signed     no agent signs as a person or as drover, or answers what is another's
 *   once       what was acknowledged is there once, after each crash
 *   idle       when everything rests, what is pending waits for a person or for a cause */
#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "engine/base/idempotency.h"
#include "inside.h"
#include "known.h"
#include "mails.h"
#include "ops.h"

/* The last that was seen of each row, by its id. */
enum { ROWS_MAX = 1024 };
struct model_mail {
    bool seen;
    char mail[ID_SIZE];
    enum mail_status status;
    bool request, to_session;
    int64_t attempts;
};
static struct model_mail model[ROWS_MAX];
static int64_t model_count;

/* Acknowledged; outlives the model. */
struct known_mail {
    char mail[ID_SIZE], key[SIM_ADDRESS_MAX];
    bool withdrawn;
};
static struct known_mail acknowledged[SIM_MAILS_MAX * 2];
static size_t acknowledged_count;

/* The wall clock when the first key of mail may have been used; keys are kept for a day. */
static int64_t low_ms;
static bool keys_lapsed;

int64_t mails_count(void) {
    return model_count;
}

/* --- Acknowledged ----------------------------------------------------------------------------- */

static struct known_mail *acknowledged_find(const char *mail) {
    for (size_t i = 0; i < acknowledged_count; i++) {
        if (strcmp(acknowledged[i].mail, mail) == 0) {
            return &acknowledged[i];
        }
    }
    if (acknowledged_count == COUNT_OF(acknowledged)) {
        return NULL;
    }
    struct known_mail *known = &acknowledged[acknowledged_count++];
    *known = (struct known_mail){.withdrawn = false};
    (void)snprintf(known->mail, sizeof known->mail, "%s", mail);
    return known;
}

void mails_sent(struct sim *sim, const struct mail_asking *asking, const char *mail) {
    struct known_mail *known = acknowledged_find(mail);
    const int64_t depth =
        rows_number(sim, "SELECT depth FROM mail WHERE mail = $1", TEXTS(mail), asking->above + 1);
    if (depth <= asking->above) {
        sim_fail(sim, "%s is %lld deep, and its sender reads mail that is %lld deep", mail,
                 (long long)depth, (long long)asking->above);
    }
    for (size_t i = 0; i < acknowledged_count && asking->key[0] != '\0' && !keys_lapsed; i++) {
        if (strcmp(acknowledged[i].key, asking->key) == 0 &&
            strcmp(acknowledged[i].mail, mail) != 0) {
            sim_fail(sim, "the same mail was sent twice: %s and %s", acknowledged[i].mail, mail);
        }
    }
    if (known != NULL) {
        (void)snprintf(known->key, sizeof known->key, "%s", asking->key);
    }
    if (asking->old[0] != '\0') {
        mails_withdrawn(sim, asking->old);
    }
}

void mails_withdrawn(struct sim *sim, const char *mail) {
    struct known_mail *known = acknowledged_find(mail);
    (void)sim;
    if (known != NULL) {
        known->withdrawn = true;
    }
}

static void acknowledged_check(struct sim *sim) {
    for (size_t i = 0; i < acknowledged_count; i++) {
        const struct known_mail *known = &acknowledged[i];
        if (rows_number(sim, "SELECT count(*) FROM mail WHERE mail = $1", TEXTS(known->mail), 1) !=
            1) {
            sim_fail(sim, "the mail %s was sent, and is gone", known->mail);
        }
        if (known->withdrawn && rows_number(sim,
                                            "SELECT count(*) FROM mail WHERE mail = $1 AND"
                                            " status = 'retracted'",
                                            TEXTS(known->mail), 1) != 1) {
            sim_fail(sim, "the mail %s was taken back, and is not retracted", known->mail);
        }
    }
}

/* --- One mail --------------------------------------------------------------------------------- */

/* Messages of its session in which it stands; neither those that were undone, nor what joined a
 * turn that did not succeed. */
static int64_t messages_with(struct sim *sim, const char *mail) {
    return rows_number(
        sim,
        "SELECT count(DISTINCT g.id) FROM mail m JOIN sessions s ON s.session = m.session"
        " JOIN messages g ON g.session = s.id JOIN parts p ON p.message = g.id"
        " LEFT JOIN runs r ON r.id = g.run WHERE m.mail = $1 AND g.role <> 'assistant'"
        " AND g.status NOT IN ('rolled_back', 'removed')"
        " AND (g.status <> 'joined' OR r.state IN ('running', 'waiting', 'succeeded', 'degraded'))"
        " AND (instr(p.text, '## A request: ' || m.mail || char(10)) > 0"
        " OR instr(p.text, '## For your information: ' || m.mail || char(10)) > 0)",
        TEXTS(mail), 0);
}

static void done_check(struct sim *sim, const struct model_mail *mail) {
    const bool took = rows_number(sim,
                                  "SELECT count(*) FROM mail m JOIN runs r ON r.run = m.turn"
                                  " WHERE m.mail = $1 AND r.state IN ('succeeded', 'degraded')",
                                  TEXTS(mail->mail), 0) > 0;
    const bool stopped = rows_number(sim,
                                     "SELECT count(*) FROM mail m JOIN runs r ON r.run = m.turn"
                                     " WHERE m.mail = $1 AND r.state = 'cancelled' AND r.cause IN"
                                     " ('stopped', 'interrupted', 'cleared')",
                                     TEXTS(mail->mail), 0) > 0;
    if (!took && !stopped) {
        sim_fail(sim, "%s is done, and the turn that read it did not succeed", mail->mail);
    }
    if (took && messages_with(sim, mail->mail) == 0) {
        sim_fail(sim, "%s is done, and stands in no message of its session", mail->mail);
    }
}

static void failed_check(struct sim *sim, const struct model_mail *mail) {
    const int64_t given_up =
        rows_number(sim,
                    "SELECT count(*) FROM mail m LEFT JOIN sessions s ON s.session = m.session"
                    " WHERE m.mail = $1 AND (m.cause = 'its delivery was given up'"
                    " OR m.cause = 'its session is no more')",
                    TEXTS(mail->mail), 0);
    if (mail->attempts < MAIL_FAILURES_MAX && given_up == 0) {
        sim_fail(sim, "%s has failed after %lld attempts", mail->mail, (long long)mail->attempts);
    }
}

static bool edge_fits(const struct model_mail *from, enum mail_status to) {
    static const unsigned to_of[MAIL_STATUS_COUNT] = {
        [MAIL_PENDING] = 1U << MAIL_WORKING | 1U << MAIL_FAILED | 1U << MAIL_RETRACTED,
        [MAIL_WORKING] = 1U << MAIL_PENDING | 1U << MAIL_DONE | 1U << MAIL_FAILED,
    };
    return from->status == to || (to_of[from->status] >> to & 1) != 0 ||
           (from->status == MAIL_PENDING && to == MAIL_DONE && !from->to_session);
}

/* Columns: id, mail, status, type, session, turn, attempts, depth, from_session. */
static void mail_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const int64_t id = row->number[0];
    const char *name = row->text[1].data;
    unsigned status = 0;
    (void)ctx;
    if (id >= ROWS_MAX || !bytes_find(row->text[2], mail_status_names, &status)) {
        return;
    }
    struct model_mail *mail = &model[id];
    const struct model_mail before = *mail;
    *mail = (struct model_mail){.seen = true,
                                .status = (enum mail_status)status,
                                .request = strcmp(row->text[3].data, MAIL_REQUEST) == 0,
                                .to_session = row->text[4].len > 0,
                                .attempts = row->number[6]};
    (void)snprintf(mail->mail, sizeof mail->mail, "%s", name);
    model_count += !before.seen;
    if (before.seen && strcmp(before.mail, name) == 0 && !edge_fits(&before, mail->status)) {
        sim_fail(sim, "%s was %s, and is %s", name, mail_status_names[before.status],
                 mail_status_names[status]);
    }
    if (row->number[7] > MAIL_DEPTH_MAX + (mail->request ? 0 : 1)) {
        sim_fail(sim, "%s is a %s, and number %lld of a chain", name, row->text[3].data,
                 (long long)row->number[7]);
    }
    if (before.seen && before.status == mail->status && before.attempts == mail->attempts) {
        return;
    }
    sim_trace(sim, "%s is %s", name, mail_status_names[status]);
    if (mail->status == MAIL_WORKING) {
        mails_read(sim, &(struct mail_read){.mail = name,
                                            .turn = row->text[5].data,
                                            .from_session = row->text[8].data,
                                            .depth = row->number[7]});
    } else if (mail->status == MAIL_DONE && mail->to_session && before.seen) {
        done_check(sim, mail);
    } else if (mail->status == MAIL_FAILED) {
        failed_check(sim, mail);
    }
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Columns: mail, status, state of its delivery, failures. */
static void delivery_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s is %s, and its delivery is %s after %lld failures", row->text[0].data,
             row->text[1].data, row->text[2].data, (long long)row->number[3]);
}

/* Columns: mail, status, session, notices, id of the first notice, and of the first answer. */
static void ended_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const bool failed = strcmp(row->text[1].data, "failed") == 0;
    const bool done = strcmp(row->text[1].data, "done") == 0;
    const int64_t notices = row->number[3], notice = row->number[4], answer = row->number[5];
    const bool owed = row->text[2].len > 0 &&
                      (failed || (done && (answer == 0 || (notice > 0 && answer > notice))));
    (void)ctx;
    if (notices != (owed ? 1 : 0)) {
        sim_fail(sim, "the request %s is %s, %s, and its sender got %lld mails of drover's",
                 row->text[0].data, row->text[1].data, answer > 0 ? "answered" : "not answered",
                 (long long)notices);
    }
}

/* Columns: mail, sender, in_reply_to, type. */
static void forged_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    (void)ctx;
    sim_fail(sim, "%s is signed by '%s', answers '%s' and is a %s", row->text[0].data,
             row->text[1].data, row->text[2].data, row->text[3].data);
}

static void rows_check(struct sim *sim) {
    ask_each(sim,
             "SELECT m.mail, m.status, COALESCE(i.state, 'gone'), COALESCE(i.failures, 0)"
             " FROM mail m LEFT JOIN inbox i ON i.delivery = m.delivery"
             " WHERE m.session <> '' AND m.status IN ('pending', 'working') AND NOT"
             " (m.status = 'working' AND i.state = 'bound' AND i.turn = m.turn) AND NOT"
             " (m.status = 'pending' AND i.state IN ('pending', 'held') AND m.turn = ''"
             " AND i.failures < 3)",
             NULL, delivery_take, NULL);
    ask_each(sim,
             "SELECT m.mail, m.status, i.state, i.failures FROM mail m JOIN inbox i"
             " ON i.run = m.mail AND i.settled_ms IS NULL"
             " WHERE m.status IN ('done', 'failed', 'retracted')",
             NULL, delivery_take, NULL);
    ask_each(sim,
             "SELECT m.mail, m.status, m.session, (SELECT count(*) FROM mail n WHERE"
             " n.in_reply_to = m.mail AND n.in_reply_to <> '' AND n.sender = 'drover'),"
             " COALESCE((SELECT min(n.id) FROM mail n WHERE n.in_reply_to = m.mail AND"
             " n.in_reply_to <> '' AND n.sender = 'drover'), 0),"
             " COALESCE((SELECT min(n.id) FROM mail n WHERE n.in_reply_to = m.mail AND"
             " n.in_reply_to <> '' AND n.sender <> 'drover'"
             " AND (n.sender <> m.sender OR n.from_session <> m.from_session)), 0)"
             " FROM mail m WHERE m.type = 'request'",
             NULL, ended_take, NULL);
    ask_each(sim,
             "SELECT m.mail, m.sender, m.in_reply_to, m.type FROM mail m LEFT JOIN mail q ON"
             " q.mail = m.in_reply_to WHERE (m.from_session <> '' AND (m.sender IN ('" KNOWN_OWNER
             "', 'drover') OR (m.in_reply_to <> '' AND q.session <> m.from_session)))"
             " OR (m.in_reply_to <> '' AND m.type = 'request')",
             NULL, forged_take, NULL);
}

static void check_look(struct sim *sim) {
    const int64_t now_ms = sim_wall_ms(sim);
    if (!mails_play(&sim->options)) {
        return;
    }
    low_ms = low_ms == 0 || now_ms < low_ms ? now_ms : low_ms;
    keys_lapsed = keys_lapsed || now_ms - low_ms >= IDEMPOTENCY_KEPT_MS - 3600 * 1000;
    ask_each(sim,
             "SELECT id, mail, status, type, session, turn, attempts, depth, from_session FROM mail"
             " ORDER BY id",
             NULL, mail_take, NULL);
    rows_check(sim);
}

static void check_opened(struct sim *sim) {
    memset(model, 0, sizeof model);
    model_count = 0;
    if (mails_play(&sim->options)) {
        check_look(sim);
        acknowledged_check(sim);
    }
}

/* --- The end ---------------------------------------------------------------------------------- */

/* Columns: mail, status, state, cause. */
static void waits_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    bool *must = ctx;
    if (*must) {
        sim_fail(sim, "%s is %s for ever, and its delivery is %s (%s)", row->text[0].data,
                 row->text[1].data, row->text[2].data, row->text[3].data);
    }
    *must = true;
}

static bool check_rest(struct sim *sim, bool must) {
    bool waits = must;
    ask_each(sim,
             "SELECT m.mail, m.status, i.state, i.cause FROM mail m JOIN inbox i ON i.delivery ="
             " m.delivery WHERE m.session <> '' AND m.status IN ('pending', 'working')"
             " AND NOT (i.state = 'held' AND i.cause <> '')",
             NULL, waits_take, &waits);
    return must || !waits;
}

static void check_end(struct sim *sim) {
    if (!mails_play(&sim->options)) {
        return;
    }
    check_look(sim);
    acknowledged_check(sim);
    for (size_t i = 0; i < ROWS_MAX; i++) {
        const int64_t stands = model[i].seen ? messages_with(sim, model[i].mail) : 0;
        if (stands > (model[i].status == MAIL_RETRACTED ? 0 : 1)) {
            sim_fail(sim, "%s is %s, and stands in %lld messages", model[i].mail,
                     mail_status_names[model[i].status], (long long)stands);
        }
    }
}

static void check_begin(struct sim *sim) {
    (void)sim;
    memset(model, 0, sizeof model);
    model_count = 0;
    acknowledged_count = 0;
    low_ms = 0;
    keys_lapsed = false;
}

const struct sim_part part_check_mail = {.name = "check mail",
                                         .begin = check_begin,
                                         .opened = check_opened,
                                         .look = check_look,
                                         .rest = check_rest,
                                         .end = check_end};
