/* records.c: the fields of what is written down about a task. Order: that of the answer. */
#include "rules/board/task.h"

enum { WHOLE_TOO = FIELD_GIVEN | FIELD_SHOWN };

const char *const task_output_types[] = {"code", "document", "data", "config", "other", NULL};

const char task_plan_note[] =
    "This output is the plan of the task, which waits for the approval of a person. End here: "
    "the next attempt gets the answer, and changes wait until then.";

/* --- Outputs ---------------------------------------------------------------------------------- */

#define AT(member) offsetof(struct task_output, member)

static const struct field output_rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(output), "output", "OUTPUT")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .filter = FIELD_EQUAL, .head = "PROJECT"},
    {ROW_ONCE("task", FIELD_TEXT, AT(task)), .filter = FIELD_EQUAL, .head = "TASK"},
    {ROW_ONCE("attempt", FIELD_TEXT, AT(attempt)), .empty = FIELD_EMPTY_NULL, .head = "ATTEMPT"},
    {ROW_ONCE("agent", FIELD_TEXT, AT(agent)), .use = WHOLE_TOO, .max = TASK_WORD_MAX,
     FIELD_HEAD("AGENT", -12)},
    {ROW_ONCE("type", FIELD_TEXT, AT(type)), .use = WHOLE_TOO, .required = true,
     .names = task_output_types, .max = TASK_WORD_MAX, FIELD_HEAD("TYPE", -9),
     FLAG_WORD("type", "TYPE", TASK_OUTPUT_TYPES, "What it is: " TASK_OUTPUT_TYPES ".")},
    {ROW_ONCE("title", FIELD_TEXT, AT(title)), .use = WHOLE_TOO, .required = true, .min = 1,
     .max = TASK_TITLE_MAX, .plain = true, FIELD_HEAD("TITLE", FIELD_REST),
     FLAG("title", FLAG_TEXT, "TEXT", "Its title.")},
    {ROW_ONCE("summary", FIELD_TEXT, AT(summary)), .use = WHOLE_TOO, .max = TASK_TEXT_MAX,
     .fit = FIELD_BELOW, FLAG("summary", FLAG_TEXT, "TEXT", "A few sentences about it.")},
    {FIELD("content_path", FIELD_TEXT, AT(path)), .use = FIELD_GIVEN, .max = 4095},
    {ROW_ONCE("bytes", FIELD_INT, AT(bytes)), .required = true, FIELD_HEAD("BYTES", 8)},
    {ROW_ONCE("hash", FIELD_TEXT, AT(hash)), .required = true, .head = "SHA-256"},
    {ROW_ONCE("plan", FIELD_BOOL, AT(plan)), .empty = FIELD_EMPTY_LEFT_OUT, .head = "PLAN"},
    {ROW_MADE(AT(made_ms))},
    {ROW_ONCE("content", FIELD_TEXT, AT(content)), .use = FIELD_GIVEN | FIELD_WHOLE,
     .max = TASK_OUTPUT_MAX, .fit = FIELD_BELOW},
};

const struct resource task_output_resource = {
    .name = "output",
    .plural = "outputs",
    .path = "/api/v1/projects/{project}/tasks/{task}/outputs",
    .table = "task_outputs",
    .of_project = true,
    .key = "id",
    .prefix = "out",
    .fields = {FIELD_ROWS(output_rows), .use = FIELD_SHOWN},
    .size = sizeof(struct task_output),
};

/* --- Comments --------------------------------------------------------------------------------- */

#undef AT
#define AT(member) offsetof(struct task_comment, member)

static const struct field comment_rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(comment), "comment", "COMMENT")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .filter = FIELD_EQUAL, .head = "PROJECT"},
    {ROW_ONCE("task", FIELD_TEXT, AT(task)), .filter = FIELD_EQUAL, .head = "TASK"},
    {ROW_ONCE("author", FIELD_TEXT, AT(author)), .use = WHOLE_TOO, .max = TASK_WORD_MAX,
     FIELD_HEAD("AUTHOR", -12)},
    {ROW_MADE(AT(made_ms))},
    {ROW_ONCE("body", FIELD_TEXT, AT(body)), .use = FIELD_GIVEN | FIELD_LISTED, .required = true,
     .min = 1, .max = TASK_COMMENT_MAX, .fit = FIELD_BELOW},
};

const struct resource task_comment_resource = {
    .name = "comment",
    .plural = "comments",
    .path = "/api/v1/projects/{project}/tasks/{task}/comments",
    .table = "task_comments",
    .of_project = true,
    .key = "id",
    .prefix = "cmt",
    .fields = {FIELD_ROWS(comment_rows), .use = FIELD_SHOWN},
    .size = sizeof(struct task_comment),
};

/* --- Attempts --------------------------------------------------------------------------------- */

#undef AT
#define AT(member) offsetof(struct task_attempt, member)

