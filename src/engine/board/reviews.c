/* reviews.c: results that an agent judges, in a session of its own: never the one that wrote them.
 *
 * Its answer has a schema, so that it is a verdict or no answer at all. Where there is none, and
 * after BOARD_REJECTIONS_MAX rejections, a person judges. While its provider refuses, it waits. */
#include "base/hash.h"
#include "base/json/json.h"
#include "engine/board/rows.h"
#include "engine/board/start.h"
#include "engine/turn/rows.h"

enum { REVIEW_PROMPT_MAX = TURN_TEXT_MAX };

static const char verdict_schema[] =
    "{\"type\":\"object\",\"required\":[\"accept\",\"reasons\"],\"properties\":{\"accept\":{"
    "\"type\":\"boolean\"},\"reasons\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},"
    "\"maxItems\":50}}}";

static struct bytes review_prompt(struct tx *tx, const struct task *task, struct bytes reviewer,
                                  enum board_reach reach) {
    AUTO(text_done) struct text prompt = text_up_to(REVIEW_PROMPT_MAX);
    const struct prompt_ask ask = {.which = BOARD_PROMPT_REVIEW,
                                   .task = task,
                                   .agent = reviewer,
                                   .reach = reach,
                                   .setting = "review"};
    prompts__write(tx, &ask, &prompt);
    return tx_copy_text(tx, &prompt, "board: review");
}

static void review_told(struct tx *tx, const struct task *task, const char *type,
                        struct bytes reviewer, struct bytes words) {
    AUTO(text_done) struct text detail = text_up_to(8 << 10);
    text_add_char(&detail, '{');
    text_add_member(&detail, "run", task->review_run);
    if (words.len > 0) {
        text_add_member(&detail, "why", words);
    }
    text_add_char(&detail, '}');
    const struct task_happened happened = {
        .type = type, .agent = reviewer, .detail = text_bytes(&detail)};
    tasks__tell(tx, task, &happened);
}

static struct err on_review_session(struct tx *tx, const void *ctx,
                                    const struct session_row *session,
                                    struct turn_message *io_message) {
    struct task task = *(const struct task *)ctx;
    io_message->text = review_prompt(tx, &task, session->agent, prompts__reach(session->program));
    task.reviewer = session->agent;
    task.review_run = bytes_of(io_message->run.text);
    tasks__write(tx, &task);
    review_told(tx, &task, "review_began", session->agent, BYTES(""));
    return tx_error(tx);
}

struct err tx_review_start(struct tx *tx, const struct attempt_start *start, struct why *why) {
    struct task task;
    struct talk_new talk = start->talk;
    const struct bytes owner =
        tx_text(tx, "SELECT owner FROM tasks WHERE task = $1", ARGS(arg_text(start->task)));
    if (!tasks__load(tx, owner, start->task, &task) || task.status != TASK_REVIEW ||
        task.review_run.len > 0) {
        return tx_error(tx); /* A person was faster. */
    }
    talk.message.schema = BYTES(verdict_schema);
    talk.on_session = on_review_session;
    talk.ctx = &task;
    return attempts__talk(tx, &talk, &task, "Review of ", why);
}

struct err tx_review_unstarted(struct tx *tx, struct bytes id, struct bytes reviewer,
                               struct bytes note) {
    struct task task;
    const struct bytes owner =
        tx_text(tx, "SELECT owner FROM tasks WHERE task = $1", ARGS(arg_text(id)));
    if (tasks__load(tx, owner, id, &task) && task.status == TASK_REVIEW &&
        task.review_run.len == 0) {
        task.reviewer = reviewer;
        task.review_run = BYTES("none"); /* A person judges. */
        tasks__write(tx, &task);
        review_told(tx, &task, "review_failed", reviewer, note);
    }
    return tx_error(tx);
}

/* The verdict of an answer; false: it has none. */
static bool verdict_read(struct bytes said, json_t **ret_json) {
    return said.len > 0 && !err_failed(json_parse_wrapped(said, ret_json, NULL)) &&
           json_is_boolean(json_object_get(*ret_json, "accept"));
}

static struct id review_id(struct tx *tx, struct bytes run) {
    const struct sha256 hash = sha256_of(run.data, run.len);
    return id_make("rev", tx_now_ms(tx), hash.bytes);
}

static void verdict_apply(struct tx *tx, struct task *task, const json_t *verdict) {
    AUTO(text_done) struct text reasons = text_up_to(TASK_LISTS_MAX);
    struct why ignored = {""};
    const json_t *list = json_object_get(verdict, "reasons");
    const bool accept = json_is_true(json_object_get(verdict, "accept"));
    if (json_array_size(list) == 0 || err_failed(task_reasons_write(list, &reasons, &ignored))) {
        text_clear(&reasons);
        text_add_str(&reasons, accept ? "[]" : "[\"the reviewer gave no reason\"]");
    }
    const struct id id = review_id(tx, task->review_run);
    const struct review_made made = {.review = bytes_of(id.text),
                                     .reviewer = task->reviewer,
                                     .reasons = text_bytes(&reasons),
                                     .accept = accept};
    reviews__add(tx, task, &made);
    const struct task_entered entered = {.to = accept ? TASK_DONE : TASK_PENDING,
                                         .by = task->reviewer,
                                         .words = text_bytes(&reasons)};
    tasks__enter(tx, task, &entered);
}

/* The provider refused, which passes: the same result is judged again, later. */
static void judge_later(struct tx *tx, struct task *task) {
    const int64_t tries = tx_number(tx,
                                    "SELECT count(*) FROM task_events WHERE task = $1 AND"
                                    " type = 'review_began' AND id > (SELECT max(id) FROM"
                                    " task_events WHERE task = $1 AND type = 'review')",
                                    ARGS(arg_text(task->task)));
    if (tries < BOARD_REVIEW_TRIES_MAX) {
        task->review_run = BYTES("");
        task->not_before_ms = tx_now_ms(tx) + board_pause_ms(tries);
    }
}

void reviews__ended(struct tx *tx, const struct run_row *run) {
    AUTO(json_release) json_t *verdict = NULL;
    struct bytes said = BYTES("");
    struct task task;
    const struct bytes id =
        tx_text(tx, "SELECT task FROM tasks WHERE review_run = $1 AND review_run <> ''",
                ARGS(arg_text(run->run)));
    if (id.len == 0 || !tasks__load(tx, run->owner, id, &task) || task.status != TASK_REVIEW) {
        return;
    }
    if (run->state == RUN_SUCCEEDED) {
        tx_fail(tx, turns__said(tx, run->id, &said));
    }
    if (verdict_read(said, &verdict)) {
        verdict_apply(tx, &task, verdict);
    } else {
        review_told(tx, &task, "review_failed", task.reviewer,
                    run->note.len > 0 ? run->note : BYTES("it gave no verdict"));
        if (board_cause_cools(run->cause)) {
            board__agent_cools(tx, task.reviewer, run);
            judge_later(tx, &task);
        }
        tasks__write(tx, &task);
    }
}
