/* subagents.c: see subagents.h. */
#include "engine/turn/subagents.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/budget/budget.h"
#include "engine/inbox/bind.h"
#include "engine/session/roots.h"
#include "engine/turn/cards.h"
#include "engine/turn/reply.h"

/* Whoever waits is woken by the end of another; this is for the case that nobody's end came, which
 * would be a mistake of ours: it goes then. */
#define WAIT_MS (INT64_C(24) * 3600 * 1000)

struct err tx_turn_seat(struct tx *tx, const struct turn_key *key, int64_t part, bool *ret_late,
                        struct turn_seat *ret_seat) {
    struct turn turn;
    struct card card;
    bool found = false;
    *ret_late = false;
    struct err err = turns__load(tx, key, ret_late, &turn);
    if (err_failed(err) || *ret_late) {
        return err;
    }
    err = cards__find(tx, turn.row.answer, part, &found, &card);
    if (err_failed(err)) {
        return err;
    }
    *ret_late = !found || card.state != PART_STATE_RUNNING || turn.run.stop != CAUSE_NONE;
    *ret_seat = (struct turn_seat){.session = turn.session, .model = turn.row.model};
    return ERR_OK;
}

/* --- Siblings --------------------------------------------------------------------------------- */

#define SIBLINGS                                                                                   \
    " FROM sessions s JOIN turns t ON t.session = s.id JOIN runs r ON r.id = t.run"                \
    " WHERE s.parent = $1 AND r.ended_ms IS NULL"

static struct err count(struct tx *tx, const char *sql, int64_t parent, int64_t *ret_count) {
    const struct arg args[] = {arg_int(parent)};
    const struct run_ask ask = {.sql = sql, .args = args, .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_count);
}

static struct err wake_oldest(struct tx *tx, int64_t parent, struct run_freed *freed) {
    static const char sql[] = "SELECT r.id" SIBLINGS " AND r.gate = 'time' ORDER BY r.id LIMIT 1";
    struct run_row row;
    int64_t id = 0;
    bool found = false;
    struct err err = count(tx, sql, parent, &id);
    if (!err_failed(err) && id != 0) {
        err = runs__find_id(tx, id, &found, &row);
    }
    if (err_failed(err) || !found || row.stop != CAUSE_NONE) {
        return err;
    }
    row.not_before_ms = 0;
    row.gate = GATE_KEY;
    err = runs__write(tx, RUN_QUEUED, &row);
    return err_failed(err) ? err : runs__free(tx, &row, freed);
}

/* Also of a session that is being deleted: whoever waits beside it has no other to wake it. */
struct err subagents__ended(struct tx *tx, int64_t session, struct run_freed *freed) {
    static const char busy_sql[] = "SELECT count(*)" SIBLINGS " AND r.gate <> 'time'";
    int64_t parent = 0, busy = 0;
    struct err err = count(tx, "SELECT parent FROM sessions WHERE id = $1", session, &parent);
    if (err_failed(err) || parent == 0) {
        return err;
    }
    err = count(tx, busy_sql, parent, &busy);
    return err_failed(err) || busy >= SUBAGENTS_AT_ONCE ? err : wake_oldest(tx, parent, freed);
}

/* --- Spawned ---------------------------------------------------------------------------------- */

static struct err check(struct tx *tx, const struct subagent_new *what, int64_t *ret_busy,
                        struct why *why) {
    static const char busy_sql[] = "SELECT count(*)" SIBLINGS " AND r.gate <> 'time'";
    static const char all_sql[] = "SELECT count(*)" SIBLINGS;
    const struct session_row *parent = &what->seat->session;
    int64_t all = 0;
    if (parent->depth >= SESSION_DEPTH_MAX) {
        why_set(why, "Subagents are at most %d deep, and this is the last: do it yourself.",
                SESSION_DEPTH_MAX);
        return err_make(ERR_CONFLICT, "subagents: depth");
    }
    struct err err = count(tx, busy_sql, parent->id, ret_busy);
    if (!err_failed(err)) {
        err = count(tx, all_sql, parent->id, &all);
    }
    if (!err_failed(err) && all >= SUBAGENTS_MAX) {
        why_set(why, "%d of your subagents have not ended; wait for some of them, or cancel them.",
                SUBAGENTS_MAX);
        return err_make(ERR_CONFLICT, "subagents: count");
    }
    return err;
}

