/* records.c: outputs and comments of a task, and the task with all of them. */
#include <string.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/board/must.h"
#include "engine/board/rows.h"

/* --- Outputs and comments --------------------------------------------------------------------- */

/* Finds the task and the one who writes. An agent writes about its own task. */
static struct err writer_find(struct tx *tx, const struct task_key *key,
                              const struct board_client *client, struct task *ret_task,
                              struct board_who *ret_who, struct why *why) {
    TRY(tx_task_find(tx, key, client, ret_task, why));
    TRY(tx_board_who(tx, key, client, ret_task, ret_who, why));
    const bool own = bytes_equal(ret_who->task, ret_task->task);
    if (ret_who->over && own) {
        return err_why(why, ERR_ATTEMPT_OVER, "this attempt at %.*s has ended",
                       (int)ret_task->name.len, ret_task->name.data);
    }
    return own || ret_who->actor == BOARD_PERSON
               ? ERR_OK
               : err_why(why, ERR_NOT_YOUR_TASK, "'%.*s' has no attempt at %.*s",
                         (int)ret_who->name.len, ret_who->name.data, (int)ret_task->name.len,
                         ret_task->name.data);
}

struct err tx_task_writes(struct tx *tx, const struct task_key *key,
                          const struct board_client *client, struct task *ret_task,
                          struct why *why) {
    struct board_who who;
    return writer_find(tx, key, client, ret_task, &who, why);
}

static bool who_judges(const struct board_who *who, const struct task *task) {
    return who->turn.len > 0 && bytes_equal(who->turn, task->review_run);
}

struct err tx_task_reads(struct tx *tx, const struct task_key *key,
                         const struct board_client *client, struct task *ret_task,
                         struct why *why) {
    struct board_who who = {.turn = BYTES("")};
    const struct err err = writer_find(tx, key, client, ret_task, &who, why);
    if (err.code == ERR_NOT_YOUR_TASK && who_judges(&who, ret_task)) {
        why->text[0] = '\0';
        return ERR_OK;
    }
    return err;
}

struct err tx_task_output_find(struct tx *tx, const struct task *task, struct bytes id,
                               struct task_output *ret_output, struct why *why) {
    const struct resource_key key = {task->owner, id};
    bool found = false;
    const struct err err = tx_resource_find(tx, &task_output_resource, &key, &found, ret_output);
    return err_failed(err) || (found && bytes_equal(ret_output->task, task->task))
               ? err
               : err_why(why, ERR_NOT_FOUND, "%.*s has no output '%.*s'", (int)task->name.len,
                         task->name.data, (int)id.len, id.data);
}

/* The first output or comment says that the agent works, as its first call does. */
static void works(struct tx *tx, struct task *io_task, const struct board_who *who) {
    if (io_task->status == TASK_CLAIMED && who->actor == BOARD_HOLDER) {
        const struct task_entered entered = {
            .to = TASK_WORKING, .by = who->name, .words = BYTES("")};
        tasks__enter(tx, io_task, &entered);
    }
}

/* The first output of an attempt, while no plan is approved: a person is asked in the same commit,
 * so that no end of the daemon separates the plan from its question. */
static void plan_ask(struct tx *tx, struct task *io_task, const struct board_who *who,
                     const struct task_output *row) {
    AUTO(text_done) struct text question = text_up_to(2 * TASK_TITLE_MAX);
    text_addf(&question, "Approve the plan \"%.*s\"?", (int)row->title.len, row->title.data);
    io_task->question = tx_copy_text(tx, &question, "board: plan");
    io_task->answer = BYTES("");
    io_task->plan_state = TASK_PLAN_WAITING;
    if (io_task->run.len == 0) {
        attempts__let_go(tx, io_task, TASK_BLOCKED, BYTES(""));
    }
    const struct task_entered entered = {.to = TASK_BLOCKED,
                                         .reason = BOARD_BECAUSE_PLAN,
                                         .by = who->name,
                                         .words = io_task->question};
    tasks__enter(tx, io_task, &entered);
}

