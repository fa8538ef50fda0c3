/* command_ps.c: drover ps and drover job ls. */
#include <stdio.h>
#include <unistd.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/run/ps_watch.h"
#include "cli/run/view.h"

static void head_print(void *ctx) {
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1024);
    run_view_head(ctx, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

static void row_print(void *ctx, const json_t *run) {
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 20);
    run_view_row(ctx, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

static struct err list_print(struct talk *talk, struct invocation *invocation, const char *path,
                             int64_t most) {
    struct run_view view = run_view_fitted(invocation);
    const struct listing listing = {.invocation = invocation,
                                    .path = path,
                                    .most = most,
                                    .head = head_print,
                                    .row = row_print,
                                    .ctx = &view};
    talk_warn_held(talk);
    return listing_print(talk, &listing);
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
        why_set(&invocation->why, "--watch does not go with --%s", limit ? "limit" : "total");
        return err_make(ERR_USAGE, "ps: watch");
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
    err = ps_watch(&watch);
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
