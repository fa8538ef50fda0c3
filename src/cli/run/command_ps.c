/* command_ps.c: drover ps and drover job ls.
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
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"

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

static struct err list_print(struct talk *talk, struct invocation *invocation, const char *path,
                             int64_t most) {
    struct run_view view = run_view_fitted(invocation);
    const struct listing listing = {
        .path = path, .most = most, .head = head_print, .row = row_print, .ctx = &view};
    talk_warn_held(talk);
    return listing_print(talk, invocation, &listing);
}

/* --- Watching --------------------------------------------------------------------------------- */

struct ps_watch {
    struct invocation *invocation;
    struct talk *talk;
    const char *path; /* "/api/v1/runs" with the filters that were given; borrowed. --state is one
                       * of them only where the picture is drawn: changes into a state would not be
                       * seen in a list that has but those in it. */
    bool all;         /* On a terminal: also those that have ended. */
    bool draw;        /* Whether the output is a terminal. */
    struct run_view view;
};

enum { PAUSE_MS = 1000, RUNS_MAX = 100000, ROWS_MIN = 4, ID_TIME_LEN = 14 /* "run_" and 10 */ };

struct look {
    struct ps_watch *watch;
    json_t *before, *now;        /* Owned: runs that live, by id; a value must change for a line. */
    char newest[40], marker[40]; /* The newest run of this look, and of the last; "": none. */
    bool first, reached;         /* reached: the marker. */
};

