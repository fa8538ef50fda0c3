/* task.c: the fields of a task, and its lists. Order: that of the answer. */
#include "rules/board/task.h"

#include <stdio.h>

#include "base/number.h"
#include "rules/board/must.h"
#include "rules/session/session.h"

#define AT(member) offsetof(struct task, member)

enum { SETTING = FIELD_GIVEN | FIELD_CHANGED | FIELD_SHOWN, TAKEN = FIELD_GIVEN | FIELD_CHANGED };

void task_number_write(int64_t number, char ret_text[TASK_NUMBER_SIZE]) {
    (void)snprintf(ret_text, TASK_NUMBER_SIZE, "T-%lld", (long long)number);
}

int64_t task_number_read(struct bytes word) {
    const struct number_bounds bounds = {1, INT64_MAX};
    int64_t number = 0;
    const bool is_one = word.len > 2 && (word.data[0] == 'T' || word.data[0] == 't') &&
                        word.data[1] == '-' &&
                        number_parse((struct bytes){word.data + 2, word.len - 2}, bounds, &number);
    return is_one ? number : 0;
}

enum task_plan task_plan_after_change(const struct task *was, const struct task *now) {
    const bool same = bytes_equal(was->description, now->description) &&
                      bytes_equal(was->must_haves, now->must_haves);
    return !bytes_is(now->plan, "required")                 ? TASK_PLAN_NONE
           : was->plan_state == TASK_PLAN_NONE              ? TASK_PLAN_MISSING
           : was->plan_state == TASK_PLAN_APPROVED && !same ? TASK_PLAN_MISSING
                                                            : was->plan_state;
}

/* --- Moves of a person ------------------------------------------------------------------------ */

/* The owner may have taken the task, without a run or a session: then it is the holder, too. */
static struct field_value may_value(const struct task *task, enum task_status to) {
    static const char *const names[] = {[BOARD_NO_WORDS] = "",
                                        [BOARD_DETAIL] = "detail",
                                        [BOARD_QUESTION] = "question",
                                        [BOARD_REASONS] = "reasons"};
    const bool holds = task->open_attempt && task->run.len == 0 && task->session.len == 0 &&
                       bytes_equal(task->agent, task->owner);
    enum board_words words = BOARD_NO_WORDS;
    const bool may = board_person_may(task->status, to, holds, &words);
    const bool answers = task->status == TASK_BLOCKED && to == TASK_PENDING;
    const struct bytes said = bytes_of(answers ? "answer" : names[words]);
    return (struct field_value){.left_out = !may, .null = said.len == 0, .text = said};
}

#define X(status, name)                                                                            \
    static struct field_value may_##status(const void *row) {                                      \
        return may_value(row, TASK_##status);                                                      \
    }
TASK_STATUSES(X)
#undef X

static struct field_value because(const void *row) {
    const struct bytes said = bytes_of(board_reason_abouts[((const struct task *)row)->reason]);
    return (struct field_value){.null = said.len == 0, .text = said};
}

