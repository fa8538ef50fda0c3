/* command_status.c: drover status: one screen with the daemon, the runs that have not ended, the
 * questions that wait for an answer, and the spending of today. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/quantity.h"
#include "cli/run/tree.h"
#include "cli/run/view.h"
#include "cli/run/waiting.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/live_screen.h"

enum { RUNS_LINES = 14, LINE_MAX_BYTES = 8 << 10, KEY_CELLS = 10 };

/* Requests to the daemon, one for each part of the screen. Lists are read to their last page. */
enum {
    PART_DAEMON,
    PART_PROVIDERS,
    PART_RUNS,
    PART_APPROVALS,
    PART_WAITING,
    PART_USAGE,
    PART_HEALTH, /* No answer: the daemon is not ready. */
    PARTS
};
static const struct {
    const char *name, *path;
    bool list;
} parts[PARTS] = {
    [PART_DAEMON] = {"daemon", "/api/v1/version", .list = false},
    [PART_PROVIDERS] = {"providers", "/api/v1/providers", .list = true},
    [PART_RUNS] = {"runs", "/api/v1/runs?live=1", .list = true},
    [PART_APPROVALS] = {"approvals", "/api/v1/approvals", .list = true},
    [PART_WAITING] = {"waiting", WAITING_PATH, .list = false},
    [PART_USAGE] = {"usage_today", "/api/v1/usage?by=day&days=1", .list = false},
    [PART_HEALTH] = {"health", "/readyz", .list = false},
};

/* --- Lines ------------------------------------------------------------------------------------ */

static void daemon_add(const struct invocation *invocation, const json_t *daemon,
                       struct text *out) {
    const char *by = talk_text(daemon, "on_demand");
    int64_t up_ms = world_wall_ms(invocation->world) - talk_int(daemon, "started_ms");
    text_addf(out, "daemon    pid %lld, version %s, up %s, started by %s\n",
              (long long)talk_int(daemon, "pid"), talk_text(daemon, "version"),
              run_span(up_ms > 0 ? up_ms : 0).text, by[0] != '\0' ? by : "drover serve");
}

static void provider_add(const json_t *provider, struct text *out) {
    const char *from = talk_text(provider, "key_from");
    text_add_str(out, talk_text(provider, "name"));
    if (strcmp(talk_text(provider, "origin"), "built in") == 0) {
        return;
    }
    if (from[0] == '\0') {
        text_add_str(out, " (no key)");
    } else if (strncmp(from, "key ", 4) == 0) {
        text_addf(out, " (%s)", from);
    } else {
        text_addf(out, " (key from the %s)", from);
    }
}

static void providers_add(const json_t *providers, struct text *out) {
    const size_t count = json_array_size(providers);
    bool added = false;
    text_add_str(out, "models    ");
    for (size_t i = 0; i < count; i++) {
        const json_t *provider = json_array_get(providers, i);
        added = added || strcmp(talk_text(provider, "origin"), "built in") != 0;
        text_add_str(out, i > 0 ? "\n          " : "");
        provider_add(provider, out);
    }
    text_add_str(out, added ? "\n"
                            : " only, which plays a script; 'drover provider add' adds a model\n");
}

static void waiting_add(const json_t *waiting, struct text *out) {
    AUTO(text_done) struct text counts = text_up_to(LINE_MAX_BYTES);
    waiting_counts_add(waiting, &counts);
    if (counts.len > 0) {
        text_addf(out, "waiting   %s: 'drover approve' lists what waits for you\n",
                  text_bytes(&counts).data);
    } else {
        text_add_str(out, "waiting   nothing waits for you\n");
    }
}

static void usage_add(const json_t *usage, struct text *out) {
    const json_t *total = json_object_get(json_object_get(usage, "total"), "usage");
    const int64_t cost = talk_int(total, "cost_micros"), unknown = talk_int(total, "cost_unknown");
    const long long calls = (long long)talk_int(total, "calls");
    text_addf(out, "today     %lld call%s of models", calls, calls == 1 ? "" : "s");
    if (calls > 0 && (cost > 0 || unknown == 0)) {
        text_addf(out, ", $%.4f%s", (double)cost / 1e6,
                  unknown > 0 ? " and calls of unknown cost" : "");
    } else if (calls > 0) {
        text_add_str(out, ", of unknown cost");
    }
    text_add_char(out, '\n');
}

/* Only where the directory or its disk fills up. */
static void disk_add(const json_t *disk, struct text *out) {
    const char *level = talk_text(disk, "level");
    const int64_t limit = talk_int(disk, "limit");
    if (level[0] == '\0' || strcmp(level, "ok") == 0) {
        return;
    }
    text_addf(out, "disk      %s: %s%s%s, %s free on this disk; 'drover du' shows what takes it\n",
              level, quantity_about(talk_int(disk, "bytes")).text, limit > 0 ? " of " : "",
              limit > 0 ? quantity_about(limit).text : "",
              quantity_about(talk_int(disk, "free_bytes")).text);
}

