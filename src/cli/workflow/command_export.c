/* command_export.c: drover export: a run with all that is known of it, as JSON or as a page. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/download.h"
#include "cli/terminal/plain.h"

static const struct flag flags[] = {
    OPTION_SWITCH("html", 'H', "Write a page that shows the run in any browser."),
    OPTION_END,
};

/* Half of a document is worse than none. */
static struct err file_write(struct invocation *invocation, struct talk *talk, const char *target,
                             const char *media, const char *file) {
    FILE *out = fopen(file, "wxe"); /* A file that is there stays. */
    if (out == NULL) {
        int os = errno;
        return os == EEXIST ? err_why(&invocation->why, ERR_CONFLICT,
                                      "%.250s is there already; remove it first", file)
                            : err_why(&invocation->why, ERR_IO, "%.200s: %s", file, strerror(os));
    }
    const struct download what = {.target = target, .media = media, .out = out};
    struct err err = download(talk, &what, &invocation->why);
    if (fclose(out) != 0 && !err_failed(err)) {
        err = err_why(&invocation->why, ERR_IO, "%.200s: %s", file, strerror(errno));
    }
    if (err_failed(err)) {
        (void)unlink(file);
    } else {
        plain_note("%s is written.\n", file);
    }
    return err;
}

static struct err export_run(struct invocation *invocation, struct talk *talk) {
    const struct args *args = &invocation->args;
    const bool html = args_on(args, "html");
    const char *media = html ? "text/html" : "application/json";
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", args->operands[0],
                     html ? "/export?format=html" : "/export")) {
        return err_why(&invocation->why, ERR_NOT_FOUND, "there is no run '%.60s'",
                       args->operands[0]);
    }
    if (args->operand_count > 1) {
        return file_write(invocation, talk, target.data, media, args->operands[1]);
    }
    const struct download what = {.target = target.data, .media = media, .out = stdout};
    return download(talk, &what, &invocation->why);
}

const struct command command_export = {
    COMMAND(NULL, "export", "RUN [FILE]", "Print a run with all its events, agents and steps."),
    HELP(RUNS, "drover export last run.json\n"
               "drover export --html last run.html\n"),
    .about = "Writes one JSON document to FILE, or prints it: the run, its script and args,\n"
             "the scripts that workflow() used, the events, the agents with their results,\n"
             "and the steps. With --html it is a page that shows all of that in any browser,\n"
             "and asks nobody for anything. The file contains prompts and answers. A file\n"
             "that exists is not replaced.\n",
    .flags = flags,
    .converse = export_run,
};