static const struct field may_rows[] = {
#define X(status, name_)                                                                           \
    {.name = name_, .kind = FIELD_TEXT, .get = may_##status, .empty = FIELD_EMPTY_LEFT_OUT},
    TASK_STATUSES(X)
#undef X
};
const struct field_set task_may_fields = {FIELD_ROWS(may_rows), .use = FIELD_SHOWN};

static const char *const plan_names[] = {"none", "required", NULL};

static const struct field rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(task), "task", "ID"), .fit = FIELD_LEAVES},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .required = true, .filter = FIELD_EQUAL,
     .head = "PROJECT"},
    {ROW_ONCE("name", FIELD_TEXT, AT(name)), .required = true, FIELD_HEAD("TASK", -7)},
    {ROW_ONCE("place", FIELD_INT, AT(number)), .use = FIELD_KEPT},
    {ROW_EACH("title", FIELD_TEXT, AT(title)), .use = SETTING, .required = true, .min = 1,
     .max = TASK_TITLE_MAX, .plain = true, FILTER_SEARCH("title or number"),
     FIELD_HEAD("TITLE", FIELD_REST)},
    {ROW_EACH("description", FIELD_TEXT, AT(description)), .use = TAKEN | FIELD_WHOLE,
     .max = TASK_DESCRIPTION_MAX, .fit = FIELD_BELOW,
     FLAG("description", FLAG_TEXT, "TEXT", "What is to be done; \"-\": read from stdin.")},
    {ROW_EACH("type", FIELD_TEXT, AT(type)), .use = SETTING, .max = TASK_WORD_MAX, .plain = true,
     FILTER_TEXT(FIELD_EQUAL, "type", 0, "TYPE", "those of this type."), .head = "TYPE",
     FLAG("type", FLAG_TEXT, "TYPE", "Kind of work, for its prompt: general.")},
    {ROW_EACH("priority", FIELD_INT, AT(priority)), .use = SETTING, .max = 9,
     .absent = TASK_PRIORITY_DEFAULT, FIELD_HEAD("PRIO", 4),
     .flag = {.name = "priority",
              .letter = 'p',
              .kind = FLAG_INT,
              .value = "N",
              .max = 9,
              .about = "0 to 9; larger ones go first: 5."}},
    {ROW_EACH("status", FIELD_NAME, AT(status)), .required = true, .names = task_status_names,
     .filter = FIELD_ANY_OF,
     .filter_about = "Only those with this status, or with one of several (a,b).",
     .filter_flag = {.name = "status",
                     .kind = FLAG_LIST,
                     .value = "STATUS",
                     .choices = TASK_STATUS_WORDS,
                     .about = "List only those with this status, or one of several: a,b."},
     FIELD_HEAD("STATUS", -9)},
    {TASK_MAY_FIELD, .use = FIELD_TOLD},
    {ROW_EACH("reason", FIELD_NAME, AT(reason)), .names = board_reason_names,
     .empty = FIELD_EMPTY_NULL, .head = "REASON"},
    {FIELD("because", FIELD_TEXT, 0), .get = because, .empty = FIELD_EMPTY_NULL, .head = "BECAUSE"},
    {ROW_EACH("detail", FIELD_TEXT, AT(detail)), .empty = FIELD_EMPTY_NULL, .head = "DETAIL"},
    {ROW_EACH("question", FIELD_TEXT, AT(question)), .empty = FIELD_EMPTY_NULL, .head = "QUESTION"},
    {ROW_EACH("answer", FIELD_TEXT, AT(answer)), .empty = FIELD_EMPTY_NULL, .head = "ANSWER"},
    {ROW_EACH("agent", FIELD_TEXT, AT(agent)), .empty = FIELD_EMPTY_NULL,
     FILTER_TEXT(FIELD_EQUAL, "agent", 'a', "NAME", "those that this agent has, or had last."),
     FIELD_HEAD("AGENT", -12)},
    {ROW_EACH("assignee", FIELD_TEXT, AT(assignee)), .use = SETTING, .max = TASK_WORD_MAX,
     .plain = true, .empty = FIELD_EMPTY_NULL, .head = "FOR",
     FLAG("for", FLAG_TEXT, "NAME", "The only agent that may take it.")},
    {ROW_EACH("capability", FIELD_TEXT, AT(capability)), .use = SETTING, .max = TASK_WORD_MAX,
     .plain = true, .empty = FIELD_EMPTY_NULL,
     FILTER_TEXT(FIELD_EQUAL, "capability", 0, "WORD", "those that ask for it."), .head = "NEEDS",
     FLAG("capability", FLAG_TEXT, "WORD", "What its agent must be able to do.")},
    {ROW_EACH("lane", FIELD_TEXT, AT(lane)), .use = SETTING, .max = TASK_WORD_MAX, .plain = true,
     .empty = FIELD_EMPTY_NULL, .head = "LANE",
     FLAG("lane", FLAG_TEXT, "LANE", "Two tasks of one lane never run side by side.")},
    {ROW_EACH("epic", FIELD_TEXT, AT(epic)), .use = SETTING, .max = TASK_WORD_MAX, .plain = true,
     .empty = FIELD_EMPTY_NULL, .head = "EPIC",
     FLAG("epic", FLAG_TEXT, "NAME", "What it is a part of.")},
    {ROW_ONCE("source", FIELD_TEXT, AT(source)), .use = FIELD_GIVEN | FIELD_WHOLE,
     .max = TASK_SOURCE_MAX, .plain = true, .empty = FIELD_EMPTY_NULL, .head = "SOURCE",
     FILTER_TEXT(FIELD_EQUAL, "source", 0, "SOURCE", "the one that was imported from there.")},
    {FIELD("depends_on", FIELD_JSON, AT(depends_given)), .use = TAKEN,
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"maxItems\":100}"},
    {ROW_EACH("depends_on", FIELD_STORED, AT(depends_on)),
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", .head = "AFTER"},
    {FIELD("must_haves", FIELD_JSON, AT(must_haves_given)), .use = TAKEN,
     .schema = "{\"type\":\"array\",\"maxItems\":50,\"items\":{\"type\":[\"string\",\"object\"],"
               "\"propertyNames\":{\"enum\":[" MUST_NAMES_SCHEMA "]},"
               "\"additionalProperties\":{\"type\":\"string\"}}}"},
    {ROW_EACH("must_haves", FIELD_STORED, AT(must_haves)),
     .schema = "{\"type\":\"array\",\"items\":{\"type\":[\"string\",\"object\"],"
               "\"additionalProperties\":{\"type\":\"string\"}}}",
     .head = "MUST"},
    {FIELD("links", FIELD_JSON, AT(links_given)), .use = TAKEN,
     .schema = "{\"type\":\"array\",\"maxItems\":100}"},
    {ROW_EACH("links", FIELD_STORED, AT(links)), .use = FIELD_WHOLE,
     .schema = "{\"type\":\"array\"}", .head = "LINKS"},
    {ROW_EACH("worktree", FIELD_STORED, AT(worktree)), .use = FIELD_WHOLE,
     .empty = FIELD_EMPTY_NULL, .schema = "{\"type\":[\"object\",\"null\"]}", .head = "WORKTREE"},
    {ROW_EACH("prints", FIELD_TEXT, AT(prints)), .use = FIELD_KEPT},
    {ROW_EACH("plan", FIELD_TEXT, AT(plan)), .use = SETTING, .names = plan_names,
     .max = TASK_WORD_MAX, .head = "PLAN",
     FLAG_WORD("plan", "WORD", "none|required", "required: a person approves a plan first.")},
    {ROW_EACH("plan_state", FIELD_NAME, AT(plan_state)), .names = task_plan_names,
     .empty = FIELD_EMPTY_NULL, .head = "ITS PLAN"},
    {ROW_EACH("retry_count", FIELD_INT, AT(retry_count)), .required = true, .head = "RETRIES"},
    {ROW_EACH("attempt_count", FIELD_INT, AT(attempts)), .required = true, .head = "ATTEMPTS"},
    {ROW_EACH("connect_failures", FIELD_INT, AT(counters[BOARD_COUNT_CONNECT])), .use = FIELD_KEPT},
    {ROW_EACH("api_failures", FIELD_INT, AT(counters[BOARD_COUNT_API])), .use = FIELD_KEPT},
    {ROW_EACH("lock_failures", FIELD_INT, AT(counters[BOARD_COUNT_LOCK])), .use = FIELD_KEPT},
    {ROW_EACH("monitor_failures", FIELD_INT, AT(counters[BOARD_COUNT_MONITOR])), .use = FIELD_KEPT},
    {ROW_EACH("max_attempts", FIELD_INT, AT(attempts_max)), .use = SETTING, .min = 1, .max = 20,
     .absent = BOARD_ATTEMPTS_DEFAULT, .head = "AT MOST",
     .flag = {.name = "max-attempts",
              .kind = FLAG_INT,
              .value = "N",
              .min = 1,
              .max = 20,
              .about = "Attempts after which it fails: 5."}},
    {ROW_EACH("rejections", FIELD_INT, AT(rejections)), .required = true, .head = "REJECTED"},
    {ROW_ONCE("depth", FIELD_INT, AT(depth)), .required = true, .head = "DEPTH"},
    {ROW_ONCE("waits_for", FIELD_INT, AT(waits_for)), .use = FIELD_KEPT},
    {ROW_EACH("attempt", FIELD_TEXT, AT(attempt)), .empty = FIELD_EMPTY_NULL, .head = "ATTEMPT"},
    {ROW_EACH("open_attempt", FIELD_BOOL, AT(open_attempt)), .use = FIELD_KEPT},
    {ROW_EACH("session", FIELD_TEXT, AT(session)), .empty = FIELD_EMPTY_NULL, .head = "SESSION"},
    {ROW_EACH("run", FIELD_TEXT, AT(run)), .empty = FIELD_EMPTY_NULL, .head = "RUN"},
    {ROW_EACH("reviewer", FIELD_TEXT, AT(reviewer)), .empty = FIELD_EMPTY_NULL, .head = "REVIEWER"},
    {ROW_EACH("review_run", FIELD_TEXT, AT(review_run)), .empty = FIELD_EMPTY_NULL,
     .head = "REVIEW"},
    {ROW_EACH("not_before_ms", FIELD_INT, AT(not_before_ms)), .use = SETTING,
     .max = INT64_C(1) << 53, .head = "NOT BEFORE"},
    {ROW_EACH("archived", FIELD_BOOL, AT(archived)), .use = FIELD_CHANGED | FIELD_SHOWN,
     .empty = FIELD_EMPTY_LEFT_OUT},
    {ROW_MADE(AT(made_ms)), FILTER_SINCE("created or changed"), .width = -FIELD_TIME_WIDTH,
     .fit = FIELD_LEAVES},
    {ROW_CHANGED(AT(changed_ms))},
    {ROW_EACH("completed_ms", FIELD_TIME, AT(completed_ms)), .head = "COMPLETED"},
};

const struct resource task_resource = {
    .name = "task",
    .plural = "tasks",
    .path = "/api/v1/projects/{project}/tasks",
    .table = "tasks",
    .of_project = true,
    .key = "id",
    .prefix = "tsk",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct task),
    .rows_max = TASKS_MAX,
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ,
                                  .summary = "List the tasks of a project, newest first"}},
};
