/* command_task.c: drover task add, ls, show, edit, claim, status, comment, output, retry, cancel,
 * review, waive. Which task a command is about: task.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/board/given.h"
#include "cli/board/page.h"
#include "cli/board/task.h"
#include "cli/terminal/plain.h"

#define TASK_ABOUT                                                                                 \
    "TASK is T-31 of --project, PROJECT/T-31 of any project, or tsk_…. Without\n"                \
    "--project it is of the project of the current folder, else of 'default'.\n"
#define OWN_TASK_ABOUT                                                                             \
    TASK_ABOUT "Inside of an attempt, TASK may be left out: it is the attempt's own.\n"
#define AGENT_FLAG OPTION_TEXT("agent", 'a', "NAME", "For people: do it in the name of this agent.")

/* The operand in front, where `own` operands may follow it and it may be left out. NULL: it was. */
static const char *task_operand(const struct invocation *invocation, unsigned own) {
    const struct args *args = &invocation->args;
    return args->operand_count > own ? args->operands[0] : NULL;
}

enum { CHECKS_MS = 60 * 60 * 1000 /* Time of the commands among the must-haves of a task. */ };

/* The error with what the daemon says beside its sentence. */
static void refusal_print_json(struct err err, struct bytes detail, const char *member,
                               const json_t *value) {
    AUTO(text_done) struct text text = text_up_to(TASK_BODY_MAX);
    text_add_str(&text, "{\"error\":{");
    text_add_member(&text, "code", bytes_of(err_name(err.code)));
    text_add_member(&text, "title", bytes_of(err_title(err.code)));
    text_add_member(&text, "detail", detail);
    text_add_name(&text, member);
    if (!err_failed(json_write(value, &text))) {
        fprintf(stderr, "%s}}\n", text_bytes(&text).data);
    }
}

/* Each must-have that is not met, in place of the sentence that has room for the first alone; as
 * JSON also the verdict that stands, which the sentence names. */
static void refusal_print(struct talk *talk, struct err err) {
    struct invocation *invocation = talk->invocation;
    const json_t *unmet = client_problem(talk->client, "unmet");
    const json_t *verdict = client_problem(talk->client, "verdict");
    invocation->told =
        json_array_size(unmet) > 0 || (json_object_size(verdict) > 0 && invocation->json);
    if (invocation->told && invocation->json) {
        refusal_print_json(err, bytes_of(invocation->why.text),
                           verdict != NULL ? "verdict" : "unmet",
                           verdict != NULL ? verdict : unmet);
        return;
    }
    for (size_t i = 0; i < json_array_size(unmet); i++) {
        const struct bytes sentence = json_text(json_array_get(unmet, i));
        plain_note("%s- %.*s\n", i == 0 ? "drover: must-haves are not met (must_have)\n" : "",
                   (int)sentence.len, sentence.data);
    }
}

/* Sends the request, and prints the status that the task has then. */
static struct err task_do(struct talk *talk, const struct task_request *request) {
    AUTO(json_release) json_t *task = NULL;
    const struct err err = task_ask(talk, request, &task);
    if (!err_failed(err)) {
        task_print(talk->invocation, task);
    } else if (err.code == ERR_MUST_HAVE || err.code == ERR_CONFLICT) {
        refusal_print(talk, err);
    }
    return err;
}

/* Adds the members that the flags of these names are. */
static struct err members_add(struct invocation *invocation, const char *const *names,
                              struct text *body) {
    struct err err = ERR_OK;
    for (; *names != NULL && !err_failed(err); names++) {
        const char *value = args_text(&invocation->args, *names);
        if (value != NULL) {
            text_add_name(body, *names);
            err = flags_text_add(body, value, *names, &invocation->why);
        }
    }
    return err;
}

/* --- Add and edit ----------------------------------------------------------------------------- */

