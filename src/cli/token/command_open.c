/* command_open.c: drover open: signs a browser in. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/process/spawn.h"
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/terminal/plain.h"
#include "cli/token/scopes.h"
#include "store/datadir.h"

static const struct flag open_flags[] = {
    OPTION_TEXT("scope", 0, "NAMES",
                "Allow the page these: read, run, approve, admin; commas between.",
                .absent = "read,run,approve,admin"),
    OPTION_SWITCH("public", 0, "Make a link for another machine, with the setting public_url."),
    OPTION_SWITCH("print", 0, "Print the link, and open no browser."),
    OPTION_END,
};

static struct err open_body(struct invocation *invocation, struct text *body) {
    if (args_on(&invocation->args, "public")) {
        text_add_member_bool(body, "public", true);
    }
    return scopes_add(invocation, body);
}

static const struct action link_make = {.request = "POST /api/v1/login/links", .body = open_body};

static bool has_screen(const struct config_env *env) {
    const char *x = env->get(env->ctx, "DISPLAY"), *wayland = env->get(env->ctx, "WAYLAND_DISPLAY");
    return (x != NULL && x[0] != '\0') || (wayland != NULL && wayland[0] != '\0');
}

/* The arguments of a process are shown to every user of the machine, and the link is a secret: the
 * browser gets the name of a file that only this user reads, and is led on by that. */
static void browser_start(const struct talk *talk, const char *url) {
    AUTO(mem_release) char *path = datadir_path(talk->options.data, "open.html");
    AUTO(text_done) struct text page = text_up_to(4096);
    const struct world *world = talk->world;
    const char *const argv[] = {"xdg-open", path, NULL};
    const struct spawn process = {.program = argv[0],
                                  .argv = argv,
                                  .fds = {SPAWN_NULL, SPAWN_NULL, SPAWN_NULL},
                                  .fd_count = 3,
                                  .session = SPAWN_SESSION};
    int pid = 0;
    /* An origin has no character that HTML knows. */
    text_addf(&page, "<!doctype html><meta http-equiv=\"refresh\" content=\"0;url=%s\">\n", url);
    if (err_failed(world->file_replace(world->ctx, path, text_bytes(&page), 0600)) ||
        err_failed(spawn(&process, &pid))) {
        plain_note("No browser was opened (xdg-open); open the link yourself.\n");
    }
}

static struct err open_run(struct invocation *invocation, struct talk *talk) {
    AUTO(json_release) json_t *link = NULL;
    TRY(action_ask(talk, &link_make, &link));
    const char *url = talk_text(link, "url");
    if (invocation->json) {
        talk_print(link);
        return ERR_OK;
    }
    printf("%s\n", url);
    plain_note("This link signs one browser in, within %lld s.\n",
               (long long)talk_int(link, "valid_ms") / 1000);
    const bool prints = args_on(&invocation->args, "print") || args_on(&invocation->args, "public");
    if (!prints && talk->options.url == NULL && has_screen(&invocation->env)) {
        browser_start(talk, url);
    }
    return ERR_OK;
}

const struct command command_open = {
    COMMAND(NULL, "open", NULL, "Open the web page of the daemon, signed in."),
    HELP(DAEMON, "drover open\n"
                 "drover open --scope read,approve --public\n"),
    .flags = open_flags,
    .about = "Prints a link that is valid once and for a minute, and opens it in a browser\n"
             "where there is a screen. 'drover token ls' lists browsers that are signed in,\n"
             "'drover token revoke' signs one out. A browser that was not used for 30 days is\n"
             "signed out.\n",
    .converse = open_run,
};
