/* command_ps.c: drover ps and drover job ls. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ps_watch.h"
#include "cli/run_view.h"
#include "cli/talk.h"

struct ls {
    const struct invocation *invocation;
    struct run_view view;
    bool headed; /* The first line of the table was printed: only when there is an answer. */
    int64_t rows;
};

static struct run_view view_of(const struct invocation *invocation) {
    struct terminal_size size = {0};
    struct run_view view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                            .now_ms = world_wall_ms(invocation->world)};
    view.columns = terminal_size(STDOUT_FILENO, &size) ? size.columns : 0;
    return view;
}

static void head_print(struct ls *ls) {
    if (!ls->headed && !ls->invocation->json) {
        AUTO(text_done) struct text text = {0};
        text_init(&text, 1024);
        run_view_head(&ls->view, &text);
        fputs(text.data != NULL ? text.data : "", stdout);
    }
    ls->headed = true;
}

static void row_print(void *ctx, const json_t *run) {
    struct ls *ls = ctx;
    head_print(ls);
    ls->rows++;
    if (ls->invocation->json) {
        talk_print(run);
        return;
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, 1 << 20);
    run_view_row(&ls->view, run, &text);
    fputs(text.data != NULL ? text.data : "", stdout);
}

static struct err list_print(struct talk *talk, struct invocation *invocation, const char *path,
                             int64_t most) {
    struct ls ls = {.invocation = invocation, .view = view_of(invocation)};
    struct talk_rows rows = {.path = path, .most = most, .each = row_print, .ctx = &ls};
    talk_warn_held(talk);
    struct err err = talk_rows(talk, &rows, &invocation->why);
    if (err_failed(err)) {
        return err;
    }
    head_print(&ls);
    if (most > 0 && ls.rows == most && !invocation->json && isatty(STDERR_FILENO) == 1) {
        (void)fflush(stdout); /* A failure shows again at the end. */
        fprintf(stderr, "The newest %lld; --limit shows more.\n", (long long)most);
    }
    return ERR_OK;
}

/* --- Every kind ------------------------------------------------------------------------------- */

enum { SHOWN = 50, SHOWN_MAX = 1000000 };

static const struct flag ps_flags[] = {
    {.name = "all", .letter = 'a', .kind = FLAG_SWITCH, .about = "Also those that have ended."},
    {.name = "kind",
     .kind = FLAG_TEXT,
     .value = "KIND",
     .choices = "job|turn|agent|workflow|flow",
     .about = "Only of this kind."},
    {.name = "watch",
     .letter = 'w',
     .kind = FLAG_SWITCH,
     .about = "Stay: draw it anew each second; in a pipe, add what changes."},
    {.name = "limit",
     .letter = 'n',
     .kind = FLAG_INT,
     .value = "N",
     .about = "With --all: the newest so many.",
     .min = 1,
     .max = SHOWN_MAX,
     .absent = "50"},
    {.name = NULL},
};

static struct err ps_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct err err = talk_open(&talk, invocation);
    if (err_failed(err)) {
        return err;
    }
    if (args_on(args, "watch")) {
        struct ps_watch watch = {.invocation = invocation,
                                 .talk = &talk,
                                 .kind = args_text(args, "kind"),
                                 .all = args_on(args, "all"),
                                 .draw = !invocation->json && isatty(STDOUT_FILENO) == 1,
                                 .view = view_of(invocation)};
        err = ps_watch(&watch);
        invocation->told = err.code == ERR_INTERRUPTED; /* The user knows. */
        return err;
    }
    AUTO(text_done) struct text path = {0};
    bool all = args_on(args, "all");
    ps_path(&path, args_text(args, "kind"), !all);
    return list_print(&talk, invocation, path.data, all ? args_int(args, "limit", SHOWN) : 0);
}

const struct command command_ps = {
    .name = "ps",
    .summary = "List the runs that live, of every kind.",
    .flags = ps_flags,
    .talks = true,
    .run = ps_run,
};

/* --- Jobs ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    {.name = "live", .kind = FLAG_SWITCH, .about = "Only those that have not ended."},
    {.name = "state",
     .kind = FLAG_TEXT,
     .value = "STATE",
     .choices = "queued|running|waiting|succeeded|degraded|failed|cancelled|timed_out|lost",
     .about = "Only in this state."},
    {.name = "limit",
     .letter = 'n',
     .kind = FLAG_INT,
     .value = "N",
     .about = "The newest so many.",
     .min = 1,
     .max = SHOWN_MAX,
     .absent = "50"},
    {.name = NULL},
};

static struct err ls_run(struct invocation *invocation) {
    const struct args *args = &invocation->args;
    const char *state = args_text(args, "state");
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text path = {0};
    text_init(&path, 1024);
    text_addf(&path, "/api/v1/jobs?live=%d", args_on(args, "live"));
    if (state != NULL) {
        text_addf(&path, "&state=%s", state);
    }
    struct err err = talk_open(&talk, invocation);
    return err_failed(err)
               ? err
               : list_print(&talk, invocation, path.data, args_int(args, "limit", SHOWN));
}

const struct command command_job_ls = {
    .group = "job",
    .name = "ls",
    .summary = "List jobs, the newest first.",
    .flags = ls_flags,
    .talks = true,
    .run = ls_run,
};
