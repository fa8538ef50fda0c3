/* checks.c: the checks of must-haves, in the rows of their attempts; see must.h.
 *
 * The column `checks` is a JSON object:
 *
 *   {"number": N, "to": "review" | "claimed", "by": AGENT, "detail": WORDS, "must_haves": LIST,
 *    "looked": true once the disk has answered, "next": index of the next must-have,
 *    "late": true where the command at hand is stopped, since it did not begin,
 *    "ran": RUN of the command that has ended last, "end": "" | "met" | "unmet" | "changed",
 *    "found": [SENTENCE | {"at": index, "run", "attempt", "state", "cause", "exit_code",
 *              "timeout_s", "late"}]}
 *
 * The list is that of the task when the check began, as a text: a check finds nothing about another
 * one. The end of a command is kept without its output, which a file has: no commit waits for it.
 */
#include "base/json/json.h"
#include "engine/board/must.h"
#include "engine/board/rows.h"
#include "rules/agent/definition.h"

enum { CHECKS_MAX = MUST_UNMET_MAX + 2 * TASK_LISTS_MAX + TASK_TEXT_MAX * 8 };

struct check {
    struct task_attempt attempt;
    struct task task;
    json_t *json;       /* Owned: the column. */
    json_t *must_haves; /* Owned. */
    bool open;          /* Under way, and its attempt works on the task. */
};

static void check_done(struct check *check) {
    json_release(&check->json);
    json_release(&check->must_haves);
}

static json_t *json_of(struct bytes text) {
    json_t *json = NULL;
    return err_failed(json_parse_wrapped(text, &json, NULL)) ? NULL : json;
}

/* Without a row there is no check. */
static void check_load(struct tx *tx, struct bytes attempt, struct check *ret_check) {
    const struct bytes owner =
        tx_text(tx, "SELECT owner FROM task_attempts WHERE attempt = $1", ARGS(arg_text(attempt)));
    *ret_check = (struct check){.json = NULL};
    if (owner.len == 0 || !attempts__load(tx, owner, attempt, &ret_check->attempt) ||
        !tasks__load(tx, owner, ret_check->attempt.task, &ret_check->task)) {
        return;
    }
    ret_check->json = json_of(ret_check->attempt.checks);
    ret_check->must_haves = json_of(json_bytes(ret_check->json, "must_haves"));
    ret_check->open = ret_check->json != NULL && ret_check->attempt.checking_ms != 0 &&
                      ret_check->attempt.ended_ms == 0 &&
                      bytes_equal(ret_check->task.attempt, attempt);
}

static void set_text(struct check *check, const char *name, struct bytes text) {
    (void)json_object_set_new(check->json, name, json_stringn(text.data, text.len));
}

static void set_number(struct check *check, const char *name, int64_t number) {
    (void)json_object_set_new(check->json, name, json_integer(number));
}

/* The row, and the note by which it goes on. */
static void check_write(struct tx *tx, struct check *check) {
    AUTO(text_done) struct text text = text_up_to(CHECKS_MAX);
    tx_fail(tx, json_write(check->json, &text));
    check->attempt.checks = tx_copy_text(tx, &text, "board: check");
    tx_fail(tx, tx_resource_update(tx, &task_attempt_resource, FIELD_SET, &check->attempt));
    tx_fail(tx, tx_note(tx, BOARD_NOTE, check->attempt.attempt));
}

static enum task_status to_of(const struct check *check) {
    return bytes_is(json_bytes(check->json, "to"), task_status_names[TASK_REVIEW]) ? TASK_REVIEW
                                                                                   : TASK_CLAIMED;
}

/* Index of the first command from `at` on; the number of must-haves: there is none. */
static size_t command_find(const struct check *check, size_t at) {
    const size_t count = json_array_size(check->must_haves);
    while (at < count && must_read(json_array_get(check->must_haves, at)).kind != MUST_COMMAND) {
        at++;
    }
    return at;
}

/* --- The end ---------------------------------------------------------------------------------- */

/* `list`: JSON strings with commas between them. */
static void found_add(struct tx *tx, struct check *check, struct bytes list) {
    AUTO(text_done) struct text text = text_up_to(MUST_UNMET_MAX + 2);
    AUTO(json_release) json_t *sentences = NULL;
    text_add_char(&text, '[');
    text_add(&text, list.data, list.len);
    text_add_char(&text, ']');
    tx_fail(tx, json_parse_wrapped(text_bytes(&text), &sentences, NULL));
    if (json_array_extend(json_object_get(check->json, "found"), sentences) != 0) {
        tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "board: findings"));
    }
}

