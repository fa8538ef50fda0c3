/* mail.c: mail is sent, and taken back. */
#include "engine/mail/mail.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/inbox/rows.h"
#include "engine/project/projects.h"
#include "rules/board/settings.h"

static struct err mail_get(struct tx *tx, struct bytes owner, struct bytes mail,
                           struct mail *ret_mail, struct why *why) {
    return mail__find(tx, owner, mail, ret_mail) || err_failed(tx_error(tx))
               ? tx_error(tx)
               : err_why(why, ERR_NOT_FOUND, "there is no mail '%.*s'",
                         (int)utf8_cut(mail, ID_SIZE), mail.data);
}

static struct err who_find(struct tx *tx, const struct mail_key *key, struct board_who *ret_who,
                           struct why *why) {
    const struct task none = {.owner = key->owner, .task = BYTES(""), .agent = BYTES("")};
    const struct task_key task = {.owner = key->owner, .project = BYTES(""), .task = BYTES("")};
    return tx_board_who(tx, &task, &key->client, &none, ret_who, why);
}

/* --- The receiver ----------------------------------------------------------------------------- */

/* The sender, and the mail that is answered. */
struct sending {
    const struct mail_key *key;
    const struct mail_session *session;
    struct board_who who;
    struct mail answered; /* .mail "": it answers none. */
};

static struct bytes session_member(struct tx *tx, const char *sql, struct bytes session) {
    return session.len == 0 ? BYTES("") : tx_text(tx, sql, ARGS(arg_text(session)));
}

static struct err to_session(struct tx *tx, const struct sending *sending, struct bytes name,
                             struct mail *io_mail, struct why *why) {
    const struct session_key key = {sending->key->owner, name};
    struct session_row row;
    bool found = false;
    const struct err err = tx_session_find(tx, &key, &found, &row);
    if (err_failed(err) || !found) {
        return err_failed(err) ? err
                               : err_why(why, ERR_NOT_FOUND, "there is no session '%.*s'",
                                         (int)name.len, name.data);
    }
    io_mail->session = row.session;
    io_mail->project = row.project;
    return ERR_OK;
}

/* Whether the project names a model, and the agent: which is then one of that model, where nothing
 * else is known of it. */
static bool board_names(const struct project *project, struct bytes agent) {
    struct board_agent agents[BOARD_AGENTS_MAX];
    AUTO(json_release) json_t *board = NULL;
    bool named = false;
    if (err_failed(json_parse_wrapped(project->board, &board, NULL))) {
        json_release(&board);
    }
    const size_t count = board_agents(board, project->agent, agents);
    for (size_t i = 0; i < count && !named; i++) {
        named = bytes_equal(agents[i].name, agent);
    }
    return project->model.len > 0 && (named || bytes_equal(json_bytes(board, "reviewer"), agent));
}

/* The main session that is not there yet. Its first turn is the notice of its mail. */
static struct err session_make(struct tx *tx, const struct sending *sending,
                               const struct session_main *main, struct mail *io_mail) {
    struct session_new what = sending->session->session;
    struct session_row row;
    what.owner = main->owner;
    what.project = io_mail->project;
    what.title = what.agent = main->agent;
    what.root = main->root;
    what.main = true;
    const struct err err = tx_session_create(tx, &what, &row);
    io_mail->session = row.session;
    return err;
}