static size_t characters(struct bytes text, size_t most) {
    size_t at = 0;
    for (size_t i = 0; i < most && at < text.len; i++) {
        do {
            at++;
        } while (at < text.len && ((unsigned char)text.data[at] & 0xC0) == 0x80);
    }
    return at;
}

static struct err title_of(struct tx *tx, const struct subagent_new *what,
                           struct bytes *ret_title) {
    static const char beginning[] = "Subagent: ";
    if (what->label.len == 0) {
        const char *end = memchr(what->input.data, '\n', what->input.len);
        struct bytes line = {what->input.data,
                             end == NULL ? what->input.len : (size_t)(end - what->input.data)};
        *ret_title = (struct bytes){line.data, characters(line, SUBAGENT_TITLE)};
        return ERR_OK;
    }
    size_t room = SESSION_TITLE_MAX - (sizeof beginning - 1);
    size_t len = utf8_cut(what->label, room);
    char *title = arena_try(tx_arena(tx), sizeof beginning - 1 + len);
    if (title == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "subagents: title");
    }
    memcpy(title, beginning, sizeof beginning - 1);
    memcpy(title + sizeof beginning - 1, what->label.data, len);
    *ret_title = (struct bytes){title, sizeof beginning - 1 + len};
    return ERR_OK;
}

static struct err make_session(struct tx *tx, const struct subagent_new *what,
                               struct session_row *ret_session) {
    const struct session_row *parent = &what->seat->session;
    struct session_new session = {
        .session = what->session,
        .owner = parent->owner,
        .parent = parent->session,
        .project = parent->project,
        .model = what->model.len > 0 ? what->model : parent->model,
        .agent = what->agent.len > 0 ? what->agent : parent->agent,
        .root = parent->root,
        .instructions = parent->instructions,
        .settings = what->settings,
    };
    struct err err = title_of(tx, what, &session.title);
    if (!err_failed(err)) {
        err = tx_session_create(tx, &session, ret_session);
    }
    return err_failed(err) ? err : tx_roots_inherit(tx, parent->id, ret_session->id);
}

/* A budget of the session, so that it holds for what wakes the subagent later, too. */
static struct err limit_cost(struct tx *tx, const struct subagent_new *what,
                             const struct session_row *session) {
    char scope[ID_SIZE + sizeof "session:"];
    int len = snprintf(scope, sizeof scope, "session:%s", what->session.text);
    struct budget_set set = {
        .key = {.owner = session->owner, .scope = {scope, (size_t)len}},
        .limits = {.limits = amounts_unlimited()},
        .bounds = what->bounds,
    };
    set.limits.named[AMOUNT_COST] = true;
    set.limits.limits.of[AMOUNT_COST] = what->cost_micros;
    struct budget_row row;
    return tx_budget_set(tx, &set, &row);
}

struct err tx_subagent_spawn(struct tx *tx, const struct subagent_new *what,
                             struct subagent *ret_subagent, struct why *why) {
    struct session_row session;
    struct turn_accepted accepted;
    int64_t busy = 0;
    struct err err = check(tx, what, &busy, why);
    if (!err_failed(err)) {
        err = make_session(tx, what, &session);
    }
    if (!err_failed(err) && what->cost_micros >= 0) {
        err = limit_cost(tx, what, &session);
    }
    if (err_failed(err)) {
        return err;
    }
    const struct turn_message message = {
        .session = {.owner = session.owner, .session = session.session},
        .text = what->input,
        .model_default = what->seat->model,
        .policy = TURN_ENQUEUE,
        .notify = what->seat->session.session,
        .not_before_ms = busy >= SUBAGENTS_AT_ONCE ? tx_now_ms(tx) + WAIT_MS : 0,
        .run = what->run,
        .message = what->message,
        .answer = what->answer,
        .bounds = what->bounds,
    };
    err = tx_turn_submit(tx, &message, &accepted, why);
    if (!err_failed(err)) {
        *ret_subagent = (struct subagent){.run = accepted.run, .session = session.session};
    }
    return err;
}