static struct err add_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *task = NULL;
    AUTO(text_done) struct text path = {0}, body = text_up_to(TASK_BODY_MAX);
    struct err err = tasks_path(talk, &path);
    err = err_failed(err) ? err : task_body_write(talk, TASK_ADDED, &body);
    const struct api_request request = {
        .method = "POST", .base = path.data, .body = &body, .retry = API_RETRY_CUT};
    err = err_failed(err) ? err : api_ask(talk, &request, &task, &invocation->why);
    if (!err_failed(err)) {
        task_print(invocation, task);
    }
    if (!err_failed(err) && json_is_true(json_object_get(task, "project_made"))) {
        plain_note("drover: there was no project '%s': it was made\n", talk_text(task, "project"));
    }
    return err;
}

static const struct flag add_flags[] = {TASK_PROJECT_FLAG, TASK_GIVEN_FLAGS, OPTION_END};

const struct command command_task_add = {
    COMMAND("task", "add", "TITLE", "Add a task to a project, for an agent or for you."),
    HELP(TASKS, "drover task add \"Fix the flaky test\"\n"
                "drover task add \"Write the notes\" --after T-1,T-2 --for writer -p 7\n"
                "drover task add Parser --must-command \"make test\" --must-output code\n"
                "drover task add Release --description \"Tag it, and write to the list\"\n"),
    .flags = add_flags,
    .about = "Without --project the task is of the project whose folder the current one is,\n"
             "else of 'default'. drover checks the conditions of --must-… before a review.\n",
    .converse = add_run,
};

static struct err edit_run(struct invocation *invocation, struct talk *talk) {
    AUTO(text_done) struct text body = text_up_to(TASK_BODY_MAX);
    const struct err err = task_body_write(talk, TASK_EDITED, &body);
    const struct task_request request = {
        .word = invocation->args.operands[0], .method = "PATCH", .body = &body};
    if (!err_failed(err) && body.len == strlen("{}")) {
        return err_why(&invocation->why, ERR_USAGE,
                       "say what is to change; 'drover help task edit' lists the flags");
    }
    return err_failed(err) ? err : task_do(talk, &request);
}

static const struct flag edit_flags[] = {
    TASK_PROJECT_FLAG,
    OPTION_TEXT("title", 't', "TEXT", "Its title."),
    TASK_GIVEN_FLAGS,
    OPTION_SWITCH("archive", 0, "Take it off the board; --archive=false brings it back."),
    OPTION_END,
};

const struct command command_task_edit = {
    COMMAND("task", "edit", "TASK", "Change a task. What no flag names stays as it is."),
    HELP(TASKS, "drover task edit T-3 --priority 9 --for builder\n"
                "drover task edit web/T-3 --after T-1 --must \"The page loads\"\n"
                "drover task edit T-3 --archive\n"),
    .flags = edit_flags,
    .about = TASK_ABOUT "--after, --must-… and --link replace their whole list; \"\" empties it.\n",
    .converse = edit_run,
};