struct err tx_task_output_add(struct tx *tx, const struct task_key *key,
                              const struct board_client *client, struct task_output *row,
                              struct why *why) {
    struct task task;
    struct board_who who;
    TRY(writer_find(tx, key, client, &task, &who, why));
    if (task.status == TASK_DONE) {
        return err_why(why, ERR_CONFLICT,
                       "%.*s is done: what it has was accepted, and gets no further output; a "
                       "person can open it again, 'drover task retry %.*s'",
                       (int)task.name.len, task.name.data, (int)task.name.len, task.name.data);
    }
    row->owner = task.owner;
    row->project = task.project;
    row->task = task.task;
    row->attempt = who.attempt;
    row->agent = who.name;
    row->plan = who.actor == BOARD_HOLDER && task_is_held(task.status) &&
                task.plan_state == TASK_PLAN_MISSING;
    if (row->plan && row->content.len > TASK_PLAN_MAX) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"content\": this is the plan of %.*s, which has at most %d bytes, since "
                       "later prompts show all of it: write a shorter one",
                       (int)task.name.len, task.name.data, TASK_PLAN_MAX);
    }
    tx_fail(tx, tx_resource_insert(tx, &task_output_resource, row));
    works(tx, &task, &who);
    if (who.actor == BOARD_HOLDER && task.retry_count > 0) { /* The agent has got further. */
        task.retry_count = 0;
        tasks__write(tx, &task);
    }
    if (row->plan) {
        plan_ask(tx, &task, &who, row);
    }
    return tx_error(tx);
}

struct err tx_task_comment_add(struct tx *tx, const struct task_key *key,
                               const struct board_client *client, struct task_comment *row,
                               struct why *why) {
    struct task task;
    struct board_who who;
    TRY(writer_find(tx, key, client, &task, &who, why));
    row->owner = task.owner;
    row->project = task.project;
    row->task = task.task;
    row->author = who.name;
    tx_fail(tx, tx_resource_insert(tx, &task_comment_resource, row));
    works(tx, &task, &who);
    return tx_error(tx);
}

/* --- Why it waits ----------------------------------------------------------------------------- */

void tx_task_waits(struct tx *tx, const struct task *task, bool agents, struct text *text) {
    struct bytes name, status;
    if (task->status == TASK_BLOCKED && task->plan_state == TASK_PLAN_WAITING) {
        text_add_str(text, "waits for: approval of its plan");
    }
    if (task->status != TASK_PENDING) {
        return;
    }
    if (!tasks__needs_met(tx, task, &name, &status)) {
        text_addf(text, "waits for %.*s, which is %.*s", (int)name.len, name.data, (int)status.len,
                  status.data);
    } else if (task->open_attempt) {
        text_add_str(text, "its last attempt has not ended yet");
    } else if (task->not_before_ms > tx_now_ms(tx)) {
        text_addf(text, "does not begin for another %lld s",
                  (long long)((task->not_before_ms - tx_now_ms(tx) + 999) / 1000));
    } else if (tasks__lane_taken(tx, task, &name)) {
        text_addf(text, "%.*s of lane '%.*s' is being worked on", (int)name.len, name.data,
                  (int)task->lane.len, task->lane.data);
    } else {
        board__agents_tell(tx, task, agents, text);
    }
}

/* --- All of it -------------------------------------------------------------------------------- */

struct expand {
    const struct resource *resource;
    const char *name;
    char where[40]; /* An address of its own each: statements are cached by it. */
    size_t cut;     /* Offset of a text that is cut, and */
    bool cuts;      /* whether there is one. */
};

static const struct expand expands[] = {
    {&task_output_resource, "outputs", "task = $1 ORDER BY id DESC LIMIT $2",
     offsetof(struct task_output, content), true},
    {&task_comment_resource, "comments", "task = $1 ORDER BY id DESC LIMIT $2",
     offsetof(struct task_comment, body), true},
    {&task_attempt_resource, "attempts", "task = $1 ORDER BY id DESC LIMIT $2", 0, false},
    {&task_review_resource, "reviews", "task = $1 ORDER BY id DESC LIMIT $2", 0, false},
};

union record {
    struct task_output output;
    struct task_comment comment;
    struct task_attempt attempt;
    struct task_review review;
};

/* Limits of what is written. */
struct expand_limits {
    size_t text_max; /* Limit of a text of a record, which is cut there, */
    size_t end;      /* and of all: records after it are left out. */
};