static bool is_changed(const struct check *check) {
    return to_of(check) == TASK_REVIEW &&
           (check->task.status != TASK_WORKING || !task_plan_allows(check->task.plan_state) ||
            !bytes_equal(check->task.must_haves, json_bytes(check->json, "must_haves")));
}

/* Everything was looked at but what rows answer for. */
static void check_decide(struct tx *tx, struct check *check) {
    AUTO(text_done) struct text unmet = text_up_to(MUST_UNMET_MAX);
    const bool changed = is_changed(check), reviews = to_of(check) == TASK_REVIEW;
    if (reviews && !changed) {
        tasks__rows_check(tx, &check->task, check->must_haves, &unmet);
        found_add(tx, check, text_bytes(&unmet));
    }
    const bool met = !changed && !text_failed(&unmet) &&
                     json_array_size(json_object_get(check->json, "found")) == 0;
    set_text(check, "end", changed ? BYTES("changed") : met ? BYTES("met") : BYTES("unmet"));
    check->attempt.checking_ms = 0;
    check_write(tx, check);
    if (met && reviews && !err_failed(tx_error(tx))) {
        tasks__passed(tx, tx_copy(tx, json_bytes(check->json, "by")),
                      tx_copy(tx, json_bytes(check->json, "detail")), &check->task);
    }
}

/* The next command is to begin, or there is none. */
static void check_advance(struct tx *tx, struct check *check, size_t at) {
    const size_t next = to_of(check) == TASK_REVIEW ? command_find(check, at) : at;
    set_number(check, "next", (int64_t)next);
    check->attempt.check_run = BYTES("");
    if (to_of(check) == TASK_REVIEW && next < json_array_size(check->must_haves)) {
        check_write(tx, check);
    } else {
        check_decide(tx, check);
    }
}

/* --- Begun and dropped ------------------------------------------------------------------------ */

static void move_name(const struct task_move *move, const struct check *check) {
    *move->checking = (struct task_checking){.attempt = id_copy(check->attempt.attempt),
                                             .number = json_int(check->json, "number", 0)};
}

static bool is_same(const struct check *check, const struct task_move *move) {
    return check->open && to_of(check) == move->to &&
           bytes_equal(json_bytes(check->json, "must_haves"), check->task.must_haves);
}

struct err checks__open(struct tx *tx, const struct task_move *move, struct bytes by,
                        const struct task *task, struct why *why) {
    AUTO(check_done) struct check check;
    check_load(tx, task->attempt, &check);
    TRY(tx_error(tx));
    if (is_same(&check, move)) {
        move_name(move, &check);
        return ERR_OK;
    }
    if (check.open && to_of(&check) == TASK_CLAIMED) {
        return err_why(why, ERR_CONFLICT,
                       "the files of %.*s are still being read for its claim: move it again",
                       (int)task->name.len, task->name.data);
    }
    const int64_t number = 1 + json_int(check.json, "number", 0);
    json_release(&check.json);
    check.json = json_object();
    set_number(&check, "number", number);
    set_text(&check, "to", bytes_of(task_status_names[move->to]));
    set_text(&check, "by", by);
    set_text(&check, "detail", move->detail);
    set_text(&check, "must_haves", task->must_haves);
    (void)json_object_set_new(check.json, "found", json_array());
    check.attempt.checking_ms = tx_now_ms(tx);
    check.attempt.check_run = BYTES("");
    check_write(tx, &check);
    move_name(move, &check);
    return tx_error(tx);
}

void checks__join(struct tx *tx, const struct task_move *move, const struct task *task) {
    AUTO(check_done) struct check check;
    check_load(tx, task->attempt, &check);
    if (is_same(&check, move)) {
        move_name(move, &check);
    }
}

/* --- Read ------------------------------------------------------------------------------------- */

/* The folder, and what confines a command: for the phases that go there. */
static void places_find(struct tx *tx, const struct task *task, struct check_order *io_order) {
    const struct session_key key = {task->owner, task->session};
    struct session_row session;
    bool found = false;
    if (task->session.len > 0) {
        tx_fail(tx, tx_session_find(tx, &key, &found, &session));
    }
    io_order->path = found ? session.path : BYTES("");
    io_order->confined = found && agent_json_by_port(session.program);
    io_order->sandbox = found && (session.program.len == 0 || io_order->confined);
    io_order->root = found && session.root.len > 0
                         ? session.root
                         : tx_text(tx, "SELECT root FROM projects WHERE owner = $1 AND name = $2",
                                   ARGS(arg_text(task->owner), arg_text(task->project)));
}

