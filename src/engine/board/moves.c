/* moves.c: a client moves a task from one status to another. */
#include <string.h>

#include "engine/board/must.h"
#include "engine/board/rows.h"
#include "engine/run/runs.h"

/* --- Moves ------------------------------------------------------------------------------------ */

/* Refusals that name what is in the way, before the edge is looked at. */
static struct err claim_check(struct tx *tx, const struct task *task, const struct board_who *who,
                              struct why *why) {
    struct bytes name, status;
    struct board_slots slots;
    if (task_is_held(task->status)) {
        return err_why(why, ERR_TASK_HELD, "%.*s has %.*s; it is %s", (int)task->agent.len,
                       task->agent.data, (int)task->name.len, task->name.data,
                       task_status_names[task->status]);
    }
    if (who->name.len == 0 || (who->actor == BOARD_AGENT && who->run_alone)) {
        return err_why(
            why, ERR_NOT_YOUR_TASK,
            "a task is taken by an agent with a name, in a turn of a session, or with a token "
            "that has a label");
    }
    if (tx_number(tx, "SELECT count(*) FROM runs WHERE run = $1 AND ended_ms IS NOT NULL",
                  ARGS(arg_text(who->turn))) > 0) {
        return err_why(why, ERR_ATTEMPT_OVER,
                       "the turn that takes %.*s has ended, and an attempt ends with its turn",
                       (int)task->name.len, task->name.data);
    }
    /* Nothing would end the second one: the run is the attempt at the first. */
    if (who->task.len > 0 && !bytes_equal(who->task, task->task)) {
        return err_why(why, ERR_NOT_YOUR_TASK,
                       "an attempt at another task takes no second one: end that first");
    }
    if (task->assignee.len > 0 && who->actor != BOARD_PERSON &&
        !bytes_equal(task->assignee, who->name)) {
        return err_why(why, ERR_TASK_HELD, "%.*s is for the agent '%.*s'", (int)task->name.len,
                       task->name.data, (int)task->assignee.len, task->assignee.data);
    }
    if (task->status != TASK_PENDING) {
        return ERR_OK; /* The table says so. */
    }
    if (task->open_attempt) {
        return err_why(why, ERR_TASK_WAITS, "the last attempt at %.*s has not ended yet",
                       (int)task->name.len, task->name.data);
    }
    if (!tasks__needs_met(tx, task, &name, &status)) {
        return err_why(why, ERR_TASK_WAITS, "%.*s waits for %.*s, which is %.*s",
                       (int)task->name.len, task->name.data, (int)name.len, name.data,
                       (int)status.len, status.data);
    }
    if (task->not_before_ms > tx_now_ms(tx)) {
        return err_why(why, ERR_TASK_WAITS, "%.*s may not begin before %lld (ms since 1970)",
                       (int)task->name.len, task->name.data, (long long)task->not_before_ms);
    }
    if (tasks__lane_taken(tx, task, &name)) {
        return err_why(why, ERR_TASK_WAITS, "%.*s of the same lane is being worked on",
                       (int)name.len, name.data);
    }
    if (!board__slot_free(tx, task, who->name, &slots)) {
        return err_why(why, ERR_TASK_WAITS, "%.*s has %lld of %lld tasks already",
                       (int)who->name.len, who->name.data, (long long)slots.used,
                       (long long)slots.all);
    }
    return tx_error(tx);
}

static struct err words_check(enum board_words words, const struct task_move *move,
                              struct why *why) {
    if (words == BOARD_DETAIL && move->detail.len == 0) {
        return err_why(why, ERR_MISSING_FIELD, "\"detail\": say why it failed");
    }
    if (words == BOARD_QUESTION && move->question.len == 0) {
        return err_why(why, ERR_MISSING_FIELD, "\"question\": say what a person is to answer");
    }
    if (words == BOARD_REASONS && move->reasons.len <= 2) {
        return err_why(why, ERR_MISSING_FIELD, "\"reasons\": say what is to be done better");
    }
    return ERR_OK;
}