static void record_write(const struct expand *expand, size_t text_max, void *row,
                         struct text *text) {
    struct bytes *cut = expand->cuts ? (void *)((char *)row + expand->cut) : NULL;
    const bool is_cut = cut != NULL && cut->len > text_max;
    if (is_cut) {
        cut->len = utf8_cut(*cut, text_max);
    }
    fields_write(&expand->resource->fields, FIELD_LISTED | FIELD_WHOLE, row, text);
    if (is_cut && text->len > 0) { /* Before the brace that ends the object. */
        text_cut(text, text->len - 1);
        text_add_member_bool(text, "cut", true);
        text_add_char(text, '}');
    }
}

static void records_write(struct tx *tx, const struct task *task, const struct expand *expand,
                          const struct expand_limits *limits, struct text *text) {
    union record row;
    const char *comma = "";
    bool more = false;
    AUTO(rows_release)
    struct rows *rows = tx_resource_rows(tx, expand->resource, expand->where,
                                         ARGS(arg_text(task->task), arg_int(TASK_EXPANDED_MAX)));
    text_addf(text, ",\"%s\":[", expand->name);
    while (!more && rows_step(rows)) {
        const size_t before = text->len;
        if (resource_row_read(expand->resource, rows, &row)) {
            text_add_str(text, comma);
            record_write(expand, limits->text_max, &row, text);
            comma = ",";
            more = text->len > limits->end || (text->failed && !text->no_memory);
        }
        if (more) {
            text_cut(text, before);
        }
    }
    text_add_char(text, ']');
    if (more) {
        text_addf(text, ",\"more_%s\":true", expand->name);
    }
}

static void events_write(struct tx *tx, const struct task *task, struct text *text) {
    const char *comma = "";
    AUTO(rows_release)
    struct rows *rows = tx_rows(tx,
                                "SELECT task, agent, type, made_ms, detail FROM task_events WHERE"
                                " task = $1 ORDER BY id DESC LIMIT $2",
                                ARGS(arg_text(task->task), arg_int(TASK_EXPANDED_MAX)));
    text_add_str(text, ",\"events\":[");
    while (rows_step(rows)) {
        const struct task_event event = {.task = rows_text(rows, 0),
                                         .agent = rows_text(rows, 1),
                                         .type = rows_text(rows, 2),
                                         .made_ms = rows_int(rows, 3),
                                         .detail = rows_text(rows, 4)};
        text_add_str(text, comma);
        fields_write(&task_event_fields, FIELD_LISTED, &event, text);
        comma = ",";
    }
    text_add_char(text, ']');
}

struct err tx_task_expand(struct tx *tx, const struct task *task, bool all, struct text *text) {
    static const struct expand_limits limits = {TASK_EXPANDED_TEXT, SIZE_MAX};
    AUTO(text_done) struct text waits = text_up_to(TASK_WAITS_MAX);
    fields_write(&task_resource.fields, FIELD_LISTED | FIELD_WHOLE, task, text);
    text_cut(text, text->len - 1);
    tx_task_waits(tx, task, true, &waits);
    text_add_member_or_null(text, "waits", text_bytes(&waits));
    for (size_t i = 0; i < COUNT_OF(expands) && all; i++) {
        records_write(tx, task, &expands[i], &limits, text);
    }
    if (all) {
        events_write(tx, task, text);
    }
    text_add_char(text, '}');
    return tx_error(tx);
}

/* The task without its records takes most of the room only where its lists are huge. */
struct err tx_task_brief(struct tx *tx, const struct task *task, size_t room, struct text *text) {
    enum { SHOWN = 2, PARTS = 8, END = 64 /* For brackets, and the words on what is left out. */ };
    struct task shown = *task;
    shown.description.len = utf8_cut(task->description, room / PARTS);
    const struct err err = tx_task_expand(tx, &shown, false, text);
    if (err_failed(err) || text_failed(text)) {
        return err;
    }
    text_cut(text, text->len - 1);
    for (size_t i = 0; i < SHOWN; i++) {
        const size_t left = room > text->len + SHOWN * END ? room - text->len - SHOWN * END : 0;
        const struct expand_limits limits = {room / PARTS, text->len + left / (SHOWN - i)};
        records_write(tx, task, &expands[i], &limits, text);
    }
    text_add_char(text, '}');
    return tx_error(tx);
}