/* --- Looked at -------------------------------------------------------------------------------- */

struct err tx_subagent_find(struct tx *tx, const struct turn_seat *seat, struct bytes run,
                            bool *ret_found, struct subagent *ret_subagent) {
    const struct run_key key = {.owner = seat->session.owner, .run = run};
    struct subagent subagent;
    struct session_row session;
    struct turn_row turn;
    bool found = false;
    struct err err = tx_run_find(tx, &key, &found, &subagent.run);
    if (!err_failed(err) && found) {
        found = turns__find(tx, subagent.run.id, &turn);
        err = tx_error(tx);
    }
    if (!err_failed(err) && found) {
        err = sessions__find_id(tx, turn.session, &found, &session);
    }
    if (err_failed(err)) {
        return err;
    }
    *ret_found = found && session.parent == seat->session.id;
    if (*ret_found) {
        subagent.session_id = session.id;
        subagent.session = session.session;
        subagent.usage = session.usage;
        *ret_subagent = subagent;
    }
    return ERR_OK;
}

struct err tx_subagent_fetch(struct tx *tx, const struct turn_seat *seat,
                             const struct subagent *subagent, struct bytes *ret_output) {
    const struct inbox_receiver parent = {
        .owner = seat->session.owner, .address = seat->session.session, .kind = RECEIVER_SESSION};
    struct err err = turns__said(tx, subagent->run.id, ret_output);
    return err_failed(err) ? err : tx_inbox_settle_fetched(tx, &parent, subagent->run.run);
}

static struct err call_off(struct tx *tx, struct bytes run, const struct run_bounds *bounds,
                           struct run_row *ret_row) {
    const struct run_stop stop = {.key = {.run = run},
                                  .cause = CAUSE_CALLED_OFF,
                                  .grace_ms = RUN_STOP_GRACE_MS,
                                  .bounds = *bounds};
    bool more = false; /* The rest of a large tree is asked by the ends of those that were. */
    return tx_run_stop(tx, &stop, &more, ret_row);
}

/* Subagents are no runs below another, but nobody wants what these still do. Two levels: more there
 * are not below one that was spawned. */
enum { BELOW_MAX = 200 };
static struct err list_below(struct tx *tx, int64_t session, struct bytes *runs,
                             size_t *ret_count) {
    static const char sql[] =
        "SELECT r.run FROM sessions s JOIN turns t ON t.session = s.id JOIN runs r ON r.id = t.run"
        " LEFT JOIN sessions p ON p.id = s.parent"
        " WHERE (s.parent = $1 OR p.parent = $1) AND r.ended_ms IS NULL ORDER BY r.id LIMIT 200";
    const struct arg args[] = {arg_int(session)};
    AUTO(rows_release) struct rows *rows = NULL;
    bool found = true;
    *ret_count = 0;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (!err_failed(err) && *ret_count < BELOW_MAX) {
        err = rows_next(rows, &found);
        if (err_failed(err) || !found) {
            break;
        }
        struct bytes run = rows_text(rows, 0);
        const char *copy = arena_try_copy(tx_arena(tx), run.data, run.len);
        if (copy == NULL) {
            return err_make(ERR_OUT_OF_MEMORY, "subagents: below");
        }
        runs[(*ret_count)++] = (struct bytes){copy, run.len};
    }
    return err;
}

struct err tx_subagent_cancel(struct tx *tx, const struct subagent *subagent,
                              const struct run_bounds *bounds, struct run_row *ret_row) {
    struct bytes below[BELOW_MAX];
    size_t count = 0;
    struct err err = call_off(tx, subagent->run.run, bounds, ret_row);
    if (err.code == ERR_CONFLICT) { /* It has ended, which is as well. */
        *ret_row = subagent->run;
        err = ERR_OK;
    }
    if (!err_failed(err)) {
        err = list_below(tx, subagent->session_id, below, &count);
    }
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        struct run_row row;
        err = call_off(tx, below[i], bounds, &row);
        err = err.code == ERR_CONFLICT ? ERR_OK : err;
    }
    return err;
}
