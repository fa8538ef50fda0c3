/* command_release.c: drover release: lets a daemon begin that was started with --hold, or that
 * found a restored or copied database. What would start is shown before anything does. */
#include <stdio.h>
#include <string.h>

#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/quantity.h"
#include "cli/run/view.h"
#include "cli/terminal/confirm.h"

static const struct flag release_flags[] = {
    OPTION_SWITCH("yes", 'y', "Release without asking."),
    OPTION_END,
};

/* All of them wait for the release, so that no column says it. */
static const struct column run_columns[] = {
    ID_COLUMN("RUN", "id"),
    COLUMN("KIND", -8, "kind", COLUMN_TEXT),
    COLUMN("STATE", -7, "state", COLUMN_TEXT),
    TIME_COLUMN("CREATED", "made_ms"),
    COLUMN_ADD("WHAT", 0, run_view_what),
    COLUMN_END,
};

static void runs_print(const struct invocation *invocation, const json_t *runs, int64_t count) {
    const int64_t shown = (int64_t)json_array_size(runs);
    if (shown > 0) {
        table_print(invocation, run_columns, runs, NULL /* there is one */);
    }
    if (shown > 0 && count > shown) {
        printf("and %lld more\n", (long long)(count - shown));
    }
}

static void hold_print(const struct invocation *invocation, const json_t *hold) {
    const json_t *what = json_object_get(hold, "would_start");
    int64_t queued = talk_int(what, "queued"), running = talk_int(what, "running");
    int64_t deliveries = talk_int(what, "deliveries");
    printf("It would start %lld run%s and send %lld notice%s; %lld run%s of before %s on.\n",
           (long long)queued, plural(queued), (long long)deliveries, plural(deliveries),
           (long long)running, plural(running), running == 1 ? "goes" : "go");
    runs_print(invocation, json_object_get(what, "runs"), queued);

    /* Of an original that lives, whoever reads this knows more than we do. An older daemon does
     * not say. */
    int64_t lost = talk_int(what, "lost"), again = talk_int(what, "again");
    if (lost > 0) {
        printf("%lld run%s that began elsewhere will be lost, unless spool/ has the end",
               (long long)lost, plural(lost));
    }
    if (lost > 0 && again <= 0) {
        puts(".");
    } else if (lost > 0) {
        printf(", %lld of them begin%s again, beside the original if that still runs:\n",
               (long long)again, again == 1 ? "s" : "");
        runs_print(invocation, json_object_get(what, "again_runs"), again);
    }

    /* Where its folder is there, the release sees that it ran; nobody else can. */
    if (json_is_true(json_object_get(hold, "restored")) && queued > 0) {
        puts("The database was restored or copied: what is queued in it may have run since. It "
             "runs\n"
             "again unless its folder is still in spool/; 'drover stop RUN' drops it before.");
    }

    int64_t missing = talk_int(hold, "missing");
    if (missing > 0) {
        const int64_t found_ms = talk_int(hold, "missing_at_ms");
        printf("The database lacks about %lld acknowledged commit%s (found %s, %s): its log was"
               " damaged, cut or\nremoved, or an older copy put in its place. A release accepts"
               " that; to restore a newer backup,\nstop the daemon instead.\n",
               (long long)missing, plural(missing),
               talk_ago(found_ms, world_wall_ms(invocation->world)).text, talk_time(found_ms).text);
    }

    int64_t deaths = talk_int(hold, "failed_starts");
    const json_t *runs = json_object_get(hold, "last_runs");
    if (deaths > 0) {
        printf("The daemon crashed soon after its last start%s (%lld in a row)%s\n", plural(deaths),
               (long long)deaths, json_array_size(runs) == 0 ? "." : "; it was then at:");
    }
    for (size_t i = 0; deaths > 0 && i < json_array_size(runs); i++) {
        printf("  %s\n", json_string_value(json_array_get(runs, i)));
    }
    if (deaths > 0 && json_array_size(runs) > 0) {
        puts("'drover show RUN' shows one, 'drover stop RUN' drops it before the release.");
    }
}

static struct err release_run(struct invocation *invocation, struct talk *talk) {
    static const struct client_request release = {.method = "POST",
                                                  .target = "/api/v1/system/release"};
    AUTO(json_release) json_t *hold = NULL, *answer = NULL;
    struct err err = talk_get(talk, "/api/v1/system/hold", &hold, &invocation->why);
    bool held = json_is_true(json_object_get(hold, "held"));
    bool yes = held && args_on(&invocation->args, "yes");
    if (held && !invocation->json) {
        hold_print(invocation, hold);
    }
    /* On a terminal somebody is asked; where nobody can answer, --yes must have been given. */
    if (held && !yes && confirm_possible()) {
        err = confirm_ask("Let it begin?", talk->interrupt_fd, &yes);
    }
    if (!err_failed(err) && yes) {
        err = talk_ask(talk, &release, NULL /* parsed is enough */, &answer, &invocation->why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (invocation->json) {
        talk_print(yes ? answer : hold);
    } else {
        puts(yes    ? "Released."
             : held ? "Nothing was released; --yes does it."
                    : "The daemon does not hold: nothing waits for a release.");
    }
    return ERR_OK;
}

const struct command command_release = {
    COMMAND(NULL, "release", NULL, "Release a daemon that holds. Shows first what would start."),
    HELP(DAEMON, "drover release\n"
                 "drover release --yes\n"),
    .flags = release_flags,
    .about = "A daemon that holds serves requests but starts no run. It holds after 'serve\n"
             "--hold', after its database was restored or copied or lacks commits, and after\n"
             "three crashes in a row within a minute of the start. Without --yes, this command\n"
             "asks on a terminal; elsewhere it only shows what would start.\n",
    .converse = release_run,
};