/* Columns that change along with the status. */
static void move_apply(struct tx *tx, const struct task_move *move, const struct board_who *who,
                       struct task *io_task) {
    const enum task_status from = io_task->status;
    const bool by_hand = io_task->run.len == 0;
    const bool reopened = move->to == TASK_PENDING && from != TASK_REVIEW;
    if (move->to == TASK_CLAIMED) {
        const struct attempt_new attempt = {
            .attempt = tx_copy(tx, bytes_of(move->attempt.text)),
            .agent = who->name,
            .by_hand = true,
            .run = who->turn,
            .session =
                tx_text(tx, "SELECT session FROM runs WHERE run = $1", ARGS(arg_text(who->turn)))};
        attempts__open(tx, io_task, &attempt);
    } else if (from == TASK_REVIEW && (move->to == TASK_DONE || move->to == TASK_PENDING)) {
        const struct review_made made = {.review = bytes_of(move->review.text),
                                         .reviewer = who->name,
                                         .reasons =
                                             move->reasons.len > 0 ? move->reasons : BYTES("[]"),
                                         .accept = move->to == TASK_DONE};
        reviews__add(tx, io_task, &made);
    } else if (reopened) {
        io_task->retry_count = 0;
        io_task->attempts = 0;
        io_task->rejections = 0; /* Else no reviewer would judge what the answer changed. */
        memset(io_task->counters, 0, sizeof io_task->counters);
        io_task->prints = BYTES("");
        io_task->answer = move->answer;
        if (io_task->plan_state == TASK_PLAN_WAITING) { /* An answer is no approval. */
            io_task->plan_state = TASK_PLAN_MISSING;
        }
        io_task->not_before_ms = 0;
    } else if (move->to == TASK_BLOCKED) {
        io_task->question = move->question;
        io_task->answer = BYTES("");
    }
    if (move->detail.len > 0) {
        io_task->detail = move->detail;
    }
    if (task_is_held(from) && !task_is_held(move->to) &&
        by_hand) { /* A run that took it by hand goes on. */
        attempts__let_go(tx, io_task, move->to, move->detail);
    }
}

/* The run may have ended meanwhile, or been asked by somebody else. */
static struct err attempt_stop(struct tx *tx, const struct task_move *move, const struct task *task,
                               bool *ret_more) {
    const struct run_stop stop = {.key = {task->owner, task->run},
                                  .cause = CAUSE_STOPPED,
                                  .grace_ms = RUN_STOP_GRACE_MS,
                                  .bounds = move->bounds};
    struct run_row ignored;
    *ret_more = false;
    if (!task->open_attempt || task->run.len == 0) {
        return ERR_OK;
    }
    const struct err err = tx_run_stop(tx, &stop, ret_more, &ignored);
    return err.code == ERR_CONFLICT || err.code == ERR_NOT_FOUND ? ERR_OK : err;
}

struct err tx_task_stop_more(struct tx *tx, const struct task_move *move, struct task *ret_task,
                             bool *ret_more) {
    struct why ignored = {""};
    const struct err err = tx_task_find(tx, &move->key, &move->client, ret_task, &ignored);
    return err_failed(err) ? err : attempt_stop(tx, move, ret_task, ret_more);
}

/* Finds the task, and who moves it. A person who works has the rights of a person, too. */
static struct err mover_find(struct tx *tx, const struct task_move *move, struct task *ret_task,
                             struct board_who *ret_who, struct why *why) {
    TRY(tx_task_find(tx, &move->key, &move->client, ret_task, why));
    TRY(tx_board_who(tx, &move->key, &move->client, ret_task, ret_who, why));
    return ret_who->over && bytes_equal(ret_who->task, ret_task->task)
               ? err_why(why, ERR_ATTEMPT_OVER,
                         "this attempt at %.*s has ended; what it says moves nothing any more",
                         (int)ret_task->name.len, ret_task->name.data)
               : ERR_OK;
}

/* A first call that ends the work says that it was begun. */
static bool begins_work(const struct board_who *who, const struct task *task, enum task_status to) {
    const bool ends = to == TASK_REVIEW || to == TASK_FAILED || to == TASK_BLOCKED;
    return task->status == TASK_CLAIMED && who->actor == BOARD_HOLDER && ends;
}

static void begin_work(struct tx *tx, const struct board_who *who, enum task_status to,
                       struct task *io_task) {
    if (begins_work(who, io_task, to)) {
        const struct task_entered entered = {
            .to = TASK_WORKING, .by = who->name, .words = BYTES("")};
        tasks__enter(tx, io_task, &entered);
    }
}

static struct err move_check(struct tx *tx, const struct task_move *move,
                             const struct board_who *who, const struct task *task,
                             enum board_actor *ret_actor, struct why *why) {
    const bool begins = begins_work(who, task, move->to);
    struct board_move edge = {begins ? TASK_WORKING : task->status, move->to, who->actor,
                              move->judges};
    enum board_words words = BOARD_NO_WORDS;
    struct err err = move->to == TASK_CLAIMED ? claim_check(tx, task, who, why) : ERR_OK;
    if (who->actor == BOARD_HOLDER && move->client.person && !board_move_fits(&edge)) {
        edge.actor = BOARD_PERSON;
    }
    *ret_actor = edge.actor;
    err = err_failed(err) ? err : board_move_check(&edge, &words, why);
    err = err_failed(err) ? err : words_check(words, move, why);
    if (!err_failed(err) && move->to == TASK_REVIEW && !task_plan_allows(task->plan_state)) {
        return err_why(why, ERR_PLAN_MISSING,
                       "the plan of %.*s is not approved: write a plan as an output of type "
                       "document and end; a person approves it before the work",
                       (int)task->name.len, task->name.data);
    }
    return err_failed(err) || move->to != TASK_REVIEW ? err : tasks__output_check(tx, task, why);
}

