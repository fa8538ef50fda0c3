/* command_agent_test.c: drover agent test: how an agent would be started, or whether it answers. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/ask.h"
#include "cli/session/session.h"
#include "cli/turn/follow.h"

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
    AUTO(mem_release) char *session = NULL;
    AUTO(mem_release) char *run = NULL;
    const char *given = args_text(&invocation->args, "prompt");
    const struct session_wish wish = {.agent = invocation->args.operands[0],
                                      .root = args_text(&invocation->args, "root"),
                                      .title = "Test of an agent"};
    struct err err = session_make(talk, &wish, &session, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    const struct session_say say = {
        .session = session, .text = given != NULL ? given : question, .retry_ms = RUN_RETRY_MS};
    struct session_ends ends = {.head = 0};
    err = session_ends(talk, session, &ends, &invocation->why);
    err = err_failed(err) ? err : session_say(talk, &say, &run, &invocation->why);
    const struct turn_watch look = {
        .invocation = invocation, .talk = talk, .session = session, .run = run, .after = ends.head};
    return err_failed(err) ? err : turn_look(&look);
}

/* A name that no program has would be the mere label of a session of models. */
static struct err program_check(struct invocation *invocation, struct talk *talk) {
    static const struct action show = {.request = "GET /api/v1/agents/{}/start",
                                       .params = {{"root", "root"}}};
    AUTO(json_release) json_t *answer = NULL;
    return action_open(talk, invocation, &show, &answer);
}

static struct err test_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    if (args_on(&invocation->args, "dry-run")) {
        return action_do(invocation, &start);
    }
    struct err err = program_check(invocation, &talk);
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
