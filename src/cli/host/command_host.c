/* command_host.c: drover host ls, rm, and drover job abandon: hosts that share a database. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/run/view.h"

static const struct flag ls_flags[] = {
    OPTION_TEXT("role", 0, "ROLE", "List only the leader, or the standbys.",
                .choices = "leader|standby"),
    LISTING_SEARCH("name or place"),
    LISTING_SINCE("seen"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static const struct column columns[] = {
    COLUMN("PLACE", -60, "place", COLUMN_TEXT), COLUMN("ROLE", -7, "role", COLUMN_TEXT),
    COLUMN("JOBS", 5, "runs", COLUMN_INT),      COLUMN("SEEN", -20, "seen_ms", COLUMN_TIME),
    COLUMN("NAME", 0, "name", COLUMN_TEXT),     COLUMN_END,
};

const struct command command_host_ls = {
    COMMAND("host", "ls", NULL, "List hosts that share the PostgreSQL database."),
    HELP(DAEMON, "drover host ls\n"),
    .flags = ls_flags,
    .about = "A host is a data directory on a machine. Its daemon looks after the jobs that began\n"
             "there, whether it leads or stands by.\n",
    ACTION("GET /api/v1/hosts", .columns = columns),
};

static const struct flag rm_flags[] = {
    OPTION_SWITCH("force", 'f', "Do so even if the host was alive just now."),
    OPTION_END,
};

const struct command command_host_rm = {
    COMMAND("host", "rm", "HOST", "Remove a host that is gone. Its jobs are lost."),
    HELP(DAEMON, "drover host rm build-2\n"),
    .flags = rm_flags,
    .about = "HOST is a place or a name, as drover host ls shows them. Jobs that retry on lost\n"
             "begin again here, so a host that lives beside them runs a second copy until it\n"
             "reaches the database. Without --force a host is removed only when it gave no sign\n"
             "of life for 30 seconds.\n",
    ACTION("DELETE /api/v1/hosts?host={}", {{"force", "force"}},
           .done = "{name} is removed; jobs that were given up: {runs}"),
};

static const struct flag abandon_flags[] = {
    OPTION_SWITCH("force", 'f', "Do so even if its host was alive just now."),
    OPTION_END,
};

static void abandoned_print(const json_t *run) {
    printf("%s is %s\n", talk_text(run, "id"), run_words(run).text);
}

const struct command command_job_abandon = {
    COMMAND("job", "abandon", "JOB", "Give up a job whose host is gone. The job is lost."),
    HELP(JOBS, "drover job abandon nightly\n"),
    .flags = abandon_flags,
    .about = "Only jobs that are shown with \"host away\" (PostgreSQL). One that was begun with\n"
             "--once gets the cause outcome_unknown; one that retries on lost begins again: a\n"
             "second copy where the host lives after all. Without --force a job is given up only\n"
             "when its host gave no sign of life for 30 seconds.\n",
    ACTION("POST /api/v1/jobs/{}/abandon", {{"force", "force"}}, .print = abandoned_print),
};