/* --- List and show ---------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    TASK_PROJECT_FLAG,
    OPTION_SWITCH("ready", 'r', "List only those that an agent may take now."),
    OPTION_SWITCH("archived", 0, "List only archived ones."),
    LISTING_OF(&task_resource.fields),
    OPTION_END,
};

static struct err ls_run(struct invocation *invocation, struct talk *talk) {
    static const struct action_param params[] = {
        {"ready", "ready"}, {"archived", "archived"}, {.flag = NULL}};
    AUTO(text_done) struct text path = {0};
    struct table_columns made;
    TRY(tasks_path(talk, &path));
    action_params_add(&path, invocation, params);
    table_columns_of(&task_resource.fields, TABLE_COLUMNS, &made);
    const struct listing listing = {
        .path = text_bytes(&path).data,
        .columns = made.rows,
        .empty = strchr(text_bytes(&path).data, '?') != NULL
                     ? "No row matches."
                     : "The project has no tasks. 'drover task add' adds one."};
    return listing_print(talk, invocation, &listing);
}

const struct command command_task_ls = {
    COMMAND("task", "ls", NULL, "List the tasks of a project, the newest first."),
    HELP(TASKS, "drover task ls\n"
                "drover task ls --status review,blocked\n"
                "drover task ls --project web --ready --capability rust\n"),
    .flags = ls_flags,
    .converse = ls_run,
};

static const struct flag task_flags[] = {TASK_PROJECT_FLAG, OPTION_END};

static struct err show_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *task = NULL;
    const struct task_request request = {.word = task_operand(invocation, 0),
                                         .rest = "?expand=all"};
    const struct err err = task_ask(talk, &request, &task);
    if (!err_failed(err) && invocation->json) {
        talk_print(task);
    } else if (!err_failed(err)) {
        task_page_print(invocation, task);
    }
    return err;
}

const struct command command_task_show = {
    COMMAND("task", "show", "[TASK]", "Show a task: why it waits, and what was done for it."),
    HELP(TASKS, "drover task show T-3\n"
                "drover task show web/T-3 --json\n"),
    .flags = task_flags,
    .about = OWN_TASK_ABOUT "Shows the newest 50 of its outputs, comments, attempts, reviews and "
                            "events.\n",
    .converse = show_run,
};

/* --- Moves ------------------------------------------------------------------------------------ */

static const struct flag claim_flags[] = {TASK_PROJECT_FLAG, AGENT_FLAG, OPTION_END};

static struct err claim_run(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"agent", NULL};
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    text_add_char(&body, '{');
    const struct err err = members_add(invocation, names, &body);
    text_add_char(&body, '}');
    const struct task_request request = {.word = invocation->args.operands[0],
                                         .method = "POST",
                                         .rest = "/claim",
                                         .body = &body,
                                         .timeout_ms = CHECKS_MS};
    return err_failed(err) ? err : task_do(talk, &request);
}

const struct command command_task_claim = {
    COMMAND("task", "claim", "TASK", "Take a pending task, so that nobody else does."),
    HELP(TASKS, "drover task claim T-3\n"),
    .flags = claim_flags,
    .about = TASK_ABOUT,
    .converse = claim_run,
};

/* Moves the task to the status; `names` are the flags that become members. */
static struct err status_send(struct talk *talk, const char *word, const char *status,
                              const char *const *names) {
    struct invocation *invocation = talk->invocation;
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    text_add_str(&body, "{\"status\":");
    struct err err = flags_text_add(&body, status, "STATUS", &invocation->why);
    err = err_failed(err) ? err : members_add(invocation, names, &body);
    text_add_char(&body, '}');
    const struct task_request request = {
        .word = word,
        .method = "POST",
        .rest = "/status",
        .body = &body,
        .timeout_ms = strcmp(status, task_status_names[TASK_REVIEW]) == 0 ? CHECKS_MS : 0};
    return err_failed(err) ? err : task_do(talk, &request);
}

static const struct flag status_flags[] = {
    TASK_PROJECT_FLAG,
    AGENT_FLAG,
    OPTION_TEXT("detail", 'd', "TEXT", "Why it failed, or another sentence about the move."),
    OPTION_TEXT("question", 'q', "TEXT", "What a person is to answer before it goes on."),
    OPTION_TEXT("answer", 0, "TEXT", "The answer to its question, for the next attempt."),
    OPTION_END,
};

static struct err status_run(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"agent", "detail", "question", "answer", NULL};
    const struct args *args = &invocation->args;
    return status_send(talk, task_operand(invocation, 1), args->operands[args->operand_count - 1],
                       names);
}

const struct command command_task_status = {
    COMMAND("task", "status", "[TASK] STATUS", "Move a task to another status."),
    HELP(TASKS, "drover task status working\n"
                "drover task status failed --detail \"The server refuses the key\"\n"
                "drover task status blocked --question \"Which database?\"\n"
                "drover task status T-3 pending\n"),
    .flags = status_flags,
    .about = OWN_TASK_ABOUT "STATUS is one of " TASK_STATUS_WORDS ".\n"
                            "The daemon refuses a move that is not allowed, and says which are.\n"
                            "Before a review it checks the must-haves: that takes as long as\n"
                            "their commands run.\n",
    .converse = status_run,
};

