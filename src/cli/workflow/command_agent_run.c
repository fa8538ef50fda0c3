/* command_agent_run.c: drover agent run: a task for an agent, and its end.
 *
 *   a program                       a message to a new session, to a named one, or to the main one
 *   in a working tree; a model      a workflow of this one agent
 *
 * Workflows make and remove working trees and run agents of models, over each kill of the daemon. A
 * second mechanism for one agent would have to do all of that again. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/names.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/budget/daily_limit.h"
#include "cli/budget/limits.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/turn/attach.h"
#include "cli/turn/message.h"
#include "cli/workflow/watch.h"
#include "rules/agent/definition.h"
#include "rules/session/title.h"
#include "rules/workflow/spec.h"

enum { LIMITS_MAX = 4096, BODY_MAX = 3 << 20 };

static const struct flag run_flags[] = {
    OPTION_TEXT("root", 0, "DIR", "Work in this folder, and use its .drover/agents [.]."),
    OPTION_SWITCH("worktree", 'w', "Work in a git working tree of its own, of DIR's repository."),
    OPTION_TEXT("session", 's', "new|main|SESSION",
                "Give the task to this session; main: the one of NAME and DIR [new].",
                .own_words = "new|main"),
    OPTION_TEXT("native", 0, "ID", "Continue this session that the program has."),
    OPTION_TEXT("model", 'm', "NAME", "Start it with this model [its definition's]."),
    OPTION_LIST("budget", 0, "LIMIT=VALUE",
                "Give it a budget of its own: cost=2.50, tokens=1000000. Repeatable."),
    OPTION_SWITCH("detach", 'd', "Print the run, and do not follow it."),
    OPTION_END,
};

/* A failure or an end without an answer is an error of the script: else the run would succeed. */
static const char script[] =
    "export const meta = { name: \"agent-run\", description: \"One task for one agent.\" };\n"
    "const text = await agent(args.task, args.options);\n"
    "if (text === null) throw new Error(\"the agent gave no answer\");\n"
    "return text;\n";

struct task {
    struct invocation *invocation;
    struct talk *talk;  /* Borrowed. Owned is all that follows. */
    struct lines lines; /* The input: the task. */
    struct text text;
    struct text limits; /* Limits of the budget, a JSON object; empty: none. */
    json_t *agent;      /* As its list has it. */
    char root[PATH_MAX];
    struct title title;
};

static void task_done(struct task *task) {
    lines_done(&task->lines);
    text_done(&task->text);
    text_done(&task->limits);
    json_decref(task->agent);
}

/* --- What is asked ---------------------------------------------------------------------------- */

static struct err task_read(struct task *task) {
    struct invocation *invocation = task->invocation;
    const struct args *args = &invocation->args;
    const struct message_words words = {.operand =
                                            args->operand_count > 1 ? args->operands[1] : NULL,
                                        .noun = "task",
                                        .lines = &task->lines};
    struct err err = message_read(&words, &task->text, &invocation->why);
    err = err_failed(err) ? err : budget_flag_add(&task->limits, args, &invocation->why);
    err =
        err_failed(err) ? err : root_resolve(args_text(args, "root"), task->root, &invocation->why);
    task->title = title_of_words(text_bytes(&task->text));
    err = err_failed(err) ? err
                          : session_agent(task->talk, args->operands[0], task->root, &task->agent,
                                          &invocation->why);
    if (!err_failed(err)) {
        session_agent_tell(task->agent);
    }
    return err;
}

/* --- A message to a session ------------------------------------------------------------------- */

/* A session that is there goes on with the agent and in the folder that it has. */
static struct err session_check(struct task *task, const char *session) {
    struct why *why = &task->invocation->why;
    const struct args *args = &task->invocation->args;
    AUTO(json_release) json_t *row = NULL;
    const struct err err =
        session_of_agent(task->talk, session, bytes_of(args->operands[0]), &row, why);
    const char *root = err_failed(err) ? "" : talk_text(row, "root");
    return err_failed(err) || !args_given(args, "root") || strcmp(root, task->root) == 0
               ? err
               : err_why(why, ERR_USAGE,
                         "the session %s works in %.200s; leave out --root, or name "
                         "that folder",
                         session, root);
}