static struct err to_agent(struct tx *tx, const struct sending *sending, struct bytes agent,
                           struct mail *io_mail, struct mail_wanted *ret_wanted, struct why *why) {
    const struct bytes owner = sending->key->owner, project = io_mail->project;
    const struct resource_key key = {owner, project};
    struct project of = {.root = BYTES("")};
    bool known = false;
    tx_fail(tx, tx_resource_find(tx, &project_resource, &key, &known, &of));
    struct bytes root = known ? of.root : BYTES("");
    if (root.len == 0 && bytes_equal(project, io_mail->from_project)) {
        root = session_member(tx, "SELECT root FROM sessions WHERE session = $1",
                              io_mail->from_session);
    }
    if (project.len == 0 || root.len == 0) {
        return err_failed(tx_error(tx)) ? tx_error(tx)
               : project.len == 0
                   ? err_why(why, ERR_MISSING_FIELD,
                             "\"project\": name that of '%.*s', or write to agent@project",
                             (int)agent.len, agent.data)
                   : err_why(why, ERR_NOT_FOUND,
                             "project '%.*s' has no folder, in which '%.*s' would work: 'drover "
                             "project set %.*s --root FOLDER'",
                             (int)project.len, project.data, (int)agent.len, agent.data,
                             (int)project.len, project.data);
    }
    const struct session_main main = {.owner = owner, .agent = agent, .root = root};
    struct session_row row;
    bool found = false;
    const struct err err =
        err_failed(tx_error(tx)) ? tx_error(tx) : tx_session_main(tx, &main, &found, &row);
    if (err_failed(err) || found) {
        io_mail->session = found ? row.session : BYTES("");
        return err;
    }
    if (sending->session->looked) {
        return session_make(tx, sending, &main, io_mail);
    }
    struct bytes path = known ? of.path : BYTES("");
    if (path.len == 0) {
        path = session_member(tx, "SELECT path FROM sessions WHERE session = $1",
                              io_mail->from_session);
    }
    *ret_wanted = (struct mail_wanted){.wanted = true,
                                       .agent = agent,
                                       .root = root,
                                       .path = path,
                                       .named = known && board_names(&of, agent)};
    return tx_error(tx);
}

static struct err receiver_find(struct tx *tx, const struct sending *sending, struct mail *io_mail,
                                struct mail_wanted *ret_wanted, struct why *why) {
    struct mail_address to;
    struct err err = mail_address_read(io_mail->to, sending->key->owner, &to, why);
    if (err_failed(err)) {
        return err;
    }
    io_mail->session = BYTES("");
    if (to.project.len > 0) {
        io_mail->project = to.project;
    } else if (io_mail->project.len == 0) {
        io_mail->project = io_mail->from_project;
    }
    switch (to.place) {
    case MAIL_TO_SESSION:
        err = to_session(tx, sending, to.name, io_mail, why);
        break;
    case MAIL_TO_PERSON:
        break;
    case MAIL_TO_AGENT:
        err = to_agent(tx, sending, to.name, io_mail, ret_wanted, why);
        break;
    }
    if (!err_failed(err) && io_mail->session.len > 0 &&
        bytes_equal(io_mail->session, io_mail->from_session)) {
        return err_why(why, ERR_BAD_FIELD, "\"to\": that is the session which sends it");
    }
    return err;
}

/* --- The mail --------------------------------------------------------------------------------- */

/* A person reads all mail; an agent answers what was sent to its session. What goes to no session
 * is a person's, whatever an agent calls itself. */
static bool is_receiver(const struct board_who *who, const struct mail *mail) {
    return who->actor == BOARD_PERSON ||
           (mail->session.len > 0 && bytes_equal(mail->session, who->session));
}

/* An answer goes where the mail came from, and is never a request. */
static struct err answer_complete(struct tx *tx, struct sending *sending, struct mail *io_mail,
                                  struct why *why) {
    struct mail *answered = &sending->answered;
    TRY(mail_get(tx, sending->key->owner, io_mail->in_reply_to, answered, why));
    if (!is_receiver(&sending->who, answered)) {
        return err_why(why, ERR_NOT_YOUR_TASK, "%.*s was sent to '%.*s', who alone answers it",
                       (int)answered->mail.len, answered->mail.data, (int)answered->to.len,
                       answered->to.data);
    }
    if (io_mail->to.len == 0 && bytes_is(answered->from, MAIL_DROVER)) {
        return err_why(why, ERR_BAD_FIELD, "%.*s was written by drover, which reads no answers",
                       (int)answered->mail.len, answered->mail.data);
    }
    if (io_mail->to.len == 0) {
        io_mail->to = answered->from_session.len > 0 ? answered->from_session : answered->from;
        io_mail->project = answered->from_project;
    }
    if (io_mail->title.len == 0) {
        AUTO(text_done) struct text title = text_up_to(MAIL_TITLE_MAX);
        const bool again = bytes_begin(answered->title, BYTES("Re: "));
        text_add_str(&title, again ? "" : "Re: ");
        text_add(&title, answered->title.data, utf8_cut(answered->title, MAIL_TITLE_MAX - 4));
        io_mail->title = tx_copy_text(tx, &title, "mail: title");
    }
    if (io_mail->about.len == 0) {
        io_mail->about = answered->about;
    }
    io_mail->type = BYTES(MAIL_INFORM);
    return tx_error(tx);
}

