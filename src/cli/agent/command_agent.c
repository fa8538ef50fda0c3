/* command_agent.c: drover agent ls, show, add, set, rm. */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/terminal/plain.h"
#include "rules/agent/definition.h"

enum { NOW_MAX = 200 };

#define AGENT_ROOT OPTION_TEXT("root", 0, "DIR", "Include the .drover/agents of this folder [.].")
static const struct flag agent_flags[] = {AGENT_ROOT, OPTION_END};
static const struct flag ls_flags[] = {AGENT_ROOT, LISTING_FLAGS(NULL), OPTION_END};

/* An agent with a broken definition may do nothing: the reason stands there. */
static void may_add(const json_t *row, struct text *value) {
    const bool broken = strcmp(talk_text(row, "state"), "broken") == 0;
    text_add_str(value, talk_text(row, broken ? "why" : "may"));
}

/* "1 of 2 run, 3 wait, cools until 14:05 (rate_limited)"; of one that has nothing to do: "". */
static void now_add(const json_t *row, struct text *value) {
    const long long running = talk_int(row, "running"), waiting = talk_int(row, "waiting");
    const long long at_once = talk_int(row, "at_once");
    const int64_t until_ms = talk_int(row, "cooling_until_ms");
    if (running > 0) {
        text_addf(value, "%lld", running);
        if (at_once > 0) {
            text_addf(value, " of %lld", at_once);
        }
        text_addf(value, " run%s", running == 1 && at_once == 0 ? "s" : "");
    }
    if (waiting > 0) {
        text_addf(value, "%s%lld wait%s", value->len > 0 ? ", " : "", waiting,
                  waiting == 1 ? "s" : "");
    }
    if (until_ms > 0) {
        text_addf(value, "%scools until %s (%s)", value->len > 0 ? ", " : "",
                  talk_clock(until_ms).text, talk_text(row, "cooling_cause"));
    }
}

static void now_or_none_add(const json_t *row, struct text *value) {
    now_add(row, value);
    if (value->len == 0) {
        text_add_char(value, '-');
    }
}

static const struct column columns[] = {
    COLUMN("AGENT", -16, "name", COLUMN_TEXT),
    COLUMN("KIND", -6, "kind", COLUMN_TEXT),
    COLUMN("STATE", -13, "state", COLUMN_TEXT),
    COLUMN_LEAVING("VERSION", -10, "version", COLUMN_OPTIONAL),
    COLUMN_LEAVING("PROGRAM", -32, "command", COLUMN_OPTIONAL),
    {.title = "NOW", .width = -12, .fit = FIELD_LEAVES, .add = now_or_none_add},
    COLUMN_WRAPPED("MAY", may_add),
    COLUMN_END,
};

const struct command command_agent_ls = {
    COMMAND("agent", "ls", NULL, "List agents: programs, and those of models."),
    HELP(AGENTS, "drover agent ls\n"),
    .flags = ls_flags,
    .about = "Claude Code, Codex, OpenCode, Kilo and Pi are known; others are in files,\n"
             ".drover/agents/NAME.json or .md of a project or of your home, or stored by\n"
             "'drover agent add'. Ask one with 'drover ask --agent NAME'. Those of kind native\n"
             "are for agentType of workflows. NOW shows what runs and waits, and until when an\n"
             "agent cools down after its provider refused. MAY shows what it does without\n"
             "asking you, or what is wrong with its definition.\n",
    ACTION("GET /api/v1/agents", .folder = "root", .columns = columns),
};

static void agent_print(const json_t *row) {
    AUTO(text_done) struct text now = text_up_to(NOW_MAX);
    static const char *const members[][2] = {
        {"agent", "name"},        {"kind", "kind"},       {"state", "state"},
        {"version", "version"},   {"program", "command"}, {"model", "model"},
        {"from", "from"},         {"may", "may"},         {"isolation", "isolation"},
        {"about", "description"}, {"why", "why"}};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        const char *text = talk_text(row, members[i][1]);
        if (text[0] != '\0') {
            printf("%-9s %s\n", members[i][0], text);
        }
    }
    now_add(row, &now);
    if (now.len > 0) {
        printf("%-9s %s\n", "now", text_bytes(&now).data);
    }
}

const struct command command_agent_show = {
    COMMAND("agent", "show", "NAME", "Show an agent."),
    HELP(AGENTS, "drover agent show claude\n"),
    .flags = agent_flags,
    ACTION("GET /api/v1/agents/{}", .folder = "root", .unknown = AGENT_UNKNOWN,
           .print = agent_print),
};

/* --- Stored definitions ----------------------------------------------------------------------- */

