/* clients.c: the agents and people that a client stands for, and the tasks that they name. */
#include "engine/board/rows.h"

enum { ABOVE_MAX = 100 /* Runs above the one inside of which a client is. */ };

/* The open attempt whose session this is, or one above it, as of a subagent; "": there is none. */
static struct bytes attempt_of_sessions(struct tx *tx, int64_t session) {
    struct bytes attempt = BYTES("");
    for (unsigned i = 0; i <= SESSION_DEPTH_MAX && session != 0 && attempt.len == 0; i++) {
        attempt = tx_text(tx,
                          "SELECT a.attempt FROM sessions s JOIN tasks t ON t.session = s.session"
                          " JOIN task_attempts a ON a.attempt = t.attempt WHERE s.id = $1"
                          " AND t.session <> '' AND a.run <> '' AND a.ended_ms IS NULL"
                          " ORDER BY a.id DESC LIMIT 1",
                          ARGS(arg_int(session)));
        session =
            tx_number(tx, "SELECT parent FROM sessions WHERE id = $1", ARGS(arg_int(session)));
    }
    return attempt;
}

/* Depth of the mail that a turn reads, or of the task that it judges. */
static int64_t depth_of_run(struct tx *tx, struct bytes run) {
    return tx_number(tx,
                     "SELECT COALESCE(max(depth), 0) FROM (SELECT depth FROM tasks WHERE"
                     " review_run = $1 AND review_run <> '' UNION ALL SELECT depth FROM"
                     " mail_attempts WHERE turn = $1) chain",
                     ARGS(arg_text(run)));
}

/* The last attempt that is this run, or one above it; "": none is. `io_who` gets the session of the
 * uppermost run that was looked at, the innermost turn, and the largest depth. */
static struct bytes attempt_of_runs(struct tx *tx, struct bytes inside, struct board_who *io_who) {
    struct bytes run = inside;
    int64_t above = 0; /* The session that has begun that of the uppermost run. */
    for (unsigned i = 0; i < ABOVE_MAX && run.len > 0; i++) {
        AUTO(rows_release)
        struct rows *rows = tx_row(
            tx,
            "SELECT r.session, COALESCE(p.run, ''), COALESCE(s.parent, 0), r.kind FROM runs r"
            " LEFT JOIN sessions s ON s.session = r.session LEFT JOIN runs p ON p.id ="
            " CASE WHEN r.parent <> 0 THEN r.parent WHEN r.began_in <> 0 THEN r.began_in"
            " ELSE COALESCE(s.began_in, 0) END WHERE r.run = $1",
            ARGS(arg_text(run)));
        const struct bytes session = rows == NULL ? BYTES("") : rows_copy(rows, 0);
        const bool is_turn = rows != NULL && bytes_is(rows_text(rows, 3), "turn");
        const struct bytes attempt =
            tx_text(tx,
                    "SELECT attempt FROM task_attempts WHERE run = $1 AND run <> ''"
                    " ORDER BY id DESC LIMIT 1",
                    ARGS(arg_text(run)));
        const int64_t depth = depth_of_run(tx, run);
        io_who->turn = io_who->turn.len == 0 && is_turn ? run : io_who->turn;
        io_who->depth = depth > io_who->depth ? depth : io_who->depth;
        if (attempt.len > 0) {
            return attempt;
        }
        io_who->session = session.len > 0 ? session : io_who->session;
        run = rows == NULL ? BYTES("") : rows_copy(rows, 1);
        above = rows == NULL ? 0 : rows_int(rows, 2);
    }
    return attempt_of_sessions(tx, above);
}

enum board_place tx_board_place(struct tx *tx, struct bytes run) {
    struct board_who who = {.session = BYTES(""), .turn = BYTES("")};
    const struct bytes attempt = attempt_of_runs(tx, run, &who);
    const struct bytes own =
        attempt.len == 0
            ? attempt
            : tx_text(tx, "SELECT run FROM task_attempts WHERE attempt = $1 AND ended_ms IS NULL",
                      ARGS(arg_text(attempt)));
    if (own.len > 0) {
        return bytes_equal(own, run) ? BOARD_AT_ATTEMPT : BOARD_BELOW_ATTEMPT;
    }
    return tx_number(tx, "SELECT count(*) FROM tasks WHERE review_run = $1 AND review_run <> ''",
                     ARGS(arg_text(run))) > 0
               ? BOARD_AT_REVIEW
               : BOARD_OUTSIDE;
}