static int64_t timeout_find(struct tx *tx, const struct task *task) {
    AUTO(json_release) json_t *board = NULL;
    const struct bytes settings =
        tx_text(tx, "SELECT board FROM projects WHERE owner = $1 AND name = $2",
                ARGS(arg_text(task->owner), arg_text(task->project)));
    return err_failed(json_parse_wrapped(settings, &board, NULL))
               ? MUST_TIMEOUT_S
               : json_int(board, "check_timeout_s", MUST_TIMEOUT_S);
}

static struct bytes found_write(struct tx *tx, const struct check *check) {
    AUTO(text_done) struct text text = text_up_to(CHECKS_MAX);
    const json_t *found = json_object_get(check->json, "found");
    tx_fail(tx, found == NULL ? ERR_OK : json_write(found, &text));
    return tx_copy_text(tx, &text, "board: findings");
}

static void order_fill(struct tx *tx, const struct check *check, struct check_order *ret_order) {
    const struct task *task = &check->task;
    const struct bytes end = json_bytes(check->json, "end");
    const struct must next =
        must_read(json_array_get(check->must_haves, (size_t)json_int(check->json, "next", 0)));
    const bool looked = json_is_true(json_object_get(check->json, "looked"));
    const struct bytes command = check->attempt.check_run;
    *ret_order = (struct check_order){
        .phase = !check->open      ? CHECK_OVER
                 : !looked         ? CHECK_LOOK
                 : command.len > 0 ? CHECK_RUN
                                   : CHECK_BEGIN,
        .number = json_int(check->json, "number", 0),
        .to = to_of(check),
        .end = bytes_is(end, "met")     ? CHECK_MET
               : bytes_is(end, "unmet") ? CHECK_UNMET
                                        : CHECK_DROPPED,
        .owner = task->owner,
        .must_haves = tx_copy(tx, json_bytes(check->json, "must_haves")),
        .prints = task->prints,
        .project = task->project,
        .run = check->attempt.run,
        .line = next.kind == MUST_COMMAND ? tx_copy(tx, next.value) : BYTES(""),
        .command = command,
        .ran = tx_copy(tx, json_bytes(check->json, "ran")),
        .found = found_write(tx, check),
        .root = BYTES(""),
        .path = BYTES(""),
        .queued = tx_number(tx, "SELECT count(*) FROM runs WHERE run = $1 AND state = 'queued'",
                            ARGS(arg_text(command))) > 0};
}

struct err tx_check_find(struct tx *tx, struct bytes attempt, struct check_order *ret_order) {
    AUTO(check_done) struct check check;
    check_load(tx, attempt, &check);
    *ret_order = (struct check_order){.phase = CHECK_OVER,
                                      .owner = BYTES(""),
                                      .must_haves = BYTES(""),
                                      .prints = BYTES(""),
                                      .root = BYTES(""),
                                      .path = BYTES(""),
                                      .project = BYTES(""),
                                      .run = BYTES(""),
                                      .line = BYTES(""),
                                      .command = BYTES(""),
                                      .ran = BYTES(""),
                                      .found = BYTES("")};
    if (check.json != NULL && !err_failed(tx_error(tx))) {
        order_fill(tx, &check, ret_order);
        if (ret_order->phase == CHECK_LOOK || ret_order->phase == CHECK_BEGIN) {
            places_find(tx, &check.task, ret_order);
        }
    }
    return tx_error(tx);
}

void check_found_read(const json_t *item, const json_t *must_haves, struct check_found *ret_found) {
    *ret_found = (struct check_found){.sentence = json_text(item)};
    if (json_is_object(item)) {
        struct must_end *end = &ret_found->end;
        ret_found->must = must_read(json_array_get(must_haves, (size_t)json_int(item, "at", 0)));
        ret_found->run = json_bytes(item, "run");
        ret_found->run_attempt = json_int(item, "attempt", 1);
        if (!run_state_find(json_bytes(item, "state"), &end->state) ||
            !run_cause_find(json_bytes(item, "cause"), &end->cause)) {
            end->state = RUN_FAILED; /* The row was damaged. */
        }
        end->exit_code = json_int(item, "exit_code", -1);
        end->timeout_s = json_int(item, "timeout_s", MUST_TIMEOUT_S);
        end->unbegun = json_is_true(json_object_get(item, "late"));
    }
}

