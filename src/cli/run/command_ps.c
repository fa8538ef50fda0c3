/* command_ps.c: drover ps and drover job ls. On a terminal `ps` is a tree (tree.h), elsewhere a
 * list with stable columns.
 *
 * --watch reads the list again each second: there is no stream of all runs, and this is a display
 * that somebody looks at. On a terminal the picture is drawn again. Elsewhere, and as JSON, a line
 * is added for each run that is new, changed or over, and none is missed, however short it was: a
 * look reads the newest runs down to the newest one of the look before (so that a run which began
 * and ended in between is seen), then those that live. A run that lived at the last look and does
 * not now has ended, and is asked for by name. While the daemon is away it is waited for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/run/ask.h"
#include "cli/run/tree.h"
#include "cli/run/view.h"
#include "cli/terminal/live_view.h"

static void head_print(void *ctx) {
    AUTO(text_done) struct text text = text_up_to(1024);
    run_view_head(ctx, &text);
    fputs(text_bytes(&text).data, stdout);
}

static void row_print(void *ctx, const json_t *run) {
    AUTO(text_done) struct text text = text_up_to(1 << 20);
    run_view_row(ctx, run, &text);
    fputs(text_bytes(&text).data, stdout);
}

/* --- A tree ----------------------------------------------------------------------------------- */

struct tree_rows {
    struct talk *talk;
    struct invocation *invocation;
    json_t *runs, *questions; /* Owned. */
};

static void tree_rows_done(struct tree_rows *rows) {
    json_decref(rows->runs);
    json_decref(rows->questions);
}

static void tree_row_keep(void *ctx, const json_t *run) {
    struct tree_rows *rows = ctx;
    (void)json_array_append(rows->runs, (json_t *)(uintptr_t)run); /* At worst it is not shown. */
}

/* A token may see runs and no questions. */
static struct err tree_draw(struct tree_rows *rows, size_t lines, struct text *text) {
    struct run_tree tree = run_tree_of(rows->invocation);
    struct why *why = &rows->invocation->why;
    struct err err = action_rows(rows->talk, "/api/v1/approvals", &rows->questions, why);
    if (err_failed(err) && err.code != ERR_FORBIDDEN) {
        return err;
    }
    tree.runs = rows->runs;
    tree.questions = rows->questions;
    tree.rows = lines;
    run_tree_draw(&tree, text);
    return ERR_OK;
}

static struct err tree_print(void *ctx) {
    AUTO(text_done) struct text text = text_up_to(LIVE_SCREEN_MAX);
    const struct tree_rows *rows = ctx;
    if (json_array_size(rows->runs) == 0) {
        return ERR_OK; /* The list has reported it. */
    }
    struct err err = tree_draw(ctx, 0, &text);
    fputs(text_bytes(&text).data, stdout);
    return err;
}

/* --- Watching --------------------------------------------------------------------------------- */

struct ps_watch {
    struct invocation *invocation;
    struct talk *talk;
    /* "/api/v1/runs" with the filters that were given, and the same of those that live; borrowed.
     * --state is one of them only where the picture is drawn: changes into a state would not be
     * seen in a list that has but those in it. */
    const char *path, *live_path;
    bool all;  /* On a terminal: also those that have ended. */
    bool draw; /* Whether the output is a terminal. */
    struct run_view view;
    /* On a terminal. Owned: what stands there now, and the last picture that was read. */
    struct live_view shown;
    struct text picture;
};

enum {
    PAUSE_MS = 1000,
    RUNS_MAX = 100000,
    SHOWN = 50, /* Newest runs of a list that has ended ones, too. */
    ROWS_MIN = 4,
    ID_TIME_LEN = 14, /* "run_" and 10 */
};

struct look {
    struct ps_watch *watch;
    json_t *before, *now;        /* Owned: runs that live, by id; a value must change for a line. */
    char newest[40], marker[40]; /* The newest run of this look, and of the last; "": none. */
    bool first, reached;         /* reached: the marker. */
};

/* --- Lines ------------------------------------------------------------------------------------ */

