/* command_agent_test.c: drover agent test: how an agent would be started, or whether it answers. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/turn/follow.h"
#include "cli/turn/message.h"

static const char question[] = "Answer with one word: ready";

static const struct flag test_flags[] = {
    OPTION_SWITCH("dry-run", 0, "Show how its program would be started, and start nothing."),
    OPTION_TEXT("root", 0, "DIR", "Start it in this folder, whose .drover/agents count [none]."),
    OPTION_TEXT("prompt", 0, "TEXT", "Ask this [for one word]."),
    OPTION_END,
};

static void words_print(const char *title, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("%-8s %s\n", i == 0 ? title : "", json_string_value(json_array_get(list, i)));
    }
}

static void start_print(const json_t *answer) {
    words_print("argv", json_object_get(answer, "argv"));
    words_print("env", json_object_get(answer, "env"));
    printf("%-8s %s\n", "prompt", talk_text(answer, "prompt"));
    if (talk_text(answer, "input")[0] != '\0') {
        printf("%-8s %s\n", "input", talk_text(answer, "input"));
    }
}

static const struct action start = {
    "GET /api/v1/agents/{}/start", {{"root", "root"}, {"prompt", "prompt"}}, .print = start_print};

/* A session of its own: what it is asked belongs to no other. */
static struct err word_ask(struct invocation *invocation, struct talk *talk) {
    AUTO(message_sent_done) struct message_sent sent = {0};
    const char *given = args_text(&invocation->args, "prompt");
    const struct message_order order = {.wish = {.agent = invocation->args.operands[0],
                                                 .root = args_text(&invocation->args, "root"),
                                                 .title = "Test of an agent"},
                                        .text = given != NULL ? given : question};
    struct err err = message_send(talk, &order, &sent, &invocation->why);
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .session = sent.session,
                                    .run = sent.run,
                                    .after = sent.after};
    return err_failed(err) ? err : turn_look(&look);
}

static struct err test_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    if (args_on(&invocation->args, "dry-run")) {
        return action_do(invocation, &start);
    }
    struct err err = talk_open(&talk, invocation);
    return err_failed(err) ? err : word_ask(invocation, &talk);
}

const struct command command_agent_test = {
    COMMAND("agent", "test", "NAME", "Ask a program for one word. Exits with 1 if none comes."),
    HELP(AGENTS, "drover agent test claude\n"
                 "drover agent test codex --dry-run\n"),
    .flags = test_flags,
    .about = "--dry-run shows the arguments, the names of the variables that its definition\n"
             "sets, the prompt, and what is written to its input. Without it the program is\n"
             "asked in a session of its own, as 'drover ask --agent NAME' would.\n",
    .talks = true,
    .run = test_run,
};
