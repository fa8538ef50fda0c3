/* command_export.c: drover export: a run with all that is known of it, as one JSON document. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/run/download.h"
#include "cli/terminal/plain.h"

/* Half of a document is worse than none. */
static struct err file_write(struct invocation *invocation, struct talk *talk, const char *target,
                             const char *file) {
    FILE *out = fopen(file, "wxe"); /* A file that is there stays. */
    if (out == NULL) {
        int os = errno;
        return os == EEXIST ? err_why(&invocation->why, ERR_CONFLICT,
                                      "%.250s is there already; remove it first", file)
                            : err_why(&invocation->why, ERR_IO, "%.200s: %s", file, strerror(os));
    }
    const struct download what = {.target = target, .media = "application/json", .out = out};
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
    AUTO(text_done) struct text target = {0};
    if (!talk_target(&target, "/api/v1/runs/", args->operands[0], "/export")) {
        return err_why(&invocation->why, ERR_NOT_FOUND, "there is no run '%.60s'",
                       args->operands[0]);
    }
    if (args->operand_count > 1) {
        return file_write(invocation, talk, target.data, args->operands[1]);
    }
    const struct download what = {
        .target = target.data, .media = "application/json", .out = stdout};
    return download(talk, &what, &invocation->why);
}

const struct command command_export = {
    COMMAND(NULL, "export", "RUN [FILE]", "Print a run with all its events, agents and steps."),
    HELP(RUNS, "drover export last run.json\n"),
    .about = "Writes one JSON document to FILE, or prints it: the run, its script and args,\n"
             "the scripts that workflow() used, the events, the agents with their results, and\n"
             "the steps. The file contains prompts and answers. An existing file is not\n"
             "replaced.\n",
    .converse = export_run,
};