static struct err retry_one(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"answer", NULL};
    return status_send(talk, invocation->args.operands[0], "pending", names);
}

static struct err retry_run(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, retry_one);
}

static const struct flag retry_flags[] = {
    TASK_PROJECT_FLAG,
    OPTION_TEXT("answer", 0, "TEXT", "The answer to its question, for the next attempt."),
    OPTION_END,
};

const struct command command_task_retry = {
    COMMAND("task", "retry", "TASK…", "Open a task again that is blocked or over."),
    HELP(TASKS, "drover task retry T-3\n"
                "drover task retry T-3 --answer \"Use PostgreSQL\"\n"),
    .flags = retry_flags,
    .about = TASK_ABOUT,
    .converse = retry_run,
};

static struct err cancel_one(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {NULL};
    return status_send(talk, invocation->args.operands[0], "cancelled", names);
}

static struct err cancel_run(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, cancel_one);
}

const struct command command_task_cancel = {
    COMMAND("task", "cancel", "TASK…", "Cancel a task. The run of its attempt is stopped."),
    HELP(TASKS, "drover task cancel T-3\n"),
    .flags = task_flags,
    .about = TASK_ABOUT,
    .converse = cancel_run,
};

/* --- Remove ----------------------------------------------------------------------------------- */

static struct err rm_one(struct invocation *invocation, struct talk *talk) {
    const char *word = invocation->args.operands[0];
    const struct task_request request = {.word = word, .method = "DELETE"};
    AUTO(json_release) json_t *answer = NULL;
    const struct err err = task_ask(talk, &request, &answer);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        printf("%s is removed\n", word);
    }
    return err;
}

static struct err rm_run(struct invocation *invocation, struct talk *talk) {
    return action_each(invocation, talk, rm_one);
}

const struct command command_task_rm = {
    COMMAND("task", "rm", "TASK…", "Remove a task and what was written about it."),
    HELP(TASKS, "drover task rm T-3\n"),
    .flags = task_flags,
    .about = TASK_ABOUT "Its outputs, comments, attempts and reviews go with it. The sessions of\n"
                        "its attempts stay: 'drover session rm' removes one.\n",
    .converse = rm_run,
};

/* --- Reviews ---------------------------------------------------------------------------------- */

static const struct flag review_flags[] = {
    TASK_PROJECT_FLAG,
    AGENT_FLAG,
    OPTION_SWITCH("accept", 0, "The task is done."),
    OPTION_LIST("reject", 0, "REASON", "It is not; the next attempt gets the reasons."),
    OPTION_TEXT("words", 0, "TEXT", "With --accept: words for the next attempt."),
    OPTION_TEXT("attempt", 0, "ATTEMPT", "Judge this attempt, and no later one [the last one]."),
    OPTION_END,
};

/* Adds the attempt that is judged: the one that the flag names, or the last one. */
static struct err judged_add(struct talk *talk, struct text *body) {
    const struct args *args = &talk->invocation->args;
    const struct task_request request = {.word = args->operands[0]};
    AUTO(json_release) json_t *task = NULL;
    if (args_given(args, "attempt")) {
        static const char *const names[] = {"attempt", NULL};
        return members_add(talk->invocation, names, body);
    }
    const struct err err = task_ask(talk, &request, &task);
    if (!err_failed(err) && talk_text(task, "attempt")[0] == '\0') {
        return err_why(&talk->invocation->why, ERR_CONFLICT,
                       "%s has no attempt yet: there is nothing to judge", talk_text(task, "name"));
    }
    text_add_member(body, "attempt", bytes_of(talk_text(task, "attempt")));
    return err;
}