static struct err task_in_session(struct task *task) {
    struct invocation *invocation = task->invocation;
    const struct args *args = &invocation->args;
    const char *session = args_text(args, "session");
    const bool main = session != NULL && strcmp(session, "main") == 0;
    const bool there = session != NULL && !main && strcmp(session, "new") != 0;
    char main_title[AGENT_NAME_MAX + 32];
    AUTO(message_sent_done) struct message_sent sent = {0};
    (void)snprintf(main_title, sizeof main_title, "Main session of %.64s", args->operands[0]);
    struct message_order order = {.wish = {.agent = args->operands[0],
                                           .model = args_text(args, "model"),
                                           .root = task->root,
                                           .native = args_text(args, "native"),
                                           .title = main                  ? main_title
                                                    : task->title.len > 0 ? task->title.text
                                                                          : NULL,
                                           .main = main},
                                  .session = there ? session : NULL,
                                  .text = task->text.data,
                                  .budget = task->limits.len > 0 ? &task->limits : NULL};
    if ((main || there) && order.wish.native != NULL) {
        return err_why(&invocation->why, ERR_USAGE, "--native and --session exclude each other");
    }
    if ((main || there) && order.wish.model != NULL) {
        return err_why(&invocation->why, ERR_USAGE,
                       "--model is for a new session; this one has the model that it began with");
    }
    TRY(there ? session_check(task, session) : ERR_OK);
    TRY(message_send(task->talk, &order, &sent, &invocation->why));
    if (args_on(args, "detach")) {
        run_begun_print(invocation, "run", sent.run, NULL /* no label */);
        return ERR_OK;
    }
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = task->talk,
                                    .session = sent.session,
                                    .run = sent.run,
                                    .after = sent.after,
                                    .json = TURN_JSON_EVENTS};
    return turn_look(&look);
}

/* --- A workflow of one agent ------------------------------------------------------------------ */

/* Limits of the agent's definition and of the budget hold; the time of agents of workflows does
 * not. */
static struct err body_write(const struct task *task, bool native, struct text *body) {
    struct why *why = &task->invocation->why;
    const struct args *args = &task->invocation->args;
    const char *model = args_text(args, "model");
    AUTO(json_release) json_t *limits = NULL;
    TRY(task->limits.len == 0
            ? ERR_OK
            : json_parse(task->limits.data, task->limits.len, JSON_DEPTH_MAX, &limits, why));
    AUTO(json_release)
    json_t *all = json_pack(
        "{s:s,s:s,s:s,s:I,s:O*,s:s*,s:s*,s:{s:s%,s:{s:s,s:s*,s:s*,s:s*}}}", "script", script,
        "title", "agent-run.js", "root", task->root, "agent_timeout_ms",
        (json_int_t)WORKFLOW_TIME_MAX, "budget", limits, "label",
        task->title.len > 0 ? task->title.text : NULL, "model", native ? model : NULL, "args",
        "task", task->text.data, task->text.len, "options", "agentType", args->operands[0], "label",
        task->title.len > 0 ? task->title.text : NULL, "model", model, "isolation",
        args_on(args, "worktree") ? AGENT_ISOLATION_WORKTREE : NULL);
    if (all == NULL) {
        return err_why(why, ERR_USAGE, "the folder's path is not UTF-8 text");
    }
    return json_write(all, body);
}