/* Inside of a run: the agent of its attempt, or of its session. */
static void who_inside(struct tx *tx, const struct task_key *key, const struct board_client *client,
                       const struct task *task, struct board_who *who) {
    struct task_attempt attempt;
    who->attempt = attempt_of_runs(tx, bytes_of(client->inside), who);
    who->actor = BOARD_AGENT;
    if (who->attempt.len > 0 && attempts__load(tx, key->owner, who->attempt, &attempt)) {
        const bool own = bytes_equal(attempt.task, task->task);
        who->name = attempt.agent;
        who->session = attempt.session.len > 0 ? attempt.session : who->session;
        who->task = attempt.task;
        who->over = attempt.ended_ms != 0 ||
                    (own && !(task->open_attempt && bytes_equal(task->attempt, who->attempt)));
        who->actor = own && !who->over ? BOARD_HOLDER : BOARD_AGENT;
        return;
    }
    who->name = who->session.len == 0 ? BYTES("")
                                      : tx_text(tx, "SELECT agent FROM sessions WHERE session = $1",
                                                ARGS(arg_text(who->session)));
    who->name = who->name.len > 0 ? who->name : BYTES("agent");
    who->run_alone = who->turn.len == 0;
}

/* Outside: a person, or an agent with a token that says no more than who it is. The holder is whom
 * the last attempt names, where that is no run. */
static void who_outside(const struct task_key *key, const struct board_client *client,
                        const struct task *task, struct board_who *who) {
    const struct bytes own = client->person ? key->owner : client->label;
    who->name = client->person && client->named.len > 0 ? client->named : own;
    who->actor = client->person ? BOARD_PERSON : BOARD_AGENT;
    if (task->open_attempt && task->run.len == 0 && task->session.len == 0 && who->name.len > 0 &&
        bytes_equal(task->agent, who->name)) {
        who->actor = BOARD_HOLDER;
        who->attempt = task->attempt;
        who->task = task->task;
    }
}

struct err tx_board_who(struct tx *tx, const struct task_key *key,
                        const struct board_client *client, const struct task *task,
                        struct board_who *ret_who, struct why *why) {
    *ret_who = (struct board_who){.actor = BOARD_AGENT,
                                  .name = BYTES(""),
                                  .attempt = BYTES(""),
                                  .task = BYTES(""),
                                  .session = BYTES(""),
                                  .turn = BYTES("")};
    if (client->inside[0] != '\0') {
        who_inside(tx, key, client, task, ret_who);
    } else {
        who_outside(key, client, task, ret_who);
    }
    TRY(tx_error(tx));
    if (client->named.data != NULL && !bytes_equal(client->named, ret_who->name)) {
        return err_why(
            why, ERR_NOT_YOUR_TASK, "this client is the agent '%.*s' and cannot speak as '%.*s'",
            (int)ret_who->name.len, ret_who->name.data, (int)client->named.len, client->named.data);
    }
    return ERR_OK;
}

/* --- Tasks by name ---------------------------------------------------------------------------- */

/* "" where there is none. */
struct bytes tasks__id_of(struct tx *tx, const struct task_key *key, int64_t place) {
    return tx_text(tx, "SELECT task FROM tasks WHERE owner = $1 AND project = $2 AND place = $3",
                   ARGS(arg_text(key->owner), arg_text(key->project), arg_int(place)));
}

/* "_": of the attempt inside of which the client is, or of the review. */
static struct bytes own_task(struct tx *tx, const struct task_key *key,
                             const struct board_client *client) {
    struct board_who who;
    struct why ignored = {""};
    const struct task none = {.owner = key->owner, .task = BYTES(""), .agent = BYTES("")};
    const struct board_client unnamed = {
        .inside = client->inside, .person = client->person, .label = client->label};
    const struct err err = tx_board_who(tx, key, &unnamed, &none, &who, &ignored);
    return err_failed(err)    ? BYTES("")
           : who.task.len > 0 ? who.task
                              : tx_text(tx,
                                        "SELECT task FROM tasks WHERE review_run = $1"
                                        " AND review_run <> ''",
                                        ARGS(arg_text(who.turn)));
}

struct err tx_task_find(struct tx *tx, const struct task_key *key,
                        const struct board_client *client, struct task *ret_task, struct why *why) {
    const int64_t place = task_number_read(key->task);
    const bool own = bytes_is(key->task, "_");
    const struct bytes id = own          ? own_task(tx, key, client)
                            : place != 0 ? tasks__id_of(tx, key, place)
                                         : key->task;
    if (id.len > 0 && resource_names(&task_resource, id) &&
        tasks__load(tx, key->owner, id, ret_task) &&
        (bytes_is(key->project, "_") || bytes_equal(ret_task->project, key->project))) {
        return ERR_OK;
    }
    TRY(tx_error(tx));
    if (id_valid(key->task.data, key->task.len, "mail")) {
        return err_why(why, ERR_MAIL,
                       "%.*s is a mail: its status follows from how it is read, and it is "
                       "answered by 'drover mail reply %.*s'",
                       (int)key->task.len, key->task.data, (int)key->task.len, key->task.data);
    }
    return own ? err_why(why, ERR_NOT_FOUND,
                         "this is not inside of an attempt at a task: name the task, as T-31")
               : err_why(why, ERR_NOT_FOUND, "there is no task '%.*s' in project '%.*s'",
                         (int)key->task.len, key->task.data, (int)key->project.len,
                         key->project.data);
}
