/* command_agent.c: drover agent ls, show: programs that are agents. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"

static const struct flag agent_flags[] = {
    OPTION_TEXT("root", 0, "DIR", "Count the .drover/agents of this folder, too [only yours]."),
    OPTION_END,
};

static const struct column columns[] = {
    COLUMN("AGENT", -16, "name", COLUMN_TEXT),
    COLUMN("STATE", -8, "state", COLUMN_TEXT),
    COLUMN("PROGRAM", -40, "command", COLUMN_OPTIONAL),
    COLUMN("MAY", 0, "may", COLUMN_TEXT),
    COLUMN_END,
};

const struct command command_agent_ls = {
    COMMAND("agent", "ls", NULL, "List programs that are agents."),
    HELP(AGENTS, "drover agent ls\n"),
    .flags = agent_flags,
    .about = "Claude Code, Codex, OpenCode and Pi are known; others are defined in files,\n"
             "~/.drover/agents/NAME.json or the same below a project. Ask one with\n"
             "'drover ask --agent NAME'. MAY says what it does without asking you.\n",
    ACTION("GET /api/v1/agents", {{"root", "root"}}, .columns = columns),
};

static void agent_print(const json_t *row) {
    static const char *const members[][2] = {
        {"agent", "name"}, {"state", "state"}, {"program", "command"},   {"model", "model"},
        {"from", "from"},  {"may", "may"},     {"about", "description"}, {"why", "why"}};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *text = talk_text(row, members[i][1]);
        if (text[0] != '\0') {
            printf("%-9s %s\n", members[i][0], text);
        }
    }
}

const struct command command_agent_show = {
    COMMAND("agent", "show", "NAME", "Show a program that is an agent."),
    HELP(AGENTS, "drover agent show claude\n"),
    .flags = agent_flags,
    ACTION("GET /api/v1/agents/{}", {{"root", "root"}}, .print = agent_print),
};