static const struct field attempt_rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(attempt), "attempt", "ATTEMPT")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .filter = FIELD_EQUAL, .head = "PROJECT"},
    {ROW_ONCE("task", FIELD_TEXT, AT(task)), .filter = FIELD_EQUAL, .head = "TASK"},
    {ROW_ONCE("attempt_number", FIELD_INT, AT(number)), .required = true, FIELD_HEAD("#", 3)},
    {ROW_ONCE("agent", FIELD_TEXT, AT(agent)), .required = true, FIELD_HEAD("AGENT", -12)},
    {ROW_EACH("session", FIELD_TEXT, AT(session)), .empty = FIELD_EMPTY_NULL, .head = "SESSION"},
    {ROW_EACH("run", FIELD_TEXT, AT(run)), .empty = FIELD_EMPTY_NULL, .head = "RUN"},
    {ROW_EACH("began", FIELD_BOOL, AT(began)), .use = FIELD_KEPT},
    {ROW_EACH("outcome", FIELD_TEXT, AT(outcome)), .empty = FIELD_EMPTY_NULL,
     FIELD_HEAD("OUTCOME", -18)},
    {ROW_EACH("exit_code", FIELD_INT, AT(exit_code)), .none = -1, .head = "EXIT"},
    {ROW_EACH("task_status_at_exit", FIELD_NAME, AT(status_at_exit)), .names = task_status_names,
     .head = "TASK AT EXIT"},
    {ROW_EACH("metadata", FIELD_STORED, AT(metadata)), .empty = FIELD_EMPTY_NULL,
     .schema = "{\"type\":[\"object\",\"null\"]}"},
    {ROW_EACH("note", FIELD_TEXT, AT(note)), .empty = FIELD_EMPTY_NULL,
     FIELD_HEAD("NOTE", FIELD_REST)},
    {ROW_MADE(AT(made_ms))},
    {ROW_EACH("ended_ms", FIELD_TIME, AT(ended_ms)), .head = "ENDED"},
    {ROW_EACH("checking_ms", FIELD_TIME, AT(checking_ms)), .head = "CHECKING"},
    {ROW_EACH("check_run", FIELD_TEXT, AT(check_run)), .use = FIELD_KEPT},
    {ROW_EACH("checks", FIELD_TEXT, AT(checks)), .use = FIELD_KEPT},
};

void task_metadata_write(const struct task_metadata *metadata, struct text *text) {
    const char *comma = "";
    text_add_char(text, '{');
    text_add_member_or_null(text, "transport", metadata->transport);
    text_add_member_or_null(text, "fallback_reason", metadata->fallback_reason);
    text_add_member_int(text, "duration_ms", metadata->duration_ms);
    text_add_member(text, "task_status_at_exit",
                    bytes_of(task_status_names[metadata->status_at_exit]));
    text_add_member_or_null(text, "error", metadata->error);
    text_add_str(text, ",\"counters\":{");
    for (size_t i = 0; i < BOARD_COUNTER_COUNT; i++, comma = ",") {
        text_addf(text, "%s\"%s\":%lld", comma, board_counter_names[i],
                  (long long)metadata->counters[i]);
    }
    text_add_str(text, "}}");
}

const struct resource task_attempt_resource = {
    .name = "attempt",
    .plural = "attempts",
    .path = "/api/v1/projects/{project}/tasks/{task}/attempts",
    .table = "task_attempts",
    .of_project = true,
    .key = "id",
    .prefix = "try",
    .fields = {FIELD_ROWS(attempt_rows), .use = FIELD_SHOWN},
    .size = sizeof(struct task_attempt),
};

/* --- Reviews ---------------------------------------------------------------------------------- */

#undef AT
#define AT(member) offsetof(struct task_review, member)

static const struct field review_rows[] = {
    {ROW_NUMBER(AT(id))},
    {ROW_ID(FIELD_TEXT, AT(review), "review", "REVIEW")},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .filter = FIELD_EQUAL, .head = "PROJECT"},
    {ROW_ONCE("task", FIELD_TEXT, AT(task)), .filter = FIELD_EQUAL, .head = "TASK"},
    {ROW_ONCE("attempt", FIELD_TEXT, AT(attempt)), .empty = FIELD_EMPTY_NULL, .head = "ATTEMPT"},
    {ROW_ONCE("reviewer", FIELD_TEXT, AT(reviewer)), .required = true, FIELD_HEAD("REVIEWER", -12)},
    {ROW_ONCE("accept", FIELD_BOOL, AT(accept)), .required = true, FIELD_HEAD("ACCEPTS", -7)},
    {ROW_MADE(AT(made_ms))},
    {ROW_ONCE("reasons", FIELD_STORED, AT(reasons)), .required = true,
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     FIELD_HEAD("REASONS", FIELD_REST)},
};

const struct resource task_review_resource = {
    .name = "review",
    .plural = "reviews",
    .path = "/api/v1/projects/{project}/tasks/{task}/reviews",
    .table = "task_reviews",
    .of_project = true,
    .key = "id",
    .prefix = "rev",
    .fields = {FIELD_ROWS(review_rows), .use = FIELD_SHOWN},
    .size = sizeof(struct task_review),
};

/* --- Events ----------------------------------------------------------------------------------- */

#undef AT
#define AT(member) offsetof(struct task_event, member)

static const struct field event_rows[] = {
    {ROW_NUMBER(AT(id))},
    {FIELD("task", FIELD_TEXT, AT(task)), .required = true, .head = "TASK"},
    {ROW_ONCE("agent", FIELD_TEXT, AT(agent)), .empty = FIELD_EMPTY_NULL, FIELD_HEAD("BY", -12)},
    {ROW_ONCE("type", FIELD_TEXT, AT(type)), .required = true, FIELD_HEAD("WHAT", -20)},
    {ROW_MADE(AT(made_ms))},
    {ROW_ONCE("detail", FIELD_STORED, AT(detail)), .required = true,
     .schema = "{\"type\":\"object\"}", FIELD_HEAD("DETAIL", FIELD_REST)},
};

const struct field_set task_event_fields = {FIELD_ROWS(event_rows), .use = FIELD_SHOWN};