/* --- Steps ------------------------------------------------------------------------------------ */

/* False: the step is of another check, or phase. */
static bool step_load(struct tx *tx, const struct check_step *step, enum check_phase phase,
                      struct check *ret_check, struct check_order *ret_order) {
    check_load(tx, step->attempt, ret_check);
    if (!ret_check->open || err_failed(tx_error(tx))) {
        return false;
    }
    order_fill(tx, ret_check, ret_order);
    return ret_order->phase == phase && ret_order->number == step->number;
}

struct err tx_check_looked(struct tx *tx, const struct check_step *step) {
    AUTO(check_done) struct check check;
    struct check_order order;
    if (!step_load(tx, step, CHECK_LOOK, &check, &order)) {
        return tx_error(tx);
    }
    (void)json_object_set_new(check.json, "looked", json_true());
    if (order.to == TASK_CLAIMED) {
        check.task.prints = tx_copy(tx, step->prints);
        tasks__write(tx, &check.task);
    } else {
        found_add(tx, &check, step->unmet);
    }
    check_advance(tx, &check, 0);
    return tx_error(tx);
}

struct err tx_check_begin(struct tx *tx, const struct check_step *step) {
    AUTO(check_done) struct check check;
    AUTO(text_done) struct text unmet = text_up_to(MUST_UNMET_MAX);
    struct check_order order;
    if (!step_load(tx, step, CHECK_BEGIN, &check, &order)) {
        return tx_error(tx);
    }
    if (step->lack != NULL) {
        const struct must must = {MUST_COMMAND, order.line};
        must_unmet_add(&unmet, &must, step->lack);
        found_add(tx, &check, text_bytes(&unmet));
        check_advance(tx, &check, (size_t)json_int(check.json, "next", 0) + 1);
        return tx_error(tx);
    }
    places_find(tx, &check.task, &order);
    order.timeout_s = timeout_find(tx, &check.task);
    check.attempt.check_run = tx_copy(tx, bytes_of(step->run.text));
    check_write(tx, &check);
    const struct must_command command = {
        .run = step->run, .order = &order, .sandbox = step->sandbox, .bounds = step->bounds};
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_must_run(tx, &command);
}

struct err tx_check_late(struct tx *tx, const struct check_step *step) {
    AUTO(check_done) struct check check;
    struct check_order order;
    if (!step_load(tx, step, CHECK_RUN, &check, &order) || !order.queued) {
        return tx_error(tx);
    }
    (void)json_object_set_new(check.json, "late", json_true());
    check_write(tx, &check);
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_must_stop(tx, order.command, &step->bounds);
}

struct err board__command_ended(struct tx *tx, const struct run_row *run) {
    AUTO(check_done) struct check check = {.json = NULL};
    if (!bytes_is(run->key, MUST_KEY)) { /* Each job ends here. */
        return ERR_OK;
    }
    const struct bytes attempt =
        tx_text(tx, "SELECT attempt FROM task_attempts WHERE check_run = $1 AND check_run <> ''",
                ARGS(arg_text(run->run)));
    if (attempt.len > 0) {
        check_load(tx, attempt, &check);
    }
    if (!check.open || err_failed(tx_error(tx))) {
        return tx_error(tx);
    }
    const size_t at = (size_t)json_int(check.json, "next", 0);
    if (run->state != RUN_SUCCEEDED) {
        json_t *end = json_object();
        (void)json_object_set_new(end, "at", json_integer((json_int_t)at));
        (void)json_object_set_new(end, "run", json_stringn(run->run.data, run->run.len));
        (void)json_object_set_new(end, "attempt", json_integer(run->attempt));
        (void)json_object_set_new(end, "state", json_string(run_state_name(run->state)));
        (void)json_object_set_new(end, "cause", json_string(run_cause_name(run->cause)));
        (void)json_object_set_new(end, "exit_code", json_integer(run->exit_code));
        (void)json_object_set_new(end, "timeout_s", json_integer(timeout_find(tx, &check.task)));
        (void)json_object_set_new(end, "late",
                                  json_boolean(json_is_true(json_object_get(check.json, "late"))));
        if (json_array_append_new(json_object_get(check.json, "found"), end) != 0) {
            tx_fail(tx, err_make(ERR_OUT_OF_MEMORY, "board: findings"));
        }
    }
    (void)json_object_del(check.json, "late");
    set_text(&check, "ran", run->run);
    check_advance(tx, &check, at + 1);
    return tx_error(tx);
}