static void live_path(const struct ps_watch *watch, struct text *path) {
    text_init(path, 16 << 10);
    text_addf(path, "%s%clive=1", watch->path, strchr(watch->path, '?') == NULL ? '?' : '&');
}

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
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 20);
    text_addf(&text, "%s  ", talk_time(watch->view.now_ms).text);
    run_view_row(&watch->view, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
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
    AUTO(text_done) struct text live = {0};
    struct talk_rows rows = {.path = watch->path,
                             .enough = &look->reached,
                             .each = newest_each,
                             .ctx = look,
                             .most = look->first ? 1 : RUNS_MAX};
    json_decref(look->now);
    look->now = json_object();
    look->newest[0] = '\0';
    look->reached = false;
    live_path(watch, &live);
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    if (!err_failed(err)) {
        err = talk_list(watch->talk, live.data, live_each, look, &watch->invocation->why);
    }
    if (!err_failed(err)) {
        err = gone_look(look);
    }
    if (err_failed(err)) {
        return err;
    }
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

struct picture {
    const struct run_view *view;
    struct text text; /* Owned. */
    int64_t rows, left;
};

static void picture_each(void *ctx, const json_t *run) {
    struct picture *picture = ctx;
    picture->rows++;
    if (picture->left > 0) {
        picture->left--;
        run_view_row(picture->view, run, &picture->text);
    }
}

/* The lines over the old ones, each cleared to its end, then what is below: no flicker. */
static void picture_show(const struct text *text) {
    fputs("\033[H", stdout);
    for (size_t at = 0; at < text->len;) {
        const char *end = memchr(text->data + at, '\n', text->len - at);
        size_t len = end != NULL ? (size_t)(end - text->data) - at : text->len - at;
        fwrite(text->data + at, 1, len, stdout);
        fputs("\033[K\n", stdout);
        at += len + 1;
    }
    fputs("\033[J", stdout);
    (void)fflush(stdout); /* A failure shows again at the end. */
}

static struct err draw_once(struct ps_watch *watch) {
    struct terminal_size size = {.rows = 24, .columns = 80};
    if (!terminal_size(STDOUT_FILENO, &size)) {
        size.rows = 24; /* A terminal a moment ago. */
    }
    const int64_t room = size.rows > ROWS_MIN ? size.rows - 3 : ROWS_MIN;
    AUTO(text_done) struct text path = {0};
    struct picture picture = {.view = &watch->view, .left = room};
    watch->view.columns = size.columns;
    live_path(watch, &path);
    text_init(&picture.text, 4 << 20);
    run_view_head(&watch->view, &picture.text);
    struct talk_rows rows = {.path = watch->all ? watch->path : path.data,
                             .each = picture_each,
                             .ctx = &picture,
                             .most = watch->all ? room : 0};
    struct err err = talk_rows(watch->talk, &rows, &watch->invocation->why);
    if (!err_failed(err) && picture.rows > room) {
        text_addf(&picture.text, "and %lld more\n", (long long)(picture.rows - room));
    }
    if (!err_failed(err)) {
        picture_show(&picture.text);
    }
    text_done(&picture.text);
    return err;
}

/* --- Again and again -------------------------------------------------------------------------- */

static struct err watch_loop(struct ps_watch *watch) {
    struct look look = {.watch = watch, .first = true};
    struct why *why = &watch->invocation->why;
    struct err err = ERR_OK;
    bool away = false, begun = false;
    if (watch->draw) {
        fputs("\033[2J", stdout);
    } else if (!watch->invocation->json) {
        AUTO(text_done) struct text head = {0};
        text_init(&head, 1024);
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
            talk_trouble_of(err, why);
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

enum { SHOWN = 50 };
#define RUN_FILTERS                                                                                \
    LISTING_STATE(LISTING_RUN_STATES), LISTING_WORD("project", "NAME", "Only of this project."),   \
        LISTING_WORD("session", "SESSION", "Only those of this session."),                         \
        LISTING_WORD("parent", "RUN", "Only children of this run."),                               \
        LISTING_WORD("root", "RUN", "Only those of this run's tree."),                             \
        LISTING_SEARCH("label, command or id"), LISTING_SINCE("submitted")

static const struct flag ps_flags[] = {
    OPTION_SWITCH("all", 'a', "Also those that have ended; so does --state."),
    OPTION_TEXT("kind", 0, "KIND", "Only of this kind.", .choices = "job|turn|agent|workflow|flow"),
    OPTION_SWITCH("watch", 'w', "Stay: draw it anew each second; in a pipe, add what changes."),
    RUN_FILTERS,
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static struct err watch_run(struct talk *talk, struct invocation *invocation) {
    AUTO(text_done) struct text path = {0};
    const struct args *args = &invocation->args;
    bool draw = !invocation->json && isatty(STDOUT_FILENO) == 1, limit = args_given(args, "limit");
    if (limit || args_given(args, "total")) { /* A watch has no last row that could be counted. */
        return err_why(&invocation->why, ERR_USAGE, "--watch does not go with --%s",
                       limit ? "limit" : "total");
    }
    struct err err =
        listing_path(invocation, "/api/v1/runs", draw ? LISTING_ALL : LISTING_ALL_BUT_STATE, &path);
    if (err_failed(err)) {
        return err;
    }
    struct ps_watch watch = {.invocation = invocation,
                             .talk = talk,
                             .path = path.data,
                             .all = args_on(args, "all") || args_given(args, "state"),
                             .draw = draw,
                             .view = run_view_fitted(invocation)};
    err = watch_loop(&watch);
    invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
    return err;
}

static struct err ps_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    if (args_on(args, "watch")) {
        return watch_run(&talk, invocation);
    }
    bool all = args_on(args, "all") || args_given(args, "state");
    return list_print(&talk, invocation, all ? "/api/v1/runs" : "/api/v1/runs?live=1",
                      all ? SHOWN : 0);
}

const struct command command_ps = {
    .name = "ps",
    .summary = "List the runs that live, of every kind.",
    .flags = ps_flags,
    .talks = true,
    .about =
        "Without --limit, all runs that live are listed; with --all or --state, the newest 50.\n"
        "With --watch and --state in a pipe, a line is added for each run that comes into one of\n"
        "these states.\n",
    .run = ps_run,
};

/* --- Jobs ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_SWITCH("live", 0, "Only those that have not ended."),
    RUN_FILTERS,
    LISTING_FLAGS("50"),
    OPTION_END,
};

static struct err ls_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    bool live = args_on(&invocation->args, "live");
    return err_failed(err) ? err
                           : list_print(&talk, invocation,
                                        live ? "/api/v1/jobs?live=1" : "/api/v1/jobs", SHOWN);
}

const struct command command_job_ls = {
    .group = "job",
    .name = "ls",
    .summary = "List jobs, the newest first.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};