static void line_print(struct look *look, const json_t *run) {
    struct ps_watch *watch = look->watch;
    if (!listing_state_fits(&watch->invocation->args, talk_text(run, "state"))) {
        return;
    }
    if (watch->invocation->json) {
        talk_print(run);
        return;
    }
    AUTO(text_done) struct text text = text_up_to(1 << 20);
    text_addf(&text, "%s  ", talk_time(watch->view.now_ms).text);
    run_view_row(&watch->view, run, &text);
    fputs(text_bytes(&text).data, stdout);
}

static void live_look(struct look *look, const json_t *run) {
    const char *id = talk_text(run, "id");
    char mark[32];
    (void)snprintf(mark, sizeof mark, "%.10s %.8s %lld", talk_text(run, "state"),
                   talk_text(run, "gate"), (long long)talk_int(run, "attempts")); /* Cut is fine. */
    if (json_object_size(look->now) < RUNS_MAX) { /* More than anybody can look at. */
        (void)json_object_set_new(look->now, id,
                                  json_string(mark)); /* Without memory for it, it is new again. */
    }
    if (strcmp(talk_text(look->before, id), mark) != 0) {
        line_print(look, run);
    }
}

/* --- One look --------------------------------------------------------------------------------- */

static void newest_each(void *ctx, const json_t *run) {
    struct look *look = ctx;
    const char *id = talk_text(run, "id");
    if (look->newest[0] == '\0') {
        (void)snprintf(look->newest, sizeof look->newest, "%s", id); /* An id is short. */
    }
    /* The marker itself may have been removed since. */
    if (look->first || (look->marker[0] != '\0' && (strcmp(id, look->marker) == 0 ||
                                                    strncmp(id, look->marker, ID_TIME_LEN) < 0))) {
        look->reached = true;
    } else if (run_has_ended(run)) {
        line_print(look, run);
    } else {
        live_look(look, run);
    }
}

static void live_each(void *ctx, const json_t *run) {
    struct look *look = ctx;
    const char *id = talk_text(run, "id");
    if (json_object_get(look->before, id) != NULL || json_object_get(look->now, id) == NULL) {
        live_look(look, run);
    }
}

static int by_id(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Prints the runs that lived at the last look and do not now, the oldest first. */
static struct err gone_look(struct look *look) {
    struct why *why = &look->watch->invocation->why;
    AUTO(mem_release)
    const char **gone = mem_new_array(json_object_size(look->before) + 1, sizeof *gone);
    size_t count = 0;
    const char *id = NULL;
    json_t *mark = NULL;
    json_object_foreach(look->before, id, mark) {
        if (json_object_get(look->now, id) == NULL) {
            gone[count++] = id;
        }
    }
    qsort(gone, count, sizeof *gone, by_id);
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !err_failed(err); i++) {
        AUTO(json_release) json_t *run = NULL;
        err = run_get(look->watch->talk, gone[i], 0 /* no retry */, &run, why);
        if (err.code == ERR_NOT_FOUND) {
            err = ERR_OK; /* The run ended, and was removed. */
        } else if (!err_failed(err)) {
            line_print(look, run);
        }
    }
    return err;
}

/* A look that failed in the middle is forgotten: the next one prints what this one might have. */
static struct err look_once(struct look *look) {
    struct ps_watch *watch = look->watch;
    struct talk_rows rows = {.path = watch->path,
                             .enough = &look->reached,
                             .each = newest_each,
                             .ctx = look,
                             .most = look->first ? 1 : RUNS_MAX};
    json_decref(look->now);
    look->now = json_object();
    look->newest[0] = '\0';
    look->reached = false;
    TRY(talk_rows(watch->talk, &rows, &watch->invocation->why));
    TRY(talk_list(watch->talk, watch->live_path, live_each, look, &watch->invocation->why));
    TRY(gone_look(look));
    json_decref(look->before);
    look->before = look->now;
    look->now = NULL;
    if (look->newest[0] != '\0') {
        memcpy(look->marker, look->newest, sizeof look->marker);
    }
    look->first = false;
    return ERR_OK;
}