static struct err review_run(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"agent", NULL};
    const struct args *args = &invocation->args;
    const bool accept = args_on(args, "accept"), reject = args_given(args, "reject");
    const char *reason = NULL, *comma = "";
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    const char *said = args_text(args, "words");
    unsigned cursor = 0;
    struct err err = ERR_OK;
    if (accept == reject || (reject && said != NULL)) {
        return err_why(&invocation->why, ERR_USAGE,
                       "give one of --accept and --reject REASON; --words goes with --accept");
    }
    text_addf(&body, "{\"accept\":%s,\"reasons\":[", accept ? "true" : "false");
    while ((reason = args_next(args, "reject", &cursor)) != NULL && !err_failed(err)) {
        text_add_str(&body, comma);
        err = flags_text_add(&body, reason, "--reject", &invocation->why);
        comma = ",";
    }
    if (said != NULL && !err_failed(err)) {
        err = flags_text_add(&body, said, "--words", &invocation->why);
    }
    text_add_char(&body, ']');
    err = err_failed(err) ? err : members_add(invocation, names, &body);
    err = err_failed(err) ? err : judged_add(talk, &body);
    text_add_char(&body, '}');
    const struct task_request request = {
        .word = args->operands[0], .method = "POST", .rest = "/review", .body = &body};
    return err_failed(err) ? err : task_do(talk, &request);
}

const struct command command_task_review = {
    COMMAND("task", "review", "TASK", "Accept the result or the plan of a task, or reject it."),
    HELP(TASKS, "drover task review T-3 --accept\n"
                "drover task review T-3 --reject \"No test\" --reject \"Names are cut\"\n"),
    .flags = review_flags,
    .about = TASK_ABOUT "A plan is judged while the task is blocked by it: by a person.\n",
    .converse = review_run,
};

static const struct flag waive_flags[] = {
    TASK_PROJECT_FLAG,
    OPTION_TEXT("because", 'b', "TEXT", "Why it need not be done."),
    OPTION_END,
};

static struct err waive_run(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"because", NULL};
    AUTO(text_done) struct text body = text_up_to(ACTION_BODY_MAX);
    if (!args_given(&invocation->args, "because")) {
        return err_why(&invocation->why, ERR_USAGE, "say why: --because TEXT");
    }
    text_add_str(&body, "{\"needs\":");
    struct err err = flags_text_add(&body, invocation->args.operands[1], "OTHER", &invocation->why);
    err = err_failed(err) ? err : members_add(invocation, names, &body);
    text_add_char(&body, '}');
    const struct task_request request = {
        .word = invocation->args.operands[0], .method = "POST", .rest = "/waive", .body = &body};
    return err_failed(err) ? err : task_do(talk, &request);
}

const struct command command_task_waive = {
    COMMAND("task", "waive", "TASK OTHER", "Let a task begin without another that it waits for."),
    HELP(TASKS, "drover task waive T-5 T-3 --because \"Done by hand\"\n"),
    .flags = waive_flags,
    .about = TASK_ABOUT,
    .converse = waive_run,
};

/* --- Outputs and comments --------------------------------------------------------------------- */

/* Prints the id of the output or comment; as JSON all of it. */
static struct err record_send(struct talk *talk, const struct task_request *request) {
    AUTO(json_release) json_t *row = NULL;
    const struct err err = task_ask(talk, request, &row);
    if (!err_failed(err) && talk->invocation->json) {
        talk_print(row);
    } else if (!err_failed(err)) {
        const char *note = talk_text(row, "note");
        printf("%s\n", talk_text(row, "id"));
        (void)fprintf(stderr, "%s%s", note, note[0] != '\0' ? "\n" : "");
    }
    return err;
}

static struct err input_add(const struct talk *talk, const char *member, struct text *body) {
    AUTO(text_done) struct text input = text_up_to(TASK_BODY_MAX);
    const struct err err = task_input_read(talk, &input);
    text_add_member(body, member, text_bytes(&input));
    return err;
}

