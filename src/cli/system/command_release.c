/* command_release.c: drover release: lets a daemon begin that was started with --hold, or that
 * found a restored or copied database. What would start is shown before anything does. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/run/view.h"
#include "cli/terminal/lines.h"

static const struct flag release_flags[] = {
    OPTION_SWITCH("yes", 'y', "Do it without asking."),
    OPTION_END,
};

static struct err ask(struct talk *talk, const char *method, const char *target,
                      json_t **ret_answer, struct why *why) {
    struct client_request request = {.method = method, .target = target};
    return talk_ask(talk, &request, NULL /* parsed is enough */, ret_answer, why);
}

static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

static void runs_print(const struct invocation *invocation, const json_t *runs, int64_t count) {
    if (json_array_size(runs) == 0) {
        return;
    }
    struct run_view view = {.paint = paint_of(STDOUT_FILENO, &invocation->env),
                            .now_ms = world_wall_ms(invocation->world)};
    AUTO(text_done) struct text text = {0};
    text_init(&text, 4 << 20);
    run_view_head(&view, &text);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        run_view_row(&view, json_array_get(runs, i), &text);
    }
    if (count > (int64_t)json_array_size(runs)) {
        text_addf(&text, "and %lld more\n", (long long)(count - (int64_t)json_array_size(runs)));
    }
    fputs(text.data != NULL ? text.data : "", stdout);
}

/* Of an original that lives, whoever reads this knows more than we do. */
static void lost_print(const struct invocation *invocation, const json_t *what) {
    int64_t lost = talk_int(what, "lost"), again = talk_int(what, "again");
    if (lost <= 0) { /* An older daemon does not say. */
        return;
    }
    printf("%lld run%s that began elsewhere will be lost", (long long)lost, plural(lost));
    if (again <= 0) {
        puts(".");
        return;
    }
    printf(", %lld of them begin%s again, beside the original if that still runs:\n",
           (long long)again, again == 1 ? "s" : "");
    runs_print(invocation, json_object_get(what, "again_runs"), again);
}

static void waiting_print(const struct invocation *invocation, const json_t *what) {
    int64_t queued = talk_int(what, "queued"), running = talk_int(what, "running");
    int64_t deliveries = talk_int(what, "deliveries");
    printf("It would start %lld run%s and send %lld notice%s; %lld run%s of before %s on.\n",
           (long long)queued, plural(queued), (long long)deliveries, plural(deliveries),
           (long long)running, plural(running), running == 1 ? "goes" : "go");
    runs_print(invocation, json_object_get(what, "runs"), queued);
    lost_print(invocation, what);
}

/* Where its folder is there, the release sees that it ran; nobody else can. */
static void doubt_print(const json_t *hold) {
    const json_t *what = json_object_get(hold, "would_start");
    if (json_is_true(json_object_get(hold, "restored")) && talk_int(what, "queued") > 0) {
        puts("The database was restored or copied: what is queued in it may have run since. It "
             "runs\n"
             "again unless its folder is still in spool/; 'drover stop RUN' drops it before.");
    }
}

static void missing_print(const json_t *hold) {
    int64_t missing = talk_int(hold, "missing");
    if (missing > 0) {
        printf("The database lacks about %lld acknowledged commit%s (found %s): its log was"
               " damaged, cut or\nremoved, or an older copy put in its place. A release accepts"
               " that; to restore a newer backup,\nstop the daemon instead.\n",
               (long long)missing, plural(missing),
               talk_time(talk_int(hold, "missing_at_ms")).text);
    }
}

static void crashes_print(const json_t *hold) {
    int64_t deaths = talk_int(hold, "failed_starts");
    if (deaths == 0) {
        return;
    }
    const json_t *runs = json_object_get(hold, "last_runs");
    printf("The daemon crashed soon after its last start%s (%lld in a row)%s\n", plural(deaths),
           (long long)deaths, json_array_size(runs) == 0 ? "." : "; it was then at:");
    size_t i = 0;
    const json_t *run = NULL;
    json_array_foreach(runs, i, run) {
        printf("  %s\n", json_string_value(run));
    }
    if (json_array_size(runs) > 0) {
        puts("'drover show RUN' shows one, 'drover stop RUN' drops it before the release.");
    }
}

/* On a terminal somebody is asked; where nobody can answer, --yes must have been said. */
static struct err confirm(struct invocation *invocation, struct talk *talk, bool *ret_yes) {
    if (args_on(&invocation->args, "yes")) {
        *ret_yes = true;
        return ERR_OK;
    }
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        *ret_yes = false;
        return ERR_OK;
    }
    fputs("Let it begin? [y/N] ", stdout);
    (void)fflush(stdout); /* A failure shows again at the end. */
    struct lines lines;
    struct bytes line = {0};
    lines_init(&lines, STDIN_FILENO, talk->interrupt_fd);
    struct err err = lines_next(&lines, &line);
    *ret_yes = !err_failed(err) && line.data != NULL && line.len > 0 &&
               (line.data[0] == 'y' || line.data[0] == 'Y');
    lines_done(&lines);
    return err;
}

static struct err release(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *answer = NULL;
    struct err err = ask(talk, "POST", "/api/v1/system/release", &answer, &invocation->why);
    if (!err_failed(err) && invocation->json) {
        talk_print(answer);
    } else if (!err_failed(err)) {
        puts("Released.");
    }
    return err;
}

static struct err held_run(struct invocation *invocation, struct talk *talk, const json_t *hold) {
    bool yes = false;
    if (!invocation->json) {
        waiting_print(invocation, json_object_get(hold, "would_start"));
        doubt_print(hold);
        missing_print(hold);
        crashes_print(hold);
    }
    struct err err = confirm(invocation, talk, &yes);
    if (err_failed(err)) {
        return err;
    }
    if (yes) {
        return release(invocation, talk);
    }
    if (invocation->json) {
        talk_print(hold);
    } else {
        puts("Nothing was released; --yes does it.");
    }
    return ERR_OK;
}

static struct err release_run(struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *hold = NULL;
    struct err err = talk_open(&talk, invocation);
    if (!err_failed(err)) {
        err = ask(&talk, "GET", "/api/v1/system/hold", &hold, &invocation->why);
    }
    if (err_failed(err)) {
        return err;
    }
    if (json_is_true(json_object_get(hold, "held"))) {
        return held_run(invocation, &talk, hold);
    }
    if (invocation->json) {
        talk_print(hold);
    } else {
        puts("The daemon does not hold: nothing waits for a release.");
    }
    return ERR_OK;
}

const struct command command_release = {
    .name = "release",
    .summary = "Show what a held daemon would start, and let it.",
    .flags = release_flags,
    .talks = true,
    .about =
        "A daemon holds after 'serve --hold', when its database was restored or copied or lacks\n"
        "commits, and after three crashes in a row within a minute of a start: it serves and "
        "begins\n"
        "nothing. Without --yes this asks on a terminal, and only shows elsewhere.\n",
    .run = release_run,
};