/* The same status twice by the same attempt. */
static bool is_repeated(const struct task_move *move, const struct board_who *who,
                        const struct task *task) {
    return !move->judges && task->status == move->to && who->actor == BOARD_HOLDER;
}

struct err tasks__move_look(struct tx *tx, const struct task_move *move, struct task *ret_task,
                            struct board_who *ret_who, struct why *why) {
    enum board_actor actor;
    const struct err err = mover_find(tx, move, ret_task, ret_who, why);
    return err_failed(err) || is_repeated(move, ret_who, ret_task)
               ? err
               : move_check(tx, move, ret_who, ret_task, &actor, why);
}

/* --- Plans ------------------------------------------------------------------------------------ */

/* Also one that is no longer required, so that its task goes on. */
static bool judges_plan(const struct task_move *move, const struct task *task) {
    return move->judges && task->status == TASK_BLOCKED && task->reason == BOARD_BECAUSE_PLAN;
}

/* Refuses a verdict that comes late. Where another one on the same attempt stands, that is named:
 * of two judges at once, the second one must see that he changed nothing. */
static struct err verdict_refuse(struct tx *tx, const struct task_move *move,
                                 const struct task *task, struct why *why) {
    const struct bytes judged = move->judged.len > 0 ? move->judged : task->attempt;
    AUTO(text_done) struct text words = text_up_to(sizeof why->text);
    struct task_review first;
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, &task_review_resource,
                                         "task = $1 AND attempt = $2 ORDER BY id DESC LIMIT 1",
                                         ARGS(arg_text(task->task), arg_text(judged)));
    if (rows_step(rows) && resource_row_read(&task_review_resource, rows, &first)) {
        if (move->verdict != NULL) {
            text_clear(move->verdict);
            fields_write(&task_review_resource.fields, FIELD_LISTED, &first, move->verdict);
        }
        text_addf(&words, "'%.*s' has %s this attempt already: ", (int)first.reviewer.len,
                  first.reviewer.data, first.accept ? "accepted" : "rejected");
    }
    text_addf(&words, "%.*s ", (int)task->name.len, task->name.data);
    if (task->attempt.len > 0 && !bytes_equal(judged, task->attempt)) {
        text_addf(&words, "has another attempt by now, %.*s: look at it, then judge that",
                  (int)task->attempt.len, task->attempt.data);
    } else {
        text_addf(&words,
                  "is %s, and a verdict is given while it is in review, or blocked by its "
                  "plan",
                  task_status_names[task->status]);
    }
    return err_failed(tx_error(tx)) || text_failed(&words)
               ? tx_error(tx)
               : err_why(why, ERR_CONFLICT, "%.*s", (int)words.len, text_bytes(&words).data);
}

/* A verdict is about the attempt and the status that its judge saw. An agent's is refused for its
 * actor. */
static struct err verdict_check(struct tx *tx, const struct task_move *move,
                                const struct task *task, struct why *why) {
    const bool stands = (task->status == TASK_REVIEW || judges_plan(move, task)) &&
                        (move->judged.len == 0 || bytes_equal(move->judged, task->attempt)) &&
                        (move->judged_status.len == 0 ||
                         bytes_is(move->judged_status, task_status_names[task->status]));
    return !move->judges || !move->client.person || stands ? ERR_OK
                                                           : verdict_refuse(tx, move, task, why);
}

/* Only a person approves a plan or rejects it: the project's reviewer judges results alone. Both
 * are rows of reviews, which count as no rejection of a result. */
