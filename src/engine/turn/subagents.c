/* subagents.c: see subagents.h. */
#include "engine/turn/subagents.h"

#include "base/utf8.h"
#include "engine/budget/budget.h"
#include "engine/inbox/bind.h"
#include "engine/session/roots.h"
#include "engine/turn/begin.h"
#include "engine/turn/cards.h"

/* Whoever waits is woken by the end of another; this is for the case that nobody's end came, which
 * would be a mistake of ours: it goes then. */
#define WAIT_MS (INT64_C(24) * 3600 * 1000)

struct err tx_turn_seat(struct tx *tx, const struct turn_key *key, int64_t part, bool *ret_late,
                        struct turn_seat *ret_seat) {
    struct turn turn;
    struct card card;
    *ret_late = !turns__load_card(tx, key, part, PART_STATE_RUNNING, &turn, &card) ||
                turn.run.stop != CAUSE_NONE;
    *ret_seat = (struct turn_seat){.session = turn.session, .model = turn.row.model};
    return tx_error(tx);
}

/* --- Siblings --------------------------------------------------------------------------------- */

/* --- Spawned ---------------------------------------------------------------------------------- */

/* The label, else the beginning of the input's first line. */
static struct bytes title_of(struct tx *tx, const struct subagent_new *what) {
    static const char beginning[] = "Subagent: ";
    struct bytes rest = what->input, line = BYTES("");
    if (what->label.len == 0 && bytes_next(&rest, '\n', &line)) {
        size_t len = 0;
        for (size_t chars = 0; len < line.len; len++) {
            chars += ((unsigned char)line.data[len] & 0xC0) != 0x80;
            if (chars > SUBAGENT_TITLE) {
                break;
            }
        }
        return (struct bytes){line.data, len};
    }
    AUTO(text_done) struct text title = text_up_to(SESSION_TITLE_MAX + 1);
    text_add_str(&title, beginning);
    text_add(&title, what->label.data,
             utf8_cut(what->label, SESSION_TITLE_MAX - (sizeof beginning - 1)));
    return tx_copy_text(tx, &title, "subagents: title");
}

/* Folders of the parent, and the limit: a budget of the session, so that it holds for what wakes
 * the subagent later, too. */
static struct err on_subagent_session(struct tx *tx, const void *ctx,
                                      const struct session_row *session,
                                      struct turn_message *io_message) {
    const struct subagent_new *what = ctx;
    struct budget_set set = {
        .key = {.owner = session->owner, .scope = sessions__stream(tx, session)},
        .limits = {.limits = amounts_unlimited()},
        .bounds = what->bounds,
    };
    struct budget_row row;
    (void)io_message;
    const struct err err = tx_roots_inherit(tx, what->seat->session.id, session->id);
    if (err_failed(err) || what->cost_micros < 0) {
        return err;
    }
    set.limits.named[AMOUNT_COST] = true;
    set.limits.limits.of[AMOUNT_COST] = what->cost_micros;
    return tx_budget_set(tx, &set, &row);
}

struct err tx_subagent_spawn(struct tx *tx, const struct subagent_new *what,
                             struct subagent *ret_subagent, struct why *why) {
    const struct session_row *parent = &what->seat->session;
    if (parent->depth >= SESSION_DEPTH_MAX) {
        return err_why(why, ERR_CONFLICT,
                       "Subagents are at most %d deep, and this is the last: do it yourself.",
                       SESSION_DEPTH_MAX);
    }
    const int64_t busy = subagents__count_busy(tx, parent->id);
    if (subagents__count(tx, parent->id) >= SUBAGENTS_MAX) {
        return err_why(
            why, ERR_CONFLICT,
            "%d of your subagents have not ended; wait for some of them, or cancel them.",
            SUBAGENTS_MAX);
    }
    const struct talk_new talk = {
        .session = {.session = what->session,
                    .owner = parent->owner,
                    .parent = parent->session,
                    .project = parent->project,
                    .title = title_of(tx, what),
                    .model = what->model.len > 0 ? what->model : parent->model,
                    .agent = what->agent.len > 0 ? what->agent : parent->agent,
                    .root = parent->root,
                    .instructions = parent->instructions,
                    .program = what->program,
                    .settings = what->settings,
                    .path = parent->path,
                    .config_dir = parent->config_dir},
        .message = {.text = what->input,
                    .model_default = what->seat->model,
                    .notify = parent->session,
                    .not_before_ms = busy >= SUBAGENTS_AT_ONCE ? tx_now_ms(tx) + WAIT_MS : 0,
                    .run = what->run,
                    .message = what->message,
                    .answer = what->answer,
                    .bounds = what->bounds},
        .on_session = on_subagent_session,
        .ctx = what,
    };
    struct talk_begun begun;
    const struct err err = tx_talk_begin(tx, &talk, &begun, why);
    if (!err_failed(err)) {
        *ret_subagent = (struct subagent){
            .run = begun.turn, .session = begun.session.session, .title = begun.session.title};
    }
    return err;
}

