/* command_host.c: drover host ls, rm, and drover job abandon: hosts that share a database. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/run/view.h"
#include "rules/host/host.h"

static const struct flag ls_flags[] = {
    LISTING_OF(&host_resource.fields),
    OPTION_END,
};

const struct command command_host_ls = {
    COMMAND("host", "ls", NULL, "List hosts that share the PostgreSQL database."),
    HELP(DAEMON, "drover host ls\n"),
    .flags = ls_flags,
    .about = "A host is a data directory on a machine. Its daemon, leader or standby, manages\n"
             "the jobs that started there.\n",
    ACTION("GET /api/v1/hosts", .fields = &host_resource.fields,
           .empty = "There are no hosts: the database is a file of this machine (SQLite)."),
};

static const struct flag rm_flags[] = {
    OPTION_SWITCH("force", 'f', "Remove it even if it was alive just now."),
    OPTION_END,
};

const struct command command_host_rm = {
    COMMAND("host", "rm", "HOST…", "Remove a host that is gone. Its jobs are lost."),
    HELP(DAEMON, "drover host rm build-2\n"),
    .flags = rm_flags,
    .about = "HOST is a place or a name from 'drover host ls'. Jobs with a retry for lost\n"
             "start again on this host. If the removed host is still alive, it runs a second\n"
             "copy until it reaches the database. Without --force, a host is removed only\n"
             "after 30 seconds without a heartbeat.\n",
    ACTION("DELETE /api/v1/hosts?host={}", {{"force", "force"}},
           .done = "{name} is removed; jobs that were given up: {runs}"),
};

static const struct flag abandon_flags[] = {
    OPTION_SWITCH("force", 'f', "Give it up even if its host was alive just now."),
    OPTION_END,
};

static void abandoned_print(const json_t *run) {
    printf("%s is %s\n", talk_text(run, "id"), run_words(run).text);
}

const struct command command_job_abandon = {
    COMMAND("job", "abandon", "JOB…", "Give up a job whose host is gone. The job is lost."),
    HELP(JOBS, "drover job abandon nightly\n"),
    .flags = abandon_flags,
    .about = "Works only for jobs whose host 'drover ps' shows as away (PostgreSQL). A job\n"
             "started with --once ends with the cause outcome_unknown. A job with a retry for\n"
             "lost starts again, as a second copy if its host is still alive. Without --force,\n"
             "a job is given up only after 30 seconds without a heartbeat of its host.\n",
    ACTION("POST /api/v1/jobs/{}/abandon", {{"force", "force"}}, .print = abandoned_print),
};
