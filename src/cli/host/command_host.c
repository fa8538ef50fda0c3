/* command_host.c: drover host ls, rm, and drover job abandon: hosts that share a database. */
#include <stdio.h>
#include <string.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/base/resource.h"
#include "cli/run/view.h"

/* --- List ------------------------------------------------------------------------------------- */

static const struct flag ls_flags[] = {
    OPTION_TEXT("role", 0, "ROLE", "Only the leader, or the standbys.",
                .choices = "leader|standby"),
    LISTING_SEARCH("name or place"),
    LISTING_SINCE("seen"),
    LISTING_FLAGS(NULL),
    OPTION_END,
};

static void head_print(void *ctx) {
    printf("%-60s  %-7s  %5s  %-20s  %s\n", "PLACE", "ROLE", "JOBS", "SEEN", "NAME");
}

static void row_print(void *ctx, const json_t *row) {
    printf("%-60s  %-7s  %5lld  %-20s  %s\n", talk_text(row, "place"), talk_text(row, "role"),
           (long long)talk_int(row, "runs"), talk_time(talk_int(row, "seen_ms")).text,
           talk_text(row, "name"));
}

static struct err ls_run(struct invocation *invocation) {
    const struct listing listing = {
        .invocation = invocation, .path = "/api/v1/hosts", .head = head_print, .row = row_print};
    return listing_run(&listing);
}

const struct command command_host_ls = {
    .group = "host",
    .name = "ls",
    .summary = "List the hosts that share the PostgreSQL database.",
    .flags = ls_flags,
    .talks = true,
    .about = "A host is a data directory on a machine. Its daemon looks after the jobs that began\n"
             "there, whether it leads or stands by.\n",
    .run = ls_run,
};

/* --- Remove ----------------------------------------------------------------------------------- */

static const struct flag rm_flags[] = {
    OPTION_SWITCH("force", 'f', "Also where the host gave a sign of life just now."),
    OPTION_END,
};

static void removed_print(const json_t *row) {
    printf("%s is removed; jobs that were given up: %lld\n", talk_text(row, "name"),
           (long long)talk_int(row, "runs"));
}

static struct err rm_run(struct invocation *invocation) {
    bool force = args_on(&invocation->args, "force");
    return resource_run(invocation, &(struct resource){.method = "DELETE",
                                                       .base = "/api/v1/hosts?host=",
                                                       .id = invocation->args.operands[0],
                                                       .rest = force ? "&force=1" : "",
                                                       .print = removed_print});
}

const struct command command_host_rm = {
    .group = "host",
    .name = "rm",
    .summary = "Remove a host that is gone. Its jobs are lost.",
    .operands = "HOST",
    .flags = rm_flags,
    .talks = true,
    .about = "HOST is a place or a name, as drover host ls shows them. Jobs that retry on lost\n"
             "begin again here, so a host that lives beside them runs a second copy until it\n"
             "reaches the database. Without --force a host is removed only when it gave no sign\n"
             "of life for 30 seconds.\n",
    .run = rm_run,
};

/* --- One job ---------------------------------------------------------------------------------- */

static const struct flag abandon_flags[] = {
    OPTION_SWITCH("force", 'f', "Also where its host gave a sign of life just now."),
    OPTION_END,
};

static void abandoned_print(const json_t *run) {
    printf("%s is %s\n", talk_text(run, "id"), run_words(run).text);
}

static struct err abandon_run(struct invocation *invocation) {
    bool force = args_on(&invocation->args, "force");
    return resource_run(invocation,
                        &(struct resource){.method = "POST",
                                           .base = "/api/v1/jobs/",
                                           .id = invocation->args.operands[0],
                                           .rest = force ? "/abandon?force=1" : "/abandon",
                                           .print = abandoned_print});
}

const struct command command_job_abandon = {
    .group = "job",
    .name = "abandon",
    .summary = "Give up a job whose host is gone. The job is lost.",
    .operands = "ID",
    .flags = abandon_flags,
    .talks = true,
    .about = "Only jobs that are shown with \"host away\" (PostgreSQL). One that was begun with\n"
             "--once gets the cause outcome_unknown; one that retries on lost begins again: a\n"
             "second copy where the host lives after all. Without --force a job is given up only\n"
             "when its host gave no sign of life for 30 seconds.\n",
    .run = abandon_run,
};