static struct err plan_judge(struct tx *tx, const struct task_move *move,
                             const struct board_who *who, struct task *io_task, struct why *why) {
    const bool accept = move->to == TASK_DONE;
    if (!move->client.person) {
        return err_why(why, ERR_TASK_EDGE,
                       "the plan of %.*s is approved or rejected by a person alone: a client with "
                       "the scope approve, outside of any run",
                       (int)io_task->name.len, io_task->name.data);
    }
    TRY(accept ? ERR_OK : words_check(BOARD_REASONS, move, why));
    struct task_review row = {.review = bytes_of(move->review.text),
                              .owner = io_task->owner,
                              .project = io_task->project,
                              .task = io_task->task,
                              .attempt = io_task->attempt,
                              .reviewer = who->name,
                              .accept = accept,
                              .reasons = move->reasons.len > 0 ? move->reasons : BYTES("[]")};
    tx_fail(tx, tx_resource_insert(tx, &task_review_resource, &row));
    io_task->plan_state = io_task->plan_state == TASK_PLAN_NONE ? TASK_PLAN_NONE
                          : accept                              ? TASK_PLAN_APPROVED
                                                                : TASK_PLAN_MISSING;
    io_task->question = io_task->answer = BYTES("");
    io_task->retry_count = 0;
    io_task->not_before_ms = 0;
    const struct task_happened happened = {.type = accept ? "plan_approved" : "plan_rejected",
                                           .agent = who->name,
                                           .detail = BYTES("{}")};
    tasks__tell(tx, io_task, &happened);
    const struct task_entered entered = {
        .to = TASK_PENDING, .by = who->name, .words = move->reasons};
    tasks__enter(tx, io_task, &entered);
    return tx_error(tx);
}

/* --- A move ----------------------------------------------------------------------------------- */

static void move_write(struct tx *tx, const struct task_move *move, const struct board_who *who,
                       struct task *io_task) {
    begin_work(tx, who, move->to, io_task);
    move_apply(tx, move, who, io_task);
    const struct task_entered entered = {.to = move->to,
                                         .reason = BOARD_BECAUSE_NONE,
                                         .by = who->name,
                                         .words = move->detail.len > 0     ? move->detail
                                                  : move->question.len > 0 ? move->question
                                                  : move->answer.len > 0   ? move->answer
                                                                           : move->reasons};
    tasks__enter(tx, io_task, &entered);
}

/* The check that was awaited has moved the task in its own commit. */
static bool is_moved(const struct task_move *move, const struct task *task) {
    return move->checked != NULL && move->checked->moved &&
           bytes_equal(move->checked->attempt, task->attempt);
}

/* A move that waits for the disk, or for commands. */
static bool is_checked(const struct task_move *move, const struct task *task) {
    return move->checking != NULL && move->checked == NULL &&
           ((move->to == TASK_REVIEW && must_has(task->must_haves, MUST_OUTSIDE)) ||
            (move->to == TASK_CLAIMED && must_has(task->must_haves, MUST_OF_UNCHANGED)));
}

/* As mover_find. An attempt that has ended by the check that it waited for hears of that, and a
 * claim that is sent again waits for the check of the first one. */
static struct err move_find(struct tx *tx, const struct task_move *move, struct task *ret_task,
                            struct board_who *ret_who, struct why *why) {
    if (move->checking != NULL) {
        move->checking->attempt = id_copy(BYTES(""));
    }
    const struct err err = mover_find(tx, move, ret_task, ret_who, why);
    if (err.code == ERR_ATTEMPT_OVER && is_moved(move, ret_task)) {
        why->text[0] = '\0';
        return ERR_OK;
    }
    if (!err_failed(err) && is_repeated(move, ret_who, ret_task) && is_checked(move, ret_task)) {
        checks__join(tx, move, ret_task);
    }
    return err_failed(err) ? err : tx_error(tx);
}

struct err tx_task_move(struct tx *tx, const struct task_move *move, struct task *ret_task,
                        bool *ret_more, struct why *why) {
    struct board_who who;
    enum board_actor actor;
    *ret_more = false;
    struct err err = move_find(tx, move, ret_task, &who, why);
    if (err_failed(err) || is_moved(move, ret_task) || is_repeated(move, &who, ret_task)) {
        return err;
    }
    TRY(verdict_check(tx, move, ret_task, why));
    if (judges_plan(move, ret_task)) {
        return plan_judge(tx, move, &who, ret_task, why);
    }
    err = move_check(tx, move, &who, ret_task, &actor, why);
    if (!err_failed(err) && move->to == TASK_REVIEW && is_checked(move, ret_task)) {
        begin_work(tx, &who, move->to, ret_task);
        return checks__open(tx, move, who.name, ret_task, why);
    }
    if (!err_failed(err) && move->to == TASK_REVIEW) {
        err = tasks__must_check(tx, ret_task, move, why);
    }
    if (err_failed(err)) {
        return err;
    }
    move_write(tx, move, &who, ret_task);
    if (is_checked(move, ret_task)) {
        tx_fail(tx, checks__open(tx, move, who.name, ret_task, why));
    }
    const bool stops =
        move->to == TASK_CANCELLED || (move->to == TASK_BLOCKED && actor == BOARD_PERSON);
    return err_failed(tx_error(tx)) || !stops ? tx_error(tx)
                                              : attempt_stop(tx, move, ret_task, ret_more);
}