/* A person begins a chain; an agent goes on with that of the mail which it reads or answers, or of
 * the task on which it works. */
static int64_t depth_of(struct tx *tx, const struct sending *sending) {
    const struct board_who *who = &sending->who;
    int64_t depth = sending->answered.mail.len > 0 ? sending->answered.depth : 0;
    if (who->actor == BOARD_PERSON) {
        return 1;
    }
    const int64_t above = tx_board_depth(tx, who);
    return (above > depth ? above : depth) + 1;
}

/* As its receiver sees it. The agent of a session is a free word, so where that is no name of an
 * agent alone, the session signs. */
static struct bytes sender_name(struct tx *tx, const struct sending *sending,
                                const struct mail *mail) {
    AUTO(text_done) struct text name = text_up_to(MAIL_ADDRESS_MAX);
    const struct bytes who = sending->who.name, project = mail->from_project;
    const bool person = sending->who.actor == BOARD_PERSON;
    if (!person && mail->from_session.len > 0 && !mail_signs(who, mail->owner)) {
        return mail->from_session;
    }
    text_add(&name, who.data, who.len);
    if (!person && project.len > 0 && !bytes_equal(project, mail->project)) {
        text_addf(&name, "@%.*s", (int)project.len, project.data);
    }
    return tx_copy_text(tx, &name, "mail: sender");
}

/* The sender, and the mail that is answered, if any. */
static struct err sender_complete(struct tx *tx, struct sending *sending, struct mail *io_mail,
                                  struct why *why) {
    struct err err = who_find(tx, sending->key, &sending->who, why);
    if (err_failed(err)) {
        return err;
    }
    const struct board_who *who = &sending->who;
    const struct bytes session = who->session;
    if (who->actor != BOARD_PERSON && session.len == 0 &&
        (bytes_equal(who->name, io_mail->owner) || bytes_is(who->name, MAIL_DROVER))) {
        return err_why(why, ERR_NOT_YOUR_TASK,
                       "this client is an agent and would send mail as '%.*s', which is the name "
                       "of somebody else: give its token another label",
                       (int)who->name.len, who->name.data);
    }
    const struct bytes project =
        session_member(tx, "SELECT project FROM sessions WHERE session = $1", session);
    io_mail->from_session = session;
    io_mail->from_project = project.len > 0 ? project : io_mail->project;
    if (io_mail->in_reply_to.len > 0) {
        err = answer_complete(tx, sending, io_mail, why);
    }
    if (!err_failed(err) && io_mail->to.len == 0) {
        return err_why(why, ERR_MISSING_FIELD, "\"to\" is missing");
    }
    if (!err_failed(err) && io_mail->title.len == 0) {
        return err_why(why, ERR_MISSING_FIELD, "\"title\" is missing");
    }
    return err;
}

/* A person has read what a person answers. */
static void answered_close(struct tx *tx, struct mail *answered) {
    if (answered->mail.len > 0 && answered->session.len == 0 && !mail_is_over(answered->status)) {
        answered->status = MAIL_DONE;
        tx_fail(tx, tx_resource_update(tx, &mail_resource, FIELD_SET, answered));
    }
}

static struct err mail_withdraw(struct tx *tx, struct mail *io_mail, struct why *why);

/* Only the sender's own, where an agent sends. */
static bool is_own(const struct board_who *who, const struct mail *mail) {
    return who->actor == BOARD_PERSON ||
           (mail->from_session.len > 0
                ? bytes_equal(mail->from_session, who->session)
                : who->session.len == 0 && bytes_equal(mail->from, who->name));
}

