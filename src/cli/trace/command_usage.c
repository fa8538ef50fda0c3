/* command_usage.c: drover usage: what models took. */
#include <stdio.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/view.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"

static const struct flag usage_flags[] = {
    OPTION_TEXT("by", 'b', "WHAT",
                "Group by day (default), hour, model, agent, session, project, category, tool, "
                "workflow, phase or segment; or by two of them: --by day,model."),
    OPTION_TEXT("days", 'd', "N", "Cover the last N days."),
    OPTION_TEXT("from", 0, "DAY", "Cover this day (2026-01-31, UTC) and later ones."),
    OPTION_TEXT("to", 0, "DAY", "Cover this day and earlier ones."),
    OPTION_TEXT("run", 0, "RUN", "Cover the agents of this workflow only."),
    OPTION_TEXT("project", 'p', "NAME", "Cover this project only."),
    OPTION_END,
};

/* Widths of columns. A narrow terminal has narrower amounts, and the key gets the rest. */
enum { KEY_MAX = 32, KEY_MIN = 10, NARROW = 80 };
struct widths {
    int key, read, amount;
};

static struct widths widths_of(void) {
    const int columns = terminal_size_or(STDOUT_FILENO, (struct terminal_size){0}).columns;
    struct widths widths = {KEY_MAX, 12, 10};
    if (columns > 0 && columns < NARROW) {
        widths = (struct widths){KEY_MAX, 9, 8};
    }
    const int room = columns - 2 - 6 - 2 - widths.read - 2 - 5 - 2 * (2 + widths.amount) - 2;
    if (columns > 0) {
        widths.key = room > KEY_MAX ? KEY_MAX : room < KEY_MIN ? KEY_MIN : room;
    }
    return widths;
}

/* Cut at a terminal; elsewhere a longer key pushes the amounts aside. */
static void key_print(const char *key, int width) {
    AUTO(text_done) struct text cut = text_up_to(8 << 10);
    if (isatty(STDOUT_FILENO) == 1) {
        (void)cells_add(&cut, bytes_of(key), width);
        key = text_bytes(&cut).data;
    }
    printf("%s%*s  ", key, width > cells_of(bytes_of(key)) ? width - cells_of(bytes_of(key)) : 0,
           "");
}

static void row_print(const char *key, const json_t *row) {
    const json_t *usage = json_object_get(row, "usage");
    const json_t *rate = json_object_get(row, "cache_hit_rate");
    const json_t *cost = json_object_get(usage, "cost_micros");
    int64_t read =
        talk_int(usage, "fresh") + talk_int(usage, "cache_read") + talk_int(usage, "cache_write");
    const struct widths widths = widths_of();
    key_print(key, widths.key);
    printf("%6lld  %*lld  ", (long long)talk_int(usage, "calls"), widths.read, (long long)read);
    if (json_is_number(rate)) {
        printf("%4.0f%%", 100 * json_number_value(rate));
    } else {
        printf("%5s", "-");
    }
    printf("  %*lld  ", widths.amount, (long long)talk_int(usage, "output"));
    const bool partly = talk_int(usage, "cost_unknown") > 0;
    if (json_is_integer(cost) && (json_integer_value(cost) > 0 || !partly)) {
        printf("%*.4f%s\n", widths.amount, (double)json_integer_value(cost) / 1e6,
               partly ? "+?" : "");
    } else { /* A cost that is not known is no zero. */
        printf("%*s\n", widths.amount, "unknown");
    }
}

/* A row of calls of a tool: these read and write no tokens. */
static void tool_row_print(const char *key, const json_t *row) {
    const json_t *usage = json_object_get(row, "usage");
    key_print(key, widths_of().key);
    printf("%6lld  %6lld  %8s\n", (long long)talk_int(usage, "calls"),
           (long long)talk_int(row, "errors"), run_span(talk_int(row, "ms")).text);
}

/* A row of a segment: its tokens alone. */
static void segment_row_print(const char *key, const json_t *row) {
    key_print(key, widths_of().key);
    printf("%12lld\n", (long long)talk_int(row, "tokens"));
}

/* The dimensions of a row: "2026-01-31 scripted/demo"; one that is empty is "-". */
static void key_write(const char *by, const json_t *row, struct text *text) {
    struct bytes rest = bytes_of(by), word = BYTES("");
    text_clear(text);
    while (bytes_next(&rest, ',', &word)) {
        char name[16];
        (void)snprintf(name, sizeof name, "%.*s", (int)word.len, word.data);
        const char *key = talk_text(row, name);
        text_add_str(text, text->len > 0 ? " " : "");
        plain_add(text, key[0] == '\0' ? "-" : key);
    }
}

#define USAGE_PARAMS                                                                               \
    {                                                                                              \
        {"by", "by"}, {"days", "days"}, {"from", "from"}, {"to", "to"}, {"run", "run"}, {          \
            "project", "project"                                                                   \
        }                                                                                          \
    }

static struct err usage_run(struct invocation *invocation, struct talk *talk) {
    static const struct action of_all = {"GET /api/v1/usage", USAGE_PARAMS,
                                         .unknown = "the name is too long"};
    static const struct action of_session = {"GET /api/v1/sessions/{}/usage", USAGE_PARAMS,
                                             .unknown = NULL};
    const struct args *args = &invocation->args;
    AUTO(json_release) json_t *answer = NULL;
    TRY(action_ask(talk, args->operand_count > 0 ? &of_session : &of_all, &answer));
    if (invocation->json) {
        talk_print(answer);
        return ERR_OK;
    }
    AUTO(text_done) struct text key = text_up_to(4096);
    const char *by = args_given(args, "by") ? args_text(args, "by") : "day";
    const json_t *items = json_object_get(answer, "items");
    const bool segments = json_object_get(json_array_get(items, 0), "segment") != NULL;
    const bool tools = json_object_get(json_array_get(items, 0), "errors") != NULL;
    if (json_array_size(items) == 0) {
        plain_note(
            "No model was asked in this time. 'drover usage --days N' looks further back.\n");
        return ERR_OK;
    }
    if (segments) {
        key_print(by, widths_of().key);
        printf("%12s\n", "TOKENS");
    } else if (tools) {
        key_print(by, widths_of().key);
        printf("%6s  %6s  %8s\n", "CALLS", "ERRORS", "TOOK");
    } else {
        const struct widths widths = widths_of();
        key_print(by, widths.key);
        printf("%6s  %*s  %5s  %*s  %*s\n", "CALLS", widths.read, "READ", "CACHE", widths.amount,
               "WRITTEN", widths.amount, "DOLLARS");
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *row = json_array_get(items, i);
        key_write(by, row, &key);
        (segments ? segment_row_print
         : tools  ? tool_row_print
                  : row_print)(text_bytes(&key).data, row);
    }
    if (!tools && !segments) {
        row_print("total", json_object_get(answer, "total"));
    }
    return ERR_OK;
}

const struct command command_usage = {
    COMMAND(NULL, "usage", "[SESSION]", "Show calls, tokens and dollars that models used."),
    HELP(BUDGETS, "drover usage\n"
                  "drover usage last\n"),
    .flags = usage_flags,
    .about = "READ is the number of tokens that models read, CACHE how many of these the\n"
             "provider had cached. An unknown cost is shown as \"unknown\"; \"+?\" means that a\n"
             "part is unknown. Segments are the parts of prompts and answers: tools,\n"
             "instructions, history, other (input that was not measured), output and\n"
             "reasoning.\n",
    .converse = usage_run,
};
