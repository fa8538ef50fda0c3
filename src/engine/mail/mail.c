/* mail.c: mail is sent, and taken back. */
#include "engine/mail/mail.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/project/projects.h"
#include "rules/board/settings.h"

bool mail__find(struct tx *tx, struct bytes owner, struct bytes mail, struct mail *ret_mail) {
    const struct resource_key key = {owner, mail};
    bool found = false;
    return mail_is_name(mail) &&
           !err_failed(tx_resource_find(tx, &mail_resource, &key, &found, ret_mail)) && found;
}

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

/* An agent that is no program is one if its project names it. */
static bool board_names(struct tx *tx, struct bytes owner, struct bytes name, struct bytes agent) {
    struct project project;
    struct board_agent agents[BOARD_AGENTS_MAX];
    const struct resource_key key = {owner, name};
    AUTO(json_release) json_t *board = NULL;
    bool found = false, named = false;
    tx_fail(tx, tx_resource_find(tx, &project_resource, &key, &found, &project));
    if (!found || err_failed(json_parse_wrapped(project.board, &board, NULL))) {
        json_release(&board);
    }
    const size_t count = board_agents(board, found ? project.agent : BYTES(""), agents);
    for (size_t i = 0; i < count && !named; i++) {
        named = bytes_equal(agents[i].name, agent);
    }
    return named || bytes_equal(json_bytes(board, "reviewer"), agent);
}

/* The main session that is not there yet. */
static struct err session_make(struct tx *tx, const struct sending *sending,
                               const struct session_main *main, struct mail *io_mail,
                               struct why *why) {
    const struct mail_session *with = sending->session;
    struct session_row row;
    if (!with->found && !board_names(tx, main->owner, io_mail->project, main->agent)) {
        return err_failed(tx_error(tx))
                   ? tx_error(tx)
                   : err_why(why, ERR_NOT_FOUND,
                             "there is no agent '%.*s' in project '%.*s' ('drover agent ls' lists "
                             "programs that are agents)",
                             (int)main->agent.len, main->agent.data, (int)io_mail->project.len,
                             io_mail->project.data);
    }
    const struct session_new what = {.session = with->session,
                                     .owner = main->owner,
                                     .parent = BYTES(""),
                                     .project = io_mail->project,
                                     .title = main->agent,
                                     .model = with->model,
                                     .agent = main->agent,
                                     .root = main->root,
                                     .program = with->program};
    struct err err = tx_session_create(tx, &what, &row);
    err = err_failed(err) ? err : tx_session_mark_main(tx, row.id);
    io_mail->session = row.session;
    return err;
}

static struct err to_agent(struct tx *tx, const struct sending *sending, struct bytes agent,
                           struct mail *io_mail, struct mail_wanted *ret_wanted, struct why *why) {
    const struct bytes owner = sending->key->owner, project = io_mail->project;
    struct bytes root = tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                                ARGS(arg_text(owner), arg_text(project)));
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
    const struct err err = tx_session_main(tx, &main, &found, &row);
    if (err_failed(err) || found) {
        io_mail->session = found ? row.session : BYTES("");
        return err;
    }
    if (sending->session->looked) {
        return session_make(tx, sending, &main, io_mail, why);
    }
    *ret_wanted = (struct mail_wanted){.wanted = true, .agent = agent, .root = root};
    return ERR_OK;
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

/* A person reads all mail; an agent answers what was sent to it. */
static bool is_receiver(const struct board_who *who, const struct mail *mail) {
    return who->actor == BOARD_PERSON ||
           (mail->session.len > 0 ? bytes_equal(mail->session, who->session)
                                  : bytes_equal(mail->to, who->name));
}

/* An answer goes where the mail came from, and is never a request. */
static struct err answer_complete(struct tx *tx, struct sending *sending, struct mail *io_mail,
                                  struct why *why) {
    struct mail *answered = &sending->answered;
    struct err err = mail_get(tx, sending->key->owner, io_mail->in_reply_to, answered, why);
    if (err_failed(err)) {
        return err;
    }
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

/* A person begins a chain; an agent goes on with that of the mail which it reads or answers. */
static int64_t depth_of(struct tx *tx, const struct sending *sending) {
    const struct board_who *who = &sending->who;
    int64_t depth = sending->answered.mail.len > 0 ? sending->answered.depth : 0;
    if (who->actor == BOARD_PERSON) {
        return 1;
    }
    if (who->turn.len > 0) {
        const int64_t read =
            tx_number(tx, "SELECT COALESCE(max(depth), 0) FROM mail WHERE turn = $1 AND turn <> ''",
                      ARGS(arg_text(who->turn)));
        depth = read > depth ? read : depth;
    }
    return depth + 1;
}

/* As its receiver sees it. */
static struct bytes sender_name(struct tx *tx, const struct sending *sending,
                                const struct mail *mail) {
    AUTO(text_done) struct text name = text_up_to(MAIL_ADDRESS_MAX);
    const struct bytes who = sending->who.name, project = mail->from_project;
    text_add(&name, who.data, who.len);
    if (sending->who.actor != BOARD_PERSON && project.len > 0 &&
        !bytes_equal(project, mail->project)) {
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
    const struct bytes session = sending->who.session;
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
           (mail->from_session.len > 0 ? bytes_equal(mail->from_session, who->session)
                                       : bytes_equal(mail->from, who->name));
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
    err = mail__insert(tx, io_mail);
    if (!err_failed(err) && io_mail->urgent && io_mail->session.len > 0) {
        err = mail__join(tx, session, io_mail, why);
    }
    return err.code == ERR_TOO_MANY ? err_why(why, ERR_TOO_MANY, "there are %d mails", MAILS_MAX)
                                    : err;
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