/* --- A picture -------------------------------------------------------------------------------- */

enum { TREE_RUNS_MAX = 10000 };

/* The line below the picture is that of the cursor. */
static struct err draw_once(struct ps_watch *watch) {
    AUTO(tree_rows_done)
    struct tree_rows kept = {
        .talk = watch->talk, .invocation = watch->invocation, .runs = json_array()};
    AUTO(text_done) struct text text = text_up_to(LIVE_SCREEN_MAX);
    const struct terminal_size size = live_view_resize(&watch->shown);
    const struct talk_rows rows = {.path = watch->all ? watch->path : watch->live_path,
                                   .each = tree_row_keep,
                                   .ctx = &kept,
                                   .most = watch->all ? SHOWN : TREE_RUNS_MAX};
    TRY(talk_rows(watch->talk, &rows, &watch->invocation->why));
    TRY(tree_draw(&kept, size.rows > ROWS_MIN ? (size_t)size.rows - 1 : ROWS_MIN, &text));
    text_clear(&watch->picture);
    text_add(&watch->picture, text.data, text.len);
    live_view_show(&watch->shown, &watch->picture, NULL /* no cursor */);
    return ERR_OK;
}

/* Above the picture, which shows the runs as they were. */
static void trouble_show(struct ps_watch *watch, struct err err) {
    if (!watch->draw) {
        talk_trouble_of(err, &watch->invocation->why);
        return;
    }
    text_addf(&watch->shown.above, "drover: %s; trying again\n",
              err_words(err, &watch->invocation->why));
    live_view_show(&watch->shown, &watch->picture, NULL /* no cursor */);
}

/* --- Again and again -------------------------------------------------------------------------- */

static struct err watch_loop(struct ps_watch *watch) {
    struct look look = {.watch = watch, .first = true};
    struct why *why = &watch->invocation->why;
    struct err err = ERR_OK;
    bool away = false, begun = false;
    if (!watch->draw && !watch->invocation->json) {
        AUTO(text_done) struct text head = text_up_to(1024);
        text_addf(&head, "%-20s  ", "WHEN");
        run_view_head(&watch->view, &head);
        fputs(head.data, stdout);
    }
    while (!err_failed(err)) {
        watch->view.now_ms = world_wall_ms(watch->invocation->world);
        why->text[0] = '\0';
        err = watch->draw ? draw_once(watch) : look_once(&look);
        bool passes = begun && client_may_pass(err);
        if (passes && !away) {
            trouble_show(watch, err);
        }
        away = passes;
        begun = begun || !err_failed(err);
        if (passes || !err_failed(err)) {
            err = client_pause(&watch->talk->options, PAUSE_MS);
        }
    }
    json_decref(look.before);
    json_decref(look.now);
    return err;
}

/* --- Every kind ------------------------------------------------------------------------------- */

#define RUN_FILTERS                                                                                \
    LISTING_STATE(LISTING_RUN_STATES),                                                             \
        LISTING_WORD("project", "NAME", "List only rows of this project."),                        \
        LISTING_WORD("session", "SESSION", "List only runs of this session."),                     \
        LISTING_WORD("agent", "NAME", "List only runs of this agent."),                            \
        LISTING_WORD("parent", "RUN", "List only children of this run."),                          \
        LISTING_WORD("root", "RUN", "List only runs in the tree of this run."),                    \
        OPTION_SWITCH("top", 0, "List only runs that no other run has started."),                  \
        LISTING_SEARCH("label, command or id"), LISTING_SINCE("submitted")