static struct err superseded_withdraw(struct tx *tx, const struct sending *sending,
                                      const struct mail *mail, struct why *why) {
    struct mail old;
    struct err err = mail_get(tx, sending->key->owner, mail->supersedes, &old, why);
    if (!err_failed(err) && !is_own(&sending->who, &old)) {
        return err_why(why, ERR_NOT_YOUR_TASK, "%.*s was sent by '%.*s'", (int)old.mail.len,
                       old.mail.data, (int)old.from.len, old.from.data);
    }
    return err_failed(err) ? err : mail_withdraw(tx, &old, why);
}

struct err tx_mail_send(struct tx *tx, const struct mail_key *key,
                        const struct mail_session *session, struct mail *io_mail,
                        struct mail_wanted *ret_wanted, struct why *why) {
    struct sending sending = {.key = key, .session = session, .answered = {.mail = BYTES("")}};
    *ret_wanted = (struct mail_wanted){.wanted = false};
    io_mail->owner = key->owner;
    struct err err = sender_complete(tx, &sending, io_mail, why);
    if (!err_failed(err)) {
        io_mail->depth = depth_of(tx, &sending);
        err = mail_depth_check(io_mail, why);
    }
    err = err_failed(err) ? err : receiver_find(tx, &sending, io_mail, ret_wanted, why);
    if (err_failed(err) || ret_wanted->wanted) {
        return err;
    }
    if (io_mail->supersedes.len > 0) {
        err = superseded_withdraw(tx, &sending, io_mail, why);
    }
    if (err_failed(err)) {
        return err;
    }
    io_mail->from = sender_name(tx, &sending, io_mail);
    /* A person who looks at the list has read what asks for nothing. */
    io_mail->status =
        io_mail->session.len == 0 && !mail_is_request(io_mail) ? MAIL_DONE : MAIL_PENDING;
    answered_close(tx, &sending.answered);
    if (tx_resource_count(tx, &mail_resource, io_mail->owner) >= MAILS_MAX) {
        return err_why(why, ERR_TOO_MANY,
                       "there are %d mails: those that are over are removed when they are old",
                       MAILS_MAX);
    }
    err = mail__insert(tx, io_mail);
    if (!err_failed(err) && io_mail->urgent && io_mail->session.len > 0) {
        err = mail__join(tx, session, io_mail, why);
    }
    return err;
}

/* --- Taken back ------------------------------------------------------------------------------- */

static struct err mail_withdraw(struct tx *tx, struct mail *io_mail, struct why *why) {
    const struct inbox_key delivery = {.owner = io_mail->owner, .delivery = io_mail->delivery};
    struct inbox_row row;
    if (io_mail->status == MAIL_RETRACTED) {
        return ERR_OK;
    }
    if (io_mail->status != MAIL_PENDING) {
        return err_why(why, ERR_CONFLICT, "%.*s is %s: it was read, or is being read",
                       (int)io_mail->mail.len, io_mail->mail.data,
                       mail_status_names[io_mail->status]);
    }
    io_mail->status = MAIL_RETRACTED;
    const struct err err = tx_resource_update(tx, &mail_resource, FIELD_SET, io_mail);
    return err_failed(err) || io_mail->delivery.len == 0
               ? err
               : tx_inbox_order(tx, &delivery, INBOX_DROP, &row);
}

struct err tx_mail_retract(struct tx *tx, const struct mail_key *key, struct mail *ret_mail,
                           struct why *why) {
    struct board_who who;
    struct err err = who_find(tx, key, &who, why);
    err = err_failed(err) ? err : mail_get(tx, key->owner, key->mail, ret_mail, why);
    if (err_failed(err)) {
        return err;
    }
    if (!is_own(&who, ret_mail)) {
        return err_why(why, ERR_NOT_YOUR_TASK, "%.*s was sent by '%.*s'", (int)ret_mail->mail.len,
                       ret_mail->mail.data, (int)ret_mail->from.len, ret_mail->from.data);
    }
    return mail_withdraw(tx, ret_mail, why);
}

/* --- Removed ---------------------------------------------------------------------------------- */

#define MAIL_OVER_SQL "status IN ('done', 'failed', 'retracted')"