struct err tx_subagent_again(struct tx *tx, const struct subagent_again *again,
                             struct run_row *ret_run, struct why *why) {
    struct turn turn = {.run = *again->turn};
    struct session_row parent;
    if (!turns__load_rest(tx, &turn) || turn.session.parent == 0 ||
        !sessions__find_id(tx, turn.session.parent, &parent)) {
        return err_failed(tx_error(tx))
                   ? tx_error(tx)
                   : err_why(why, ERR_CONFLICT,
                             "the run is a turn of no subagent: ask for its answer again with "
                             "POST /api/v1/messages/ID/regenerate");
    }
    if (!message_shown(turn.answer.status)) {
        return err_why(why, ERR_CONFLICT,
                       "the subagent has not begun, or its answer was removed: start another one");
    }
    const struct turn_message message = {
        .key = {.owner = turn.session.owner, .message = turn.answer.message},
        .model_default = turn.row.model,
        .notify = parent.session,
        .run = again->run,
        .answer = again->answer,
        .bounds = again->bounds};
    struct err err = tx_turn_again(tx, &message, ret_run, why);
    if (!err_failed(err)) {
        runs__set_retry_of(tx, again->turn, ret_run);
    }
    return err_failed(err) ? err : tx_error(tx);
}

/* --- Found, fetched, cancelled ---------------------------------------------------------------- */

struct err tx_subagent_find(struct tx *tx, const struct turn_seat *seat, struct bytes run,
                            bool *ret_found, struct subagent *ret_subagent) {
    const struct run_key key = {.owner = seat->session.owner, .run = run};
    struct subagent subagent = {.run = {.id = 0}};
    struct session_row session;
    struct turn_row turn;
    bool found = false;
    tx_fail(tx, tx_run_find(tx, &key, &found, &subagent.run));
    *ret_found = found && turns__find(tx, subagent.run.id, &turn) &&
                 sessions__find_id(tx, turn.session, &session) &&
                 session.parent == seat->session.id;
    if (*ret_found) {
        subagent.session_id = session.id;
        subagent.session = session.session;
        subagent.usage = session.usage;
        *ret_subagent = subagent;
    }
    return tx_error(tx);
}

struct err tx_subagent_progress(struct tx *tx, const struct subagent *subagent,
                                struct bytes *ret_text) {
    enum { PROGRESS_MAX = 500 };
    struct turn_row turn;
    struct session_row session;
    *ret_text = BYTES("");
    if (run_state_final(subagent->run.state) || !turns__find(tx, subagent->run.id, &turn) ||
        !sessions__find_id(tx, turn.session, &session)) {
        return tx_error(tx);
    }
    AUTO(turns__said_done) struct turn_said said = {.text = {.size_max = 0}};
    struct err err = turn.call > 0 ? turns__hear(tx, &session, &turn, &said) : ERR_OK;
    struct bytes text = text_bytes(&said.text);
    if (!err_failed(err) && text.len == 0) { /* No call is out, or it has said nothing yet. */
        err = turns__said(tx, subagent->run.id, &text);
    }
    size_t from = text.len > PROGRESS_MAX ? text.len - PROGRESS_MAX : 0;
    while (from > 0 && from < text.len && ((unsigned char)text.data[from] & 0xC0) == 0x80) {
        from++;
    }
    if (!err_failed(err) && text.len > 0) {
        *ret_text = tx_copy(tx, (struct bytes){text.data + from, text.len - from});
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_subagent_fetch(struct tx *tx, const struct turn_seat *seat,
                             const struct subagent *subagent, struct bytes *ret_output) {
    const struct inbox_receiver parent = {
        .owner = seat->session.owner, .address = seat->session.session, .kind = RECEIVER_SESSION};
    struct err err = turns__said(tx, subagent->run.id, ret_output);
    tx_inbox_settle_fetched(tx, &parent, subagent->run.run);
    return err_failed(err) ? err : tx_error(tx);
}

/* One that has ended is as well, and *ret_row is untouched. */
static struct err call_off(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                           struct run_row *ret_row) {
    const struct run_stop stop = {.key = {.run = run},
                                  .cause = CAUSE_CALLED_OFF,
                                  .grace_ms = RUN_STOP_GRACE_MS,
                                  .bounds = *bounds};
    bool more = false; /* The rest of a large tree is asked by the ends of those that were. */
    struct err err = tx_run_stop(tx, &stop, &more, ret_row);
    return err.code == ERR_CONFLICT ? ERR_OK : err;
}

/* Subagents are no runs below another, but nobody wants what these still do. Two levels: more there
 * are not below one that was spawned. */
enum { BELOW_MAX = 200 };
struct err tx_subagent_cancel(struct tx *tx, const struct subagent *subagent,
                              const struct run_bounds *bounds, struct run_row *ret_row) {
    struct bytes below[BELOW_MAX];
    *ret_row = subagent->run;
    TRY(call_off(tx, subagent->run.run, bounds, ret_row));
    const size_t count = tx_texts(
        tx,
        "SELECT r.run FROM sessions s JOIN turns t ON t.session = s.id JOIN runs r ON r.id = t.run"
        " LEFT JOIN sessions p ON p.id = s.parent"
        " WHERE (s.parent = $1 OR p.parent = $1) AND r.ended_ms IS NULL ORDER BY r.id LIMIT 200",
        ARGS(arg_int(subagent->session_id)), BELOW_MAX, below);
    struct err err = tx_error(tx);
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        struct run_row row;
        err = call_off(tx, below[i], bounds, &row);
    }
    return err;
}
