/* prompt.h: the prompt that the agent of a task gets. Pure.
 *
 * Templates have named variables: {{title}}. There is a built-in one for each of
 *   task      a first attempt: facts, states, steps with their calls
 *   retry     an attempt in the session of an interrupted one
 *   again     a new attempt of a program that cannot resume: the task, and what an earlier one left
 *   review    an agent that judges the work of another one
 * A project may have its own for `task`, which is also the one for `again`, and for `review`. The
 * section with the calls (for `review`: with the form of the answer) follows after a line "---", so
 * that no template can leave out how an agent reports. Neither can it leave out what was before:
 * a template without {{retry_context}} is followed by that text, unless there is none.
 *
 * Variables: project_id task_id title description task_type priority must_haves retry_context
 * current_status agent_id completion_status, and api, the section with the calls.
 *
 * Promise    Values are never expanded: {{title}} in the text of a task is text. A description,
 *            must-haves, outputs and what was before stand between lines of tildes, more of them
 *            than any run in the text; a title stands as a JSON string, and so do a type and an
 *            agent that are not one word of [A-Za-z0-9_.-]. Control characters become spaces.
 *            A reviewer sees the content of outputs, not only what their author says of them, which
 *            is marked as such; of what does not fit the call that reads it.
 *            Command lines contain no text of a task, a comment or a mail, but only names: project,
 *            T-31, a status, and the agent, escaped for JSON and for the shell.
 * Ownership  texts are borrowed for the call.
 * Threads    any.
 */
#ifndef DROVER_RULES_BOARD_PROMPT_H
#define DROVER_RULES_BOARD_PROMPT_H

#include "base/base.h"
#include "base/err.h"
#include "base/text.h"
#include "rules/board/board.h"

enum {
    BOARD_TEMPLATE_MAX = 32 << 10, /* Bytes of a project's own template. */
    BOARD_CONTEXT_MAX = 32 << 10,  /* Bytes of each list within `retry_context`. */
    BOARD_DIFF_MAX = 32 << 10,
    BOARD_CONTENT_MAX = 64 << 10,        /* Bytes of contents that a reviewer is shown. */
    BOARD_CONTENT_OUTPUT_MAX = 32 << 10, /* Bytes of one output among them. */
    BOARD_SUMMARY_MAX = 2 << 10,         /* Bytes of its summary. */
    BOARD_SHOWN_MAX = 20,                /* Outputs, and comments. */
};

enum board_prompt {
    BOARD_PROMPT_TASK,
    BOARD_PROMPT_RETRY,
    BOARD_PROMPT_AGAIN,
    BOARD_PROMPT_REVIEW,
    BOARD_PROMPTS
};

/* Way from an attempt to the daemon, as its prompt shows it. */
enum board_reach {
    BOARD_REACH_SOCKET, /* `drover task …`, and curl over $DROVER_DATA/drover.sock */
    BOARD_REACH_PORT,   /* curl to $DROVER_URL with $DROVER_TOKEN */
    BOARD_REACH_TOOLS,  /* A native agent: its tools task_status, task_output, task_comment */
    BOARD_REACHES
};

/* An output that a reviewer judges; the newest comes first. */
struct board_prompt_output {
    struct bytes output, type; /* "out_…", "code": words. */
    struct bytes agent, title, summary;
    struct bytes content; /* At least as much of it as BOARD_CONTENT_OUTPUT_MAX allows. */
    int64_t bytes;        /* Bytes of all of it. */
    int64_t attempt;      /* Number of the attempt that wrote it; 0: it was written in none. */
    bool judged;          /* The judged attempt wrote it. */
};
struct board_prompt_comment {
    struct bytes author, body;
};

/* Empty texts read "(no title)", "(no description)", "(none)", `general`, `claimed`, `review`. */
struct board_prompt_facts {
    struct bytes project_id, task_id; /* "shop", "T-31": words of [A-Za-z0-9_.-], as a status is. */
    struct bytes title, description, task_type;
    int64_t priority;
    struct bytes must_haves;    /* A sentence on each line; "": none. */
    struct bytes retry_context; /* Outputs and comments of an earlier attempt, the reasons of a
                                 * rejection, the answer of a person. */
    /* REVIEW: these are what {{retry_context}} stands for. */
    struct board_prompt_output outputs[BOARD_SHOWN_MAX];
    struct board_prompt_comment comments[BOARD_SHOWN_MAX];
    size_t output_count, comment_count;
    bool more;               /* There are older ones. */
    struct bytes diff;       /* Changes in the working tree, as git prints them; "": none. Follows
                              * the context, cut at a line to BOARD_DIFF_MAX. */
    struct bytes diff_since; /* The commit since which they were made. */
    struct bytes current_status, agent_id;
    struct bytes completion_status; /* The status that ends the work: "review". */
    enum board_reach reach;
    enum task_plan plan;           /* APPROVED: retry_context has its text. */
    int64_t attempt, attempts_max; /* RETRY, AGAIN: "attempt n of at most max". */
};

/* Adds the prompt to `prompt`, whose bound is that of the prompt, too. `own`: a template of the
 * project; "": none. If it cannot be used (board_template_check refuses it, or the prompt would be
 * too long), the built-in one replaces it, and `why` says so; else `why` is untouched. A built-in
 * one fits into 16 kB and three times the bytes of its texts. */
void board_prompt_write(enum board_prompt which, const struct board_prompt_facts *facts,
                        struct bytes own, struct text *prompt, struct why *why);

/* For settings, before they are stored. ERR_BAD_FIELD: the template has an unknown variable, an
 * open brace, no text, too much text, or bytes that are not UTF-8; `why` names the variable or the
 * place. */
MUST_CHECK struct err board_template_check(struct bytes own, struct why *why);

#endif
