/* command_shutdown.c: drover shutdown; and drover restart, which without an operand is a shutdown
 * and a start. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/stop_all.h"
#include "cli/run/view.h"
#include "cli/system/local_daemon.h"

#define VERSION "/api/v1/version"

/* The daemon as it is, without starting one. */
static struct err daemon_get(struct talk *talk, json_t **ret_daemon) {
    talk_start_none(talk);
    return talk_get(talk, VERSION, ret_daemon, &talk->invocation->why);
}

/* --- Shutdown --------------------------------------------------------------------------------- */

static const struct flag shutdown_flags[] = {
    OPTION_SWITCH("stop-all", 0, "Stop every run first."),
    OPTION_END,
};

static void stopped_print(void *ctx, const json_t *run) {
    const struct invocation *invocation = ctx;
    if (!invocation->json) {
        run_line_print(run);
    }
}

static struct err runs_count(struct talk *talk, int64_t *ret_runs, struct why *why) {
    AUTO(json_release) json_t *page = NULL;
    TRY(talk_get(talk, "/api/v1/runs?live=1&limit=1&total=1", &page, why));
    *ret_runs = talk_int(page, "total");
    return ERR_OK;
}

static void end_print(const struct invocation *invocation, int pid, int64_t runs) {
    if (invocation->json) {
        printf("{\"pid\":%d,\"runs\":%lld}\n", pid, (long long)runs);
        return;
    }
    printf("The daemon (pid %d) has ended.", pid);
    if (runs > 0) {
        printf(" %lld run%s not ended: commands go on by themselves, and the next daemon\n"
               "goes on with all of them.",
               (long long)runs, runs == 1 ? " has" : "s have");
    }
    putchar('\n');
}

static struct err shutdown_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *daemon = NULL;
    int64_t runs = 0;
    int pid = 0;
    struct why *why = &invocation->why;
    struct err err = daemon_get(talk, &daemon);
    if (err.code == ERR_UNREACHABLE && talk->options.url == NULL) {
        why_set(why, "no daemon serves %s", talk->options.data);
    }
    err = err_failed(err) ? err : local_daemon_check_outside(daemon, why);
    if (!err_failed(err) && args_on(&invocation->args, "stop-all")) {
        const struct stop_all with = {.stopped = stopped_print, .ctx = invocation};
        err = stop_all(talk, &with, why);
    }
    err = err_failed(err) ? err : runs_count(talk, &runs, why);
    err = err_failed(err) ? err : local_daemon_end(talk, 0 /* no limit */, &pid, why);
    if (!err_failed(err)) {
        end_print(invocation, pid, runs);
    }
    return err;
}

const struct command command_shutdown = {
    COMMAND(NULL, "shutdown", NULL, "End the daemon. Runs go on with the next one."),
    HELP(DAEMON, "drover shutdown\n"
                 "drover shutdown --stop-all\n"),
    .flags = shutdown_flags,
    .starts_none = true,
    .about = "Requests in progress are finished first. Jobs continue without a daemon; turns\n"
             "and workflows resume when the next daemon starts. A service manager may restart\n"
             "its daemon: stop the service instead.\n",
    .converse = shutdown_run,
};

/* --- Restart ---------------------------------------------------------------------------------- */

/* A daemon that no command started: systemd restarts that of the user unit, a person any other. */
static struct err served_restart(struct talk *talk, const json_t *daemon, struct why *why) {
    bool is_unit = false;
    struct err err = talk_restart_unit(talk, &is_unit, why);
    return is_unit ? err
                   : err_why(why, ERR_CONFLICT,
                             "the daemon (pid %lld) was started by 'drover serve', which is"
                             " started again where it was, for example with 'systemctl restart"
                             " drover'",
                             (long long)talk_int(daemon, "pid"));
}

static struct err daemon_restart(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *before = NULL, *now = NULL;
    struct why *why = &invocation->why;
    int pid = 0;
    struct err err = daemon_get(talk, &before);
    const bool none = err.code == ERR_UNREACHABLE && talk->options.url == NULL;
    err = err_failed(err) ? err : local_daemon_check_outside(before, why);
    if (none) {
        err = ERR_OK;
    } else if (!err_failed(err) && !json_is_string(json_object_get(before, "on_demand"))) {
        err = served_restart(talk, before, why);
        client_hang_up(talk->client);
    } else if (!err_failed(err)) {
        err = local_daemon_end(talk, 0 /* no limit */, &pid, why);
    }
    err = err_failed(err) ? err : talk_start(talk, why);
    err = err_failed(err) ? err : talk_get(talk, VERSION, &now, why);
    if (!err_failed(err) && invocation->json) {
        talk_print(now);
    } else if (!err_failed(err)) {
        printf("The daemon of version %s (pid %lld) has started%s.\n", talk_text(now, "version"),
               (long long)talk_int(now, "pid"), none ? "" : " and goes on with all runs");
    }
    return err;
}

static struct err restart_run(struct invocation *invocation, struct talk *talk) {
    static const struct action agent = {
        "POST /api/v1/runs/{}/restart",
        .unknown = "there is no run '{}'; 'drover ps' lists unfinished runs",
        .print = run_line_print};
    return invocation->args.operand_count > 0 ? action_do(invocation, &agent)
                                              : daemon_restart(invocation, talk);
}

const struct command command_restart = {
    COMMAND(NULL, "restart", "[AGENT]", "Restart the daemon, or an agent of a workflow."),
    HELP(DAEMON, "drover restart\n"),
    .about = "Without AGENT, stop the daemon of the data directory and start this program in\n"
             "its place, for example after an upgrade. Nothing is lost: jobs continue,\n"
             "everything else resumes. A daemon that was started by 'drover serve' must be\n"
             "restarted where it was started.\n"
             "\n"
             "With AGENT, an unfinished agent starts again from the beginning; its work so far\n"
             "is discarded. 'drover show RUN' lists the agents of a workflow. To run a\n"
             "finished agent again, use 'drover run --resume RUN --rerun AGENT'.\n",
    .converse = restart_run,
};
