/* task.h: tasks, and what is written down about them: outputs, comments, attempts, reviews and
 * events. Each is a resource of its project.
 *
 * Ownership  texts are borrowed from the function that filled the struct.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_BOARD_TASK_H
#define DROVER_RULES_BOARD_TASK_H

#include "base/json/json.h"
#include "base/resource/resource.h"
#include "rules/board/board.h"

enum {
    TASK_TITLE_MAX = 200, /* Bytes, like all of these. */
    TASK_DESCRIPTION_MAX = 64 << 10,
    TASK_WORD_MAX = 64, /* Names: a type, a capability, a lane, an epic, an agent. */
    TASK_TEXT_MAX = 8 << 10,
    TASK_SOURCE_MAX = 200,
    TASK_NEEDS_MAX = 100, /* Items of depends_on, */
    TASK_MUST_HAVES_MAX = 50,
    TASK_LINKS_MAX = 100,
    TASK_LISTS_MAX = 32 << 10, /* and bytes of such a list, as compact JSON. */
    TASK_NUMBER_SIZE = 24,     /* "T-31" */
    TASK_OUTPUT_MAX = 1 << 20,
    TASK_PLAN_MAX = 16 << 10, /* A plan: later prompts show all of what was approved. */
    TASK_COMMENT_MAX = 32 << 10,
    TASK_PRIORITY_DEFAULT = 5,
    TASKS_MAX = 100000, /* Tasks of an owner. */
    TASK_DEPTH_MAX = 8,
};

struct task {
    int64_t id;
    struct bytes task, owner, project; /* task: tsk_… */
    struct bytes name;                 /* "T-31": by its number within the project. */
    int64_t number;
    struct bytes title, description, type, capability, lane, epic;
    struct bytes source;   /* Where it was imported from; "": nowhere. One of a project has it. */
    struct bytes assignee; /* The only agent that may take it; "": any. */
    int64_t priority;
    struct bytes must_haves, links, depends_on;             /* JSON lists. */
    json_t *must_haves_given, *links_given, *depends_given; /* In a request; NULL: not named. */
    enum task_status status;
    enum board_reason reason; /* Reason of the daemon's last move. */
    struct bytes detail;      /* Why it failed, as the agent said; or what the daemon found. */
    struct bytes question, answer;
    struct bytes agent;                 /* Has it, or had it last; "": none did. */
    struct bytes attempt, session, run; /* Last attempt; "": there is none. */
    struct bytes reviewer, review_run;  /* The agent that judges, and its run. */
    bool open_attempt;                  /* The last attempt has not ended. */
    struct bytes
        prints; /* JSON object: fingerprints of what must not change (engine/board/must.h). */
    struct bytes plan; /* none, required */
    enum task_plan plan_state;
    struct bytes worktree; /* JSON object: its working tree (engine/board/trees.h); "": none. */
    int64_t retry_count, attempts, attempts_max, rejections;
    int64_t counters[BOARD_COUNTER_COUNT];
    int64_t depth;     /* Depth of the task in whose attempt it was added, and 1; 1: in none. */
    int64_t waits_for; /* Id of a task that it needs; 0: it may need none (engine/board/rows.h). */
    int64_t not_before_ms, made_ms, changed_ms, completed_ms;
    bool archived;
};
/* Members of `may`: the statuses that a person may give a task, each with the member of the request
 * that says why, or null. Answers have it for their client, events for a person. */
extern const struct field_set task_may_fields;
#define TASK_MAY_FIELD                                                                             \
    FIELD("may", FIELD_OBJECT, 0),                                                                 \
        .fields = &task_may_fields,                                                                \
        .schema = "{\"type\":\"object\",\"additionalProperties\":{\"enum\":[\"detail\","           \
                  "\"question\",\"reasons\",\"answer\",null]}}"
extern const struct resource task_resource;
/* Texts and lists of a new task that were not given get their empty values. */
void task_complete(struct task *io_task);
/* State of the plan after a person changed the task. An approval is for the description and the
 * must-haves that it was given for: it is withdrawn when one of them is changed. */
enum task_plan task_plan_after_change(const struct task *was, const struct task *now);
/* "T-31" of a number; and the number of such a word, 0: it is none. */
void task_number_write(int64_t number, char ret_text[TASK_NUMBER_SIZE]);
MUST_CHECK int64_t task_number_read(struct bytes word);

/* Checks lists of a request and writes them as compact JSON: must_haves (each a text, or an object
 * of one of file, command, output, text, unchanged), links ({"kind", "task"}), depends_on ("T-3").
 * ERR_BAD_FIELD. */
MUST_CHECK struct err task_must_haves_write(const json_t *list, struct text *text, struct why *why);
MUST_CHECK struct err task_links_write(const json_t *list, struct text *text, struct why *why);
MUST_CHECK struct err task_needs_write(const json_t *list, struct text *text, struct why *why);
/* The same for the reasons of a verdict: sentences, none of them without a word. */
MUST_CHECK struct err task_reasons_write(const json_t *list, struct text *text, struct why *why);

#define TASK_OUTPUT_TYPES "code|document|data|config|other"
extern const char *const task_output_types[]; /* NULL ends them. */

struct task_output {
    int64_t id;
    struct bytes output, owner, project, task, attempt, agent;
    struct bytes type, title, summary, content, hash;
    struct bytes path; /* In a request: the file that it is read from. */
    bool plan;         /* Plan of the task, for a person to approve. */
    int64_t bytes, made_ms;
};
extern const struct resource task_output_resource;
extern const char task_plan_note[]; /* Tells the agent that its plan waits. */

struct task_comment {
    int64_t id;
    struct bytes comment, owner, project, task, author, body;
    int64_t made_ms;
};
extern const struct resource task_comment_resource;

struct task_attempt {
    int64_t id;
    struct bytes attempt, owner, project, task, agent, session, run, outcome, note;
    struct bytes metadata; /* JSON object (task_metadata_write); "": it goes on. */
    int64_t number, exit_code;
    bool began; /* A turn of its session was made for it. */
    enum task_status status_at_exit;
    int64_t made_ms, ended_ms;
    int64_t checking_ms;            /* Since when its must-haves are checked; 0: they are not. */
    struct bytes check_run, checks; /* The check (engine/board/checks.c); "": there is none. */
};
extern const struct resource task_attempt_resource;

/* Facts about an attempt at its end, as a JSON object. */
struct task_metadata {
    struct bytes transport;       /* How its program reached its model; "": it did not say. */
    struct bytes fallback_reason; /* Why it took another way than its own; "": it did not. */
    struct bytes error;           /* Sentence, or cause, of an end that is an error; "". */
    int64_t duration_ms;
    enum task_status status_at_exit;
    const int64_t *counters; /* BOARD_COUNTER_COUNT: of the task, after this end. */
};
void task_metadata_write(const struct task_metadata *metadata, struct text *text);

struct task_review {
    int64_t id;
    struct bytes review, owner, project, task, attempt, reviewer, reasons;
    bool accept;
    int64_t made_ms;
};
extern const struct resource task_review_resource;

struct task_event {
    int64_t id;
    struct bytes task, agent, type, detail;
    int64_t made_ms;
};
extern const struct field_set task_event_fields;

#endif