/* Only where browsers are, or were, signed in. */
static void pages_add(const json_t *pages, struct text *out) {
    const long long port = (long long)talk_int(pages, "port");
    if (json_is_true(json_object_get(pages, "taken"))) {
        text_addf(out, "pages     port %lld is taken by another program: 'drover doctor'\n", port);
    } else if (port > 0) {
        text_addf(out, "pages     http://127.0.0.1:%lld; 'drover open' signs a browser in\n", port);
    }
}

/* Turns of agents are lines of these. */
static size_t runs_count(const json_t *runs) {
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        count += strcmp(talk_text(run, "kind"), "turn") != 0 || talk_text(run, "parent")[0] == '\0';
    }
    return count;
}

static void runs_print(const struct invocation *invocation, json_t *const answers[PARTS]) {
    const size_t count = runs_count(answers[PART_RUNS]);
    AUTO(text_done) struct text text = text_up_to(LIVE_SCREEN_MAX);
    struct run_tree tree = run_tree_of(invocation);
    if (count == 0) {
        puts("runs      none");
        return;
    }
    printf("runs      %zu\n", count);
    tree.runs = answers[PART_RUNS];
    tree.questions = answers[PART_APPROVALS];
    tree.rows = RUNS_LINES;
    run_tree_draw(&tree, &text);
    fputs(text_bytes(&text).data, stdout);
}

static void status_print(const struct invocation *invocation, const struct talk *talk,
                         json_t *const answers[PARTS]) {
    const json_t *daemon = answers[PART_DAEMON];
    const bool local = talk->options.url == NULL;
    const struct paint paint = paint_of(STDOUT_FILENO, &invocation->env);
    AUTO(text_done) struct text out = text_up_to(LIVE_SCREEN_MAX);
    daemon_add(invocation, daemon, &out);
    text_addf(&out, "%s      %s\n", local ? "data" : "url ",
              local ? talk->options.data : talk->options.url);
    if (json_is_true(json_object_get(daemon, "held"))) {
        text_add_str(
            &out,
            "hold      nothing starts before 'drover release', which first shows what would\n");
    }
    providers_add(answers[PART_PROVIDERS], &out);
    waiting_add(answers[PART_WAITING], &out);
    usage_add(answers[PART_USAGE], &out);
    disk_add(json_object_get(answers[PART_HEALTH], "disk"), &out);
    pages_add(json_object_get(answers[PART_HEALTH], "pages"), &out);
    cells_wrap_values(&out, 0, &(struct cells_shape){KEY_CELLS, paint.columns});
    fputs(text_bytes(&out).data, stdout);
    runs_print(invocation, answers);
}

/* --- The command ------------------------------------------------------------------------------ */

/* No daemon is an answer too, and the exit code says it to a script. */
static struct err none_print(struct invocation *invocation, const struct talk *talk) {
    const char *data = talk->options.data;
    if (invocation->json) {
        AUTO(text_done) struct text line = text_up_to(LINE_MAX_BYTES);
        text_add_str(&line, "{\"daemon\":null");
        text_add_member(&line, "data", bytes_of(data));
        text_add_str(&line, "}\n");
        fputs(text_bytes(&line).data, stdout);
    } else {
        printf("daemon    none; a command that needs one starts it\ndata      %s\n", data);
    }
    invocation->exit_code = err_exit_code(ERR_UNREACHABLE);
    return ERR_OK;
}

static void answers_release(json_t *(*answers)[PARTS]) {
    for (size_t i = 0; i < PARTS; i++) {
        json_release(&(*answers)[i]);
    }
}

static void json_all_print(json_t *const answers[PARTS]) {
    AUTO(json_release) json_t *all = json_object();
    for (size_t i = 0; i < PART_HEALTH; i++) {                 /* A program asks /readyz itself. */
        (void)json_object_set(all, parts[i].name, answers[i]); /* Missing at worst. */
    }
    talk_print(all);
}

static struct err status_run(struct invocation *invocation, struct talk *talk) {
    AUTO(answers_release) json_t *answers[PARTS] = {NULL};
    struct err err = ERR_OK;
    for (size_t i = 0; i < PARTS && !err_failed(err); i++) {
        err = parts[i].list ? action_rows(talk, parts[i].path, &answers[i], &invocation->why)
                            : talk_get(talk, parts[i].path, &answers[i], &invocation->why);
        /* A daemon that is not ready has answered the rest; the line about the disk is left out. */
        err = i == PART_HEALTH ? ERR_OK : err;
    }
    if (err.code == ERR_UNREACHABLE && talk->options.url == NULL) {
        return none_print(invocation, talk);
    }
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        json_all_print(answers);
    } else {
        status_print(invocation, talk, answers);
    }
    return ERR_OK;
}

const struct command command_status = {
    COMMAND(NULL, "status", NULL, "Show the daemon, what runs, and what waits for you."),
    HELP(DAEMON, "drover status\n"),
    .asks_models = true,
    .starts_none = true,
    .about = "Exit code: 0 if a daemon is running, 9 if not. This command starts none.\n",
    .converse = status_run,
};