static struct err task_in_workflow(struct task *task, bool native) {
    struct invocation *invocation = task->invocation;
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    AUTO(json_release) json_t *answer = NULL;
    const struct daily_limit limit = {.model = args_text(args, "model")};
    if (!json_is_true(json_object_get(task->agent, "found"))) {
        return err_why(&invocation->why, ERR_CONFLICT, "agent: '%.64s' is %s: %.300s",
                       args->operands[0], talk_text(task->agent, "state"),
                       talk_text(task->agent, "why"));
    }
    struct err err = body_write(task, native, &body);
    if (!err_failed(err) && native) {
        err = daily_limit_ask(task->talk, &limit, &task->lines);
    }
    const struct api_request workflow = {.method = "POST",
                                         .base = "/api/v1/workflows",
                                         .body = &body,
                                         .retry = API_RETRY_CUT,
                                         .retry_ms = RUN_RETRY_MS};
    err = err_failed(err) ? err : api_ask(task->talk, &workflow, &answer, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    const char *warning = talk_text(answer, "warning");
    if (warning[0] != '\0' && !invocation->json) {
        plain_note("drover: %s\n", warning);
    }
    const struct workflow_watch watch = {.invocation = invocation,
                                         .talk = task->talk,
                                         .run = talk_text(answer, "runId"),
                                         .retry_ms = RUN_RETRY_MS,
                                         .form = WORKFLOW_FORM_TASK};
    if (args_on(args, "detach")) {
        run_begun_print(invocation, "run", watch.run, NULL /* no label */);
        return ERR_OK;
    }
    return workflow_watch(&watch);
}

/* The two roads. What is asked of a session has no meaning for an agent that gets one with its
 * tree. */
static struct err task_run(struct task *task) {
    const struct args *args = &task->invocation->args;
    const char *name = args->operands[0], *session = args_text(args, "session");
    const bool native = strcmp(talk_text(task->agent, "kind"), "native") == 0;
    const bool isolated = talk_text(task->agent, "isolation")[0] != '\0';
    const bool chosen = session != NULL && strcmp(session, "new") != 0;
    if (!native && !isolated && !args_on(args, "worktree")) {
        return task_in_session(task);
    }
    if (!chosen && args_text(args, "native") == NULL) {
        return task_in_workflow(task, native);
    }
    return err_why(&task->invocation->why, ERR_USAGE,
                   "--%s is for a program that works in the folder itself, and '%.64s' %s",
                   chosen ? "session" : "native", name,
                   native     ? "is an agent of models"
                   : isolated ? "has a working tree for each task (isolation)"
                              : "gets a working tree here (--worktree)");
}

static struct err run_run(struct invocation *invocation, struct talk *talk) {
    AUTO(task_done) struct task task = {.invocation = invocation, .talk = talk};
    lines_init(&task.lines, STDIN_FILENO, talk->interrupt_fd);
    text_init(&task.text, LINES_LINE_MAX);
    text_init(&task.limits, LIMITS_MAX);
    TRY(task_read(&task));
    return task_run(&task);
}

const struct command command_agent_run = {
    COMMAND("agent", "run", "NAME [TASK]", "Give a task to an agent, and follow it to its end."),
    HELP(AGENTS, "drover agent run codex \"Fix the failing tests\"\n"
                 "drover agent run claude \"Rewrite the parser\" --worktree\n"
                 "drover agent run claude \"Review this branch\" --detach --budget cost=2.50\n"),
    .flags = run_flags,
    .about = "With \"-\" as the task, or none in a pipe, it is read from standard input. The\n"
             "task of a program gets a session of its own, or the one that --session names:\n"
             "'drover ask --session last' continues it, within the same budget. Spending\n"
             "counts when the program reports it, after a step or at its end: a budget that is\n"
             "used up prevents further steps, but ends none.\n"
             "\n"
             "With --worktree, or if its definition has \"isolation\", the agent works in a new\n"
             "working tree, below .drover/worktrees of the repository. A tree with changes is\n"
             "kept, and its path is printed; one without is removed. Such a run, and a run of\n"
             "an agent of models, is a workflow of this one agent.\n"
             "\n"
             "With --json, each event is a line; the last one has \"event\": \"agent_finished\",\n"
             "\"run\", \"state\", \"cause\", \"text\", \"usage\", and \"worktree\" if a tree was\n"
             "kept. --detach prints {\"run\"}. Exits with 0 when the run succeeded. Ctrl-C\n"
             "detaches, with 130: the run continues.\n",
    .converse = run_run,
};