/* A text, or a reference: NAME to the daemon's variable, NAME=@FILE to a key file. */
static struct err env_value_add(struct text *body, const char *given, size_t name_len,
                                struct why *why) {
    const char *value = given[name_len] == '=' ? given + name_len + 1 : NULL;
    if (value != NULL && value[0] != '@') {
        return flags_text_add(body, value, "--env", why);
    }
    text_add_str(body, value == NULL ? "{\"from\":" : "{\"file\":");
    text_add_json(body, value == NULL ? given : value + 1,
                  value == NULL ? name_len : strlen(value + 1));
    text_add_char(body, '}');
    return ERR_OK;
}

static struct err pairs_add(const struct args *args, const char *flag, const char *member,
                            struct text *body, struct why *why) {
    const bool env = strcmp(flag, "env") == 0;
    const char *given = NULL;
    unsigned cursor = 0;
    struct err err = ERR_OK;
    if (!args_given(args, flag)) {
        return ERR_OK;
    }
    text_add_name(body, member);
    for (char before = '{'; !err_failed(err) && (given = args_next(args, flag, &cursor)) != NULL;
         before = ',') {
        const size_t len = strcspn(given, "=");
        if (len == 0 || (!env && given[len] == '\0')) {
            return err_why(why, ERR_USAGE, "--%s: '%.100s' is not %s", flag, given,
                           env ? "NAME or NAME=VALUE" : "FIELD=PATH");
        }
        text_add_char(body, before);
        text_add_json(body, given, len);
        text_add_char(body, ':');
        err = env ? env_value_add(body, given, len, why)
                  : flags_text_add(body, given + len + 1, "--line", why);
    }
    text_add_char(body, '}');
    return err;
}

static struct err price_add(const void *ctx, struct text *body, struct why *why) {
    const struct args *args = &((const struct invocation *)ctx)->args;
    const char *given = NULL;
    unsigned cursor = 0;
    if (!args_given(args, "price")) {
        return ERR_OK;
    }
    text_add_name(body, "price");
    for (char before = '{'; (given = args_next(args, "price", &cursor)) != NULL; before = ',') {
        const size_t len = strcspn(given, "=");
        int64_t micros = 0;
        if (len == 0 || given[len] == '\0' ||
            !number_parse(bytes_of(given + len + 1), (struct number_bounds){0, PRICE_MAX},
                          &micros)) {
            return err_why(why, ERR_USAGE,
                           "--price: '%.100s' is not KIND=MICROS, such as input=1250000: micro-"
                           "dollars per million tokens",
                           given);
        }
        text_add_char(body, before);
        text_add_json(body, given, len);
        text_addf(body, ":%lld", (long long)micros);
    }
    text_add_char(body, '}');
    return ERR_OK;
}

static struct err env_add(const void *ctx, struct text *body, struct why *why) {
    return pairs_add(&((const struct invocation *)ctx)->args, "env", "env", body, why);
}

static struct err lines_add(const void *ctx, struct text *body, struct why *why) {
    return pairs_add(&((const struct invocation *)ctx)->args, "line", "lines", body, why);
}

static const struct flags_part parts[] = {
    {"env", env_add}, {"lines", lines_add}, {"price", price_add}, {.name = NULL}};

static const struct flag definition_flags[] = {FLAGS_OF(&agent_fields), OPTION_END};

static const char no_name[] = "'{}' is no name of an agent: it has 1 to 64 bytes, no slash, no "
                              "backslash, and no dot at its beginning";

#define STORED_ABOUT                                                                               \
    "A stored agent counts in every folder, after files of that name. Secrets are\n"               \
    "not stored: --env NAME passes on the variable of the daemon, --env NAME=@FILE\n"              \
    "the line of DIR/agent-keys/FILE, which only you may read.\n"

const struct command command_agent_add = {
    COMMAND("agent", "add", "NAME", "Store the definition of a program that is an agent."),
    HELP(AGENTS, "drover agent add reviewer --program codex --access read\n"
                 "drover agent add helper --program plain --command /opt/helper/run\n"),
    .flags = definition_flags,
    .about = STORED_ABOUT,
    ACTION("POST /api/v1/agents", .gives = &agent_fields, .parts = parts,
           .done = "{name} is stored; 'drover agent test {name}' asks it for one word"),
};

const struct command command_agent_set = {
    COMMAND("agent", "set", "NAME", "Store a definition in place of the one of that name."),
    HELP(AGENTS, "drover agent set reviewer --program claude --access read\n"),
    .flags = definition_flags,
    .about = "Fields that are not given get their defaults.\n" STORED_ABOUT,
    ACTION("PUT /api/v1/agents/{}", .gives = &agent_fields, .parts = parts, .unknown = no_name,
           .done = "{name} is stored; 'drover agent test {name}' asks it for one word"),
};

const struct command command_agent_rm = {
    COMMAND("agent", "rm", "NAME…", "Remove a stored definition. Existing sessions keep it."),
    HELP(AGENTS, "drover agent rm reviewer\n"),
    ACTION("DELETE /api/v1/agents/{}", .unknown = "there is no stored agent '{}'",
           .done = "{name} is removed"),
};