/* Read before any is removed: a cursor does not survive a write everywhere. */
static int64_t oldest_remove(struct tx *tx, int64_t before_ms, int64_t limit) {
    struct resource_key keys[MAIL_PRUNE_MAX];
    int64_t count = 0;
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT owner, mail FROM mail m WHERE " MAIL_OVER_SQL
                                " AND changed_ms < $1 AND NOT EXISTS (SELECT 1 FROM mail r WHERE"
                                " r.owner = m.owner AND r.in_reply_to = m.mail)"
                                " ORDER BY changed_ms, id LIMIT $2",
                                ARGS(arg_int(before_ms), arg_int(limit)));
    while (count < limit && rows_step(rows)) {
        keys[count++] = (struct resource_key){rows_copy(rows, 0), rows_copy(rows, 1)};
    }
    for (int64_t i = 0; i < count && !err_failed(tx_error(tx)); i++) {
        tx_fail(tx, tx_resource_remove(tx, &mail_resource, &keys[i], NULL /* all are over */));
    }
    return count;
}

struct err mail__removing(struct tx *tx, const struct resource_key *key, struct why *why) {
    const struct bytes open =
        tx_text(tx, "SELECT status FROM mail WHERE owner = $1 AND mail = $2 AND NOT " MAIL_OVER_SQL,
                ARGS(arg_text(key->owner), arg_text(key->id)));
    if (open.len > 0) {
        return err_why(why, ERR_CONFLICT, "%.*s is %.*s: take it back first, or have it answered",
                       (int)key->id.len, key->id.data, (int)open.len, open.data);
    }
    tx_do(tx, "DELETE FROM mail_attempts WHERE mail = $1", ARGS(arg_text(key->id)));
    inbox__forget(tx, key->id);
    return tx_error(tx);
}

struct err tx_mails_remove(struct tx *tx, struct bytes owner, struct bytes project, bool *ret_more,
                           struct why *why) {
    struct bytes mails[MAIL_PRUNE_MAX];
    const struct bytes open =
        tx_text(tx,
                "SELECT mail FROM mail WHERE owner = $1 AND project = $2 AND NOT " MAIL_OVER_SQL
                " ORDER BY id LIMIT 1",
                ARGS(arg_text(owner), arg_text(project)));
    const struct resource_key first = {owner, open};
    if (open.len > 0) {
        return mail__removing(tx, &first, why);
    }
    const size_t count = tx_texts(
        tx, "SELECT mail FROM mail WHERE owner = $1 AND project = $2 ORDER BY id DESC LIMIT $3",
        ARGS(arg_text(owner), arg_text(project), arg_int(MAIL_PRUNE_MAX)), MAIL_PRUNE_MAX, mails);
    for (size_t i = 0; i < count && !err_failed(tx_error(tx)); i++) {
        const struct resource_key key = {owner, mails[i]};
        tx_fail(tx, tx_resource_remove(tx, &mail_resource, &key, why));
    }
    *ret_more = count > 0;
    return tx_error(tx);
}

struct err tx_mail_prune(struct tx *tx, const struct mail_prune *prune, bool *ret_more) {
    assert(prune->limit > 0 && prune->limit <= MAIL_PRUNE_MAX && prune->count > 0);
    /* By the clock for runs (rules/run/retention.h): one that was set ahead takes nothing away. */
    const int64_t judged_ms = tx_number(tx, "SELECT judged_ms FROM nodes WHERE id = 1", NO_ARGS);
    const int64_t before_ms = prune->age_ms == 0 ? INT64_MIN : judged_ms - prune->age_ms;
    /* Counted no further than one call can remove. */
    const int64_t count = tx_number(
        tx, "SELECT count(*) FROM (SELECT 1 FROM mail WHERE " MAIL_OVER_SQL " LIMIT $1) closed",
        ARGS(arg_int(prune->count + prune->limit)));
    int64_t removed = 0;
    if (count > prune->count) {
        removed = oldest_remove(tx, INT64_MAX, count - prune->count);
    }
    if (removed < prune->limit) {
        removed += oldest_remove(tx, before_ms, prune->limit - removed);
    }
    *ret_more = removed > 0; /* Mail that was answered by a removed one may go now. */
    return tx_error(tx);
}