static const struct flag ps_flags[] = {
    OPTION_SWITCH("all", 'a', "Include finished runs; --state does so, too."),
    OPTION_TEXT("kind", 0, "KIND", "List only runs of this kind.",
                .choices = "job|turn|agent|workflow|flow"),
    OPTION_SWITCH("watch", 'w', "Redraw each second; in a pipe, print each change."),
    RUN_FILTERS,
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static struct err watch_run(struct talk *talk, struct invocation *invocation) {
    AUTO(text_done) struct text path = {0}, live = text_up_to(16 << 10);
    const struct args *args = &invocation->args;
    bool draw = !invocation->json && isatty(STDOUT_FILENO) == 1, limit = args_given(args, "limit");
    if (limit || args_given(args, "total")) { /* A watch has no last row that could be counted. */
        return err_why(&invocation->why, ERR_USAGE, "--watch does not go with --%s",
                       limit ? "limit" : "total");
    }
    TRY(listing_path(invocation, "/api/v1/runs", draw ? LISTING_ALL : LISTING_ALL_BUT_STATE,
                     &path));
    text_addf(&live, "%s%clive=1", path.data, strchr(path.data, '?') == NULL ? '?' : '&');
    struct ps_watch watch = {.invocation = invocation,
                             .talk = talk,
                             .path = path.data,
                             .live_path = live.data,
                             .all = args_on(args, "all") || args_given(args, "state"),
                             .draw = draw,
                             .view = run_view_of(invocation)};
    live_view_init(&watch.shown, stdout);
    text_init(&watch.picture, LIVE_SCREEN_MAX);
    invocation->follows = true;
    struct err err = watch_loop(&watch);
    live_view_done(&watch.shown);
    text_done(&watch.picture);
    return err;
}

/* `ps` and `job ls`. With --live, or `ps` without --all and --state, only runs that live. */
static struct err list_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    bool jobs = args_has(args, "live"), watches = !jobs && args_on(args, "watch");
    bool ended = jobs ? !args_on(args, "live") : args_on(args, "all") || args_given(args, "state");
    const bool draws = !invocation->json && isatty(STDOUT_FILENO) == 1;
    AUTO(tree_rows_done)
    struct tree_rows kept = {.talk = talk, .invocation = invocation, .runs = json_array()};
    struct run_view view = run_view_of(invocation);
    char path[32];
    (void)snprintf(path, sizeof path, "/api/v1/%s%s", jobs ? "jobs" : "runs",
                   ended ? "" : "?live=1"); /* Fits. */
    static const char *const empty[2][2] = {
        {"Nothing runs. 'drover ps --all' shows what ended.",
         "There is no run. 'drover ask', 'drover run' and 'drover job run' begin one."},
        {"No job runs. 'drover job ls' shows those that ended.",
         "There is no job. 'drover job run -- COMMAND' starts one."}};
    const struct listing listing = {.path = path,
                                    .empty = empty[jobs][ended],
                                    .most = jobs || ended ? SHOWN : 0,
                                    .head = draws ? NULL : head_print,
                                    .row = draws ? tree_row_keep : row_print,
                                    .foot = draws ? tree_print : NULL,
                                    .ctx = draws ? (void *)&kept : (void *)&view};
    if (watches) {
        return watch_run(talk, invocation);
    }
    struct err err = listing_print(talk, invocation, &listing);
    talk_warn_held(talk);
    return err;
}

const struct command command_ps = {
    COMMAND(NULL, "ps", NULL, "List running and waiting runs of every kind."),
    HELP(RUNS, "drover ps\n"
               "drover ps --watch\n"
               "drover ps --all --since 12h\n"),
    .flags = ps_flags,
    .about = "On a terminal, runs are drawn as a tree: agents below their workflow, commands\n"
             "below their turn. Questions come first, with the command that answers them. In a\n"
             "pipe, each run is a line.\n"
             "\n"
             "Without --limit, all unfinished runs are listed; with --all or --state, the\n"
             "newest 50. With --watch and --state in a pipe, a line is printed each time a run\n"
             "enters one of these states.\n",
    .converse = list_run,
};

/* --- Jobs ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_SWITCH("live", 0, "List only jobs that have not finished."),
    RUN_FILTERS,
    LISTING_FLAGS("50"),
    OPTION_END,
};

const struct command command_job_ls = {
    COMMAND("job", "ls", NULL, "List jobs, the newest first."),
    HELP(JOBS, "drover job ls --live\n"
               "drover job ls --state failed,lost --since 12h\n"),
    .flags = ls_flags,
    .converse = list_run,
};
