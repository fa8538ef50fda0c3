/* command_agent_test.c: drover agent test: how an agent would be started, or whether and how it
 * answers. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/run/view.h"
#include "cli/terminal/plain.h"
#include "cli/turn/attach.h"
#include "cli/turn/message.h"

static const char question[] = "Answer with one word: ready";

static const struct flag test_flags[] = {
    OPTION_SWITCH("dry-run", 0, "Show how its program would be started, and start nothing."),
    OPTION_TEXT("root", 0, "DIR", "Start it in this folder, and use its .drover/agents [.]."),
    OPTION_TEXT("prompt", 0, "TEXT", "Ask this [for one word]."),
    OPTION_END,
};

static void words_print(const char *title, const json_t *list) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        printf("%-8s ", i == 0 ? title : "");
        plain_print(bytes_of(json_string_value(json_array_get(list, i))));
        putchar('\n');
    }
}

static void start_print(const json_t *answer) {
    words_print("argv", json_object_get(answer, "argv"));
    words_print("env", json_object_get(answer, "env"));
    printf("%-8s ", "prompt");
    plain_print(json_bytes(answer, "prompt"));
    if (talk_text(answer, "input")[0] != '\0') {
        printf("\n%-8s ", "input");
        plain_print(json_bytes(answer, "input"));
    }
    putchar('\n');
}

static const struct action start = {
    "GET /api/v1/agents/{}/start", {{"prompt", "prompt"}}, .folder = "root", .print = start_print};

/* --- Its verdict ------------------------------------------------------------------------------ */

struct verdict {
    const json_t *agent;
    const struct message_sent *sent;
    const struct turn_outcome *turn;
    const char *why; /* "": it has succeeded. */
};

static void usage_print(const json_t *usage) {
    const json_t *cost = json_object_get(usage, "cost_micros");
    const int64_t read =
        talk_int(usage, "fresh") + talk_int(usage, "cache_read") + talk_int(usage, "cache_write");
    if (!json_is_integer(json_object_get(usage, "output"))) {
        puts("usage     unknown");
        return;
    }
    printf("usage     %lld tokens read, %lld written, ", (long long)read,
           (long long)talk_int(usage, "output"));
    if (json_is_integer(cost)) {
        printf("$%.4f\n", (double)json_integer_value(cost) / 1e6);
    } else {
        puts("cost unknown");
    }
}

static void verdict_print(const struct verdict *verdict) {
    const char *version = talk_text(verdict->agent, "version");
    printf("agent     %s\nprogram   %s%s%s\noutcome   %s (%s)\n", talk_text(verdict->agent, "name"),
           talk_text(verdict->agent, "command"), version[0] != '\0' ? " " : "", version,
           verdict->turn->state, verdict->turn->cause);
    if (verdict->why[0] != '\0') {
        printf("why       %s\n", verdict->why);
    } else if (verdict->turn->note[0] != '\0') {
        printf("note      %s\n", verdict->turn->note);
    }
    usage_print(verdict->turn->usage);
    printf("run       %s\n", verdict->sent->run);
}

static void verdict_write(const struct verdict *verdict) {
    const struct turn_outcome *turn = verdict->turn;
    json_t *answer = json_pack(
        "{s:O,s:O,s:O,s:s,s:s,s:s,s:s,s:s,s:s,s:s%,s:O}", "agent",
        json_object_get(verdict->agent, "name"), "command",
        json_object_get(verdict->agent, "command"), "version",
        json_object_get(verdict->agent, "version"), "session", verdict->sent->session, "run",
        verdict->sent->run, "state", turn->state, "cause", turn->cause, "why", verdict->why, "note",
        turn->note, "text", text_bytes(&turn->text).data, turn->text.len, "usage", turn->usage);
    talk_print(answer);
    json_decref(answer);
}

/* The sentence of a turn says what to do; a cause without one says what happened. */
static const char *why_of(const struct turn_outcome *turn) {
    return strcmp(turn->state, "succeeded") == 0 ? ""
           : turn->note[0] != '\0'               ? turn->note
                                                 : run_view_why(turn->cause);
}

static struct err verdict_tell(struct talk *talk, const struct message_sent *sent,
                               const struct turn_outcome *turn) {
    static const struct action agent_show = {.request = "GET /api/v1/agents/{}", .folder = "root"};
    AUTO(json_release) json_t *agent = NULL;
    struct invocation *invocation = talk->invocation;
    TRY(action_ask(talk, &agent_show, &agent));
    const struct verdict verdict = {
        .agent = agent, .sent = sent, .turn = turn, .why = why_of(turn)};
    (invocation->json ? verdict_write : verdict_print)(&verdict);
    invocation->exit_code = verdict.why[0] == '\0' ? invocation->exit_code : 1;
    return ERR_OK;
}

/* A session of its own: what it is asked belongs to no other. */
static struct err word_ask(struct invocation *invocation, struct talk *talk) {
    AUTO(message_sent_done) struct message_sent sent = {0};
    AUTO(turn_outcome_done) struct turn_outcome turn = {0};
    const char *given = args_text(&invocation->args, "prompt");
    const char *root = args_text(&invocation->args, "root");
    const struct message_order order = {.wish = {.agent = invocation->args.operands[0],
                                                 .root = root != NULL ? root : ".",
                                                 .title = "Test of an agent",
                                                 .tells = true},
                                        .text = given != NULL ? given : question};
    TRY(message_send(talk, &order, &sent, &invocation->why));
    const struct turn_watch look = {.invocation = invocation,
                                    .talk = talk,
                                    .session = sent.session,
                                    .run = sent.run,
                                    .after = sent.after,
                                    .show = invocation->json ? TURN_SHOW_SILENT : TURN_SHOW_FINAL};
    TRY(turn_end(&look, &turn));
    return verdict_tell(talk, &sent, &turn);
}

/* An agent of models has no program to start. */
static struct err start_show(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *agent = NULL;
    char root[PATH_MAX];
    TRY(root_resolve(args_text(&invocation->args, "root"), root, &invocation->why));
    TRY(session_program(talk, invocation->args.operands[0], root, &agent, &invocation->why));
    return action_do(invocation, &start);
}

static struct err test_run(struct invocation *invocation, struct talk *talk) {
    const bool dry = args_on(&invocation->args, "dry-run");
    return (dry ? start_show : word_ask)(invocation, talk);
}

const struct command command_agent_test = {
    COMMAND("agent", "test", "NAME", "Ask a program for one word, and report how it ends."),
    HELP(AGENTS, "drover agent test claude\n"
                 "drover agent test codex --dry-run\n"),
    .flags = test_flags,
    .about = "The program is asked in a session of its own, as 'drover ask --agent NAME' does.\n"
             "Its answer is printed, then how it ended, why and what to do, and what it used;\n"
             "with --json as one object. --dry-run starts nothing: it shows the arguments, the\n"
             "names of the variables that its definition sets, the prompt, and its input.\n"
             "\n"
             "Exits with 0 when it answered, with 1 when it failed, with 2 when NAME is an\n"
             "agent of models, with 3 when there is no such agent, with 5 when its program is\n"
             "missing or its definition is broken. Ctrl-C detaches, with 130.\n",
    .converse = test_run,
};
