/* command_agent_run.c: drover agent run: a task for an agent that is a program, and its end. */
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/budget/limits.h"
#include "cli/turn/follow.h"
#include "cli/turn/message.h"
#include "rules/session/title.h"

enum { LIMITS_MAX = 4096 };

static const struct flag run_flags[] = {
    OPTION_TEXT("root", 0, "DIR", "Work in this folder, whose .drover/agents count [.]."),
    OPTION_TEXT("model", 'm', "NAME", "Start the program with this model [its definition's]."),
    OPTION_LIST("budget", 0, "LIMIT=VALUE",
                "Give it a budget of its own: cost=2.50, tokens=1000000. Repeatable."),
    OPTION_SWITCH("detach", 'd', "Print the run, and do not follow it."),
    OPTION_END,
};

/* *limits stays empty where no limit was given. */
static struct err limits_read(struct invocation *invocation, struct text *limits) {
    const struct args *args = &invocation->args;
    const char *word = NULL;
    struct err err = ERR_OK;
    if (!args_given(args, "budget")) {
        return ERR_OK;
    }
    text_add_char(limits, '{');
    for (unsigned at = 0; !err_failed(err) && (word = args_next(args, "budget", &at)) != NULL;) {
        err = budget_words_add(limits, word, &invocation->why);
    }
    text_add_char(limits, '}');
    return err;
}

/* A person learns how to follow the run later. */
static void detached_print(const struct invocation *invocation, const char *run) {
    printf(invocation->json ? "{\"run\": \"%s\"}\n" : "%s\n", run);
    if (!invocation->json && isatty(STDERR_FILENO) == 1) {
        fprintf(stderr, "'drover attach %s' follows it, 'drover show %s' shows its state.\n", run,
                run);
    }
}

static struct err task_run(struct invocation *invocation, struct talk *talk, struct lines *lines) {
    const struct args *args = &invocation->args;
    AUTO(text_done) struct text task = text_up_to(LINES_LINE_MAX);
    AUTO(text_done) struct text limits = text_up_to(LIMITS_MAX);
    AUTO(message_sent_done) struct message_sent sent = {0};
    const struct message_words words = {.operand =
                                            args->operand_count > 1 ? args->operands[1] : NULL,
                                        .noun = "task",
                                        .lines = lines};
    struct err err = message_read(&words, &task, &invocation->why);
    err = err_failed(err) ? err : limits_read(invocation, &limits);
    if (err_failed(err)) {
        return err;
    }
    const char *root = args_text(args, "root");
    const struct title title = title_of_words(text_bytes(&task));
    const struct message_order order = {.wish = {.agent = args->operands[0],
                                                 .model = args_text(args, "model"),
                                                 .root = root == NULL ? "." : root,
                                                 .title = title.len == 0 ? NULL : title.text},
                                        .text = task.data,
                                        .budget = limits.len > 0 ? &limits : NULL};
    err = message_send(talk, &order, &sent, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    if (args_on(args, "detach")) {
        detached_print(invocation, sent.run);
        return ERR_OK;
    }
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .session = sent.session,
                                    .run = sent.run,
                                    .after = sent.after,
                                    .json = TURN_JSON_EVENTS};
    return turn_look(&look);
}

static struct err run_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(lines_done) struct lines lines = {0};
    struct err err = talk_open(&talk, invocation);
    lines_init(&lines, STDIN_FILENO, talk.interrupt_fd);
    return err_failed(err) ? err : task_run(invocation, &talk, &lines);
}

const struct command command_agent_run = {
    COMMAND("agent", "run", "NAME [TASK]", "Give a task to a program, and follow it to its end."),
    HELP(AGENTS, "drover agent run codex \"Fix the failing tests\"\n"
                 "drover agent run claude \"Review this branch\" --detach --budget cost=2.50\n"),
    .flags = run_flags,
    .talks = true,
    .about = "With \"-\" as the task, or none in a pipe, it is read from standard input. The\n"
             "task gets a session of its own: 'drover ask --session last' goes on with it, and\n"
             "its budget holds for that, too. What the program spends counts when the program\n"
             "reports it, after a step or at its end: a budget that is used up lets no further\n"
             "step begin.\n"
             "\n"
             "With --json, each event is a line; the last one has \"event\": \"agent_finished\",\n"
             "\"run\", \"state\", \"cause\", \"text\" and \"usage\". --detach prints {\"run\"}.\n"
             "Exits with 0 when the run succeeded. Ctrl-C detaches, with 130: the run goes on.\n",
    .run = run_run,
};