/* The daemon works in another folder. */
static struct err file_add(struct invocation *invocation, const char *given, struct text *body) {
    char path[PATH_MAX];
    if (realpath(given, path) == NULL) {
        return err_why(&invocation->why, ERR_USAGE, "--path: there is no file %.200s", given);
    }
    text_add_name(body, "content_path");
    return flags_text_add(body, path, "--path", &invocation->why);
}

static const struct flag output_flags[] = {
    TASK_PROJECT_FLAG,
    AGENT_FLAG,
    FLAGS_OF(&task_output_resource.fields),
    OPTION_TEXT("path", 0, "FILE",
                "Read it from this file, below the folder of the project or of the attempt."),
    OPTION_END,
};

static struct err output_run(struct invocation *invocation, struct talk *talk) {
    static const char *const names[] = {"agent", NULL};
    const struct args *args = &invocation->args;
    const struct flags_body given = {
        .args = args, .fields = &task_output_resource.fields, .use = FIELD_GIVEN};
    const char *path = args_text(args, "path");
    AUTO(text_done) struct text body = text_up_to(TASK_BODY_MAX);
    if (!args_given(args, "type") || !args_given(args, "title")) {
        return err_why(&invocation->why, ERR_USAGE, "an output needs --type and --title");
    }
    text_add_char(&body, '{');
    struct err err = flags_members_write(&given, &body, &invocation->why);
    err = err_failed(err) ? err : members_add(invocation, names, &body);
    if (!err_failed(err)) {
        err = path != NULL ? file_add(invocation, path, &body) : input_add(talk, "content", &body);
    }
    text_add_char(&body, '}');
    const struct task_request request = {.word = task_operand(invocation, 0),
                                         .method = "POST",
                                         .rest = "/outputs",
                                         .body = &body,
                                         .keyed = true};
    return err_failed(err) ? err : record_send(talk, &request);
}

const struct command command_task_output = {
    COMMAND("task", "output", "[TASK]", "Add an output to a task: a file, or standard input."),
    HELP(TASKS,
         "drover task output --type code --title \"The fix\"\n"
         "drover task output --type code --title \"The fix\" --path /src/web/fix.patch\n"
         "drover task output T-3 --type document --title Notes --summary \"What changed\"\n"),
    .flags = output_flags,
    .about = OWN_TASK_ABOUT "An output is text of at most 1 MB.\n",
    .converse = output_run,
};

static const struct flag comment_flags[] = {TASK_PROJECT_FLAG, AGENT_FLAG, OPTION_END};

/* A single operand is the task where it reads as one, else the text. */
static struct err comment_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    const bool names_task = args->operand_count > 0 &&
                            (args->operand_count > 1 || task_is_word(bytes_of(args->operands[0])));
    const unsigned at = names_task ? 1 : 0;
    const char *text = args->operand_count > at ? args->operands[at] : "-";
    const char *author = args_text(args, "agent");
    AUTO(text_done) struct text body = text_up_to(TASK_BODY_MAX);
    struct err err = ERR_OK;
    text_add_char(&body, '{');
    if (strcmp(text, "-") == 0) {
        err = input_add(talk, "body", &body);
    } else {
        text_add_name(&body, "body");
        err = flags_text_add(&body, text, "the comment", &invocation->why);
    }
    if (author != NULL && !err_failed(err)) {
        text_add_name(&body, "author");
        err = flags_text_add(&body, author, "--agent", &invocation->why);
    }
    text_add_char(&body, '}');
    const struct task_request request = {.word = names_task ? args->operands[0] : NULL,
                                         .method = "POST",
                                         .rest = "/comments",
                                         .body = &body,
                                         .keyed = true};
    return err_failed(err) ? err : record_send(talk, &request);
}

const struct command command_task_comment = {
    COMMAND("task", "comment", "[TASK] [TEXT]", "Add a comment to a task."),
    HELP(TASKS, "drover task comment T-3 \"See the log of Monday\"\n"
                "drover task comment T-3 -\n"),
    .flags = comment_flags,
    .about = OWN_TASK_ABOUT "Without TEXT, or with -, it is read from standard input.\n",
    .converse = comment_run,
};
