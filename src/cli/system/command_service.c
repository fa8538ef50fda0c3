/* command_service.c: drover service install|rm|status: the daemon as a service of the user, kept by
 * systemd.
 *
 * `install` writes the unit, ends a daemon of the same directory that systemd did not start, and
 * starts the service. Jobs live on meanwhile: their holders are nobody's service. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "cli/base/action.h"
#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/systemctl.h"
#include "cli/system/listen.h"
#include "cli/system/local_daemon.h"
#include "store/datadir.h"

enum {
    UNIT_BYTES_MAX = 16 << 10,
    END_MS = 60000,   /* Time that a daemon has to end in order: it drains for 10 s. */
    START_MS = 20000, /* Time until a daemon that was started answers. */
    LOOK_MS = 5000,
    PAUSE_MS = 50,
};

/* Where everything of the service lies. */
struct place {
    char data[PATH_MAX], config[PATH_MAX], folder[PATH_MAX], unit[PATH_MAX], program[PATH_MAX];
};

/* --- Where ------------------------------------------------------------------------------------ */

PRINTF_LIKE(2, 3)
static struct err path_set(char (*path)[PATH_MAX], const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(*path, sizeof *path, format, args);
    va_end(args);
    return len > 0 && len < PATH_MAX ? ERR_OK : err_from_errno(ENAMETOOLONG, "service: path");
}

/* The data directory as a path that is right wherever the service begins. */
static struct err data_find(struct place *place, struct invocation *invocation) {
    AUTO(mem_release) char *owned = NULL;
    const char *data = NULL;
    char here[PATH_MAX];
    TRY(config_data(&invocation->args, &invocation->env, &owned, &data, &invocation->why));
    size_t len = strlen(data);
    while (len > 1 && data[len - 1] == '/') {
        len--; /* The daemon compares the address that it is given with its own socket. */
    }
    if (data[0] == '/') {
        return path_set(&place->data, "%.*s", (int)len, data);
    }
    return getcwd(here, sizeof here) == NULL
               ? err_from_errno(errno, "service: this folder")
               : path_set(&place->data, "%s/%.*s", here, (int)len, data);
}

static struct err place_find(struct place *place, struct invocation *invocation) {
    const struct config_env *env = &invocation->env;
    const char *config = env->get(env->ctx, "XDG_CONFIG_HOME");
    const char *home = env->get(env->ctx, "HOME");
    bool has_config = config != NULL && config[0] == '/';
    if (!has_config && (home == NULL || home[0] != '/')) {
        return err_why(&invocation->why, ERR_USAGE,
                       "no folder for the unit: neither HOME nor XDG_CONFIG_HOME is set");
    }
    TRY(data_find(place, invocation));
    TRY(path_set(&place->config, "%s%s", has_config ? config : home, has_config ? "" : "/.config"));
    TRY(path_set(&place->folder, "%s/systemd/user", place->config));
    TRY(path_set(&place->unit, "%s/" SYSTEMCTL_UNIT, place->folder));
    ssize_t len = readlink("/proc/self/exe", place->program, sizeof place->program - 1);
    if (len <= 0) {
        return err_from_errno(errno, "service: this program");
    }
    place->program[len] = '\0';
    return ERR_OK;
}

/* --- The unit --------------------------------------------------------------------------------- */

/* A word of ExecStart: in quotes, where systemd reads % $ " and \ . */
static void word_add(struct text *unit, const char *word) {
    text_add_char(unit, '"');
    for (; *word != '\0'; word++) {
        if (*word == '%' || *word == '$') {
            text_add_char(unit, *word);
        } else if (*word == '"' || *word == '\\') {
            text_add_char(unit, '\\');
        }
        text_add_char(unit, *word);
    }
    text_add_char(unit, '"');
}

/* As the unit of the package has it (packaging/drover.service.in), but for one user. */
static void unit_write(struct text *unit, const struct place *place, const char *listen) {
    text_add_str(unit,
                 "# Made by 'drover service install'; 'drover service rm' removes it.\n"
                 "[Unit]\n"
                 "Description=drover: agents, jobs and workflows that outlive their terminal\n"
                 "Documentation=man:drover-serve(1)\n"
                 "\n"
                 "[Service]\n"
                 "ExecStart=");
    word_add(unit, place->program);
    text_add_str(unit, " serve --data ");
    word_add(unit, place->data);
    text_add_str(unit, " --listen ");
    AUTO(text_done) struct text socket = text_up_to(UNIT_BYTES_MAX);
    text_addf(&socket, "unix:%s/drover.sock", place->data);
    word_add(unit, listen != NULL ? listen : socket.data);
    text_add_str(unit,
                 "\n"
                 "# Keys of models, as NAME=value; only for its owner to read.\n"
                 "EnvironmentFile=-%E/drover/environment\n"
                 "Restart=always\n"
                 "RestartSec=1\n"
                 "# Wrong settings, or a database of a newer drover: a restart changes neither.\n"
                 "RestartPreventExitStatus=2 10\n"
                 "# Jobs and their agents live on when the daemon is stopped or restarted,\n"
                 "KillMode=process\n"
                 "# and when one of them needs more memory than there is.\n"
                 "OOMPolicy=continue\n"
                 "Delegate=yes\n"
                 "\n"
                 "[Install]\n"
                 "WantedBy=default.target\n");
}

/* By rename: systemd never reads half of it. */
static struct err unit_place(const struct place *place, const struct text *unit,
                             const struct world *world, struct why *why) {
    struct err err = datadir_make_folders(place->folder, "service: folder");
    if (err_failed(err)) {
        return path_why(err, place->folder, "made", why);
    }
    err = world->file_replace(world->ctx, place->unit, text_bytes(unit), 0644);
    return path_why(err, place->unit, "written", why);
}

/* --- The daemon ------------------------------------------------------------------------------- */

/* A conversation with the daemon of the directory; none is started. */
static struct err service_talk(struct talk *talk, const struct place *place,
                               struct invocation *invocation) {
    *talk = (struct talk){.options = {.data = place->data, .interrupt_fd = -1},
                          .interrupt_fd = -1,
                          .invocation = invocation,
                          .world = invocation->world};
    talk_start_none(talk);
    return client_open(&talk->options, &talk->client, &invocation->why);
}

/* *ret_answer: what GET /api/v1/version says; the caller's. May be NULL. */
static struct err version_get(struct talk *talk, json_t **ret_answer) {
    return talk_look(talk, "/api/v1/version", LOOK_MS, ret_answer, NULL /* no why */);
}

/* ERR_INSIDE_RUN: a daemon serves the directory, and this program is inside one of its runs. */
static struct err outside_check(struct talk *talk, struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    if (err_failed(version_get(talk, &answer))) {
        return ERR_OK; /* Nobody serves it. */
    }
    client_hang_up(talk->client); /* An open connection is one more to drain. */
    return local_daemon_check_outside(answer, why);
}

/* Whether the daemon, by its answer, is that of the service. */
static bool is_of_service(const json_t *answer, struct bytes main_pid) {
    char number[24];
    (void)snprintf(number, sizeof number, "%lld", (long long)talk_int(answer, "pid")); /* Fits. */
    return bytes_is(main_pid, number);
}

/* Ends the daemon that answers there, if any, in order: what it does is settled or goes on. That of
 * the service, whose pid is `main_pid`, is left to systemd. */
static struct err daemon_end(struct talk *talk, struct bytes main_pid, struct why *why) {
    AUTO(json_release) json_t *answer = NULL;
    int pid = 0;
    if (err_failed(version_get(talk, &answer)) || is_of_service(answer, main_pid)) {
        return ERR_OK;
    }
    struct err err = local_daemon_end(talk, END_MS, &pid, why);
    if (err.code == ERR_UNREACHABLE) {
        return ERR_OK; /* The daemon has just ended. */
    }
    if (!err_failed(err)) {
        printf("ended the daemon that served %s (pid %d); its jobs go on\n", talk->options.data,
               pid);
    }
    return err;
}

static struct err daemon_wait(struct talk *talk, struct why *why) {
    const uint64_t end_ns = world_mono_ns(talk->world) + (uint64_t)START_MS * 1000000;
    for (;;) {
        if (!err_failed(version_get(talk, NULL /* not read */))) {
            return ERR_OK;
        }
        if (world_mono_ns(talk->world) >= end_ns) {
            return err_why(why, ERR_UNREACHABLE,
                           "the service was started and does not answer at %s;"
                           " 'journalctl --user -u " SYSTEMCTL_UNIT "' has its log",
                           talk->options.data);
        }
        TRY(client_pause(&talk->options, PAUSE_MS));
    }
}

/* --- What systemd knows ----------------------------------------------------------------------- */

static const char *const reload[] = {"daemon-reload", NULL};

/* Lines NAME=value. */
static struct err state_ask(struct text *ret_state, struct why *why) {
    static const char *const words[] = {
        "show", SYSTEMCTL_UNIT,
        "--property=UnitFileState,ActiveState,SubState,MainPID,FragmentPath", NULL};
    return systemctl_run(words, ret_state, why);
}

/* The value of a line; empty where there is none. */
static struct bytes state_value(const struct text *state, const char *name) {
    struct bytes rest = text_bytes(state), line;
    size_t len = strlen(name);
    while (bytes_next(&rest, '\n', &line)) {
        if (line.len > len && memcmp(line.data, name, len) == 0 && line.data[len] == '=') {
            return (struct bytes){line.data + len + 1, line.len - len - 1};
        }
    }
    return BYTES("");
}

/* Whether the user's services go on after the last log-out. */
static bool lingers(const struct config_env *env) {
    const char *user = env->get(env->ctx, "USER");
    char path[PATH_MAX];
    return user != NULL && strchr(user, '/') == NULL &&
           !err_failed(path_set(&path, "/var/lib/systemd/linger/%s", user)) &&
           access(path, F_OK) == 0;
}

/* --- install ---------------------------------------------------------------------------------- */

static struct err service_start(struct talk *talk, struct text *state, struct why *why) {
    static const char *const enable[] = {"enable", SYSTEMCTL_UNIT, NULL};
    static const char *const restart[] = {"restart", SYSTEMCTL_UNIT, NULL};
    TRY(systemctl_run(reload, NULL /* not wanted */, why));
    TRY(state_ask(state, why));
    TRY(daemon_end(talk, state_value(state, "MainPID"), why));
    TRY(systemctl_run(enable, NULL /* not wanted */, why));
    return systemctl_run(restart, NULL /* not wanted */, why);
}

static struct err install_run(struct invocation *invocation) {
    AUTO(text_done) struct text state = {0};
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text unit = text_up_to(UNIT_BYTES_MAX);
    struct place place;
    struct why *why = &invocation->why;
    const char *listen = args_text(&invocation->args, "listen");
    struct listen_address address;
    struct err err = place_find(&place, invocation);
    if (!err_failed(err) && listen != NULL) {
        err = listen_parse(listen, &address, why);
    }
    if (err_failed(err)) {
        return err;
    }
    unit_write(&unit, &place, listen);
    if (text_failed(&unit)) {
        return text_error(&unit, "service: unit");
    }
    if (args_on(&invocation->args, "print")) {
        fputs(unit.data, stdout);
        return ERR_OK;
    }
    TRY(service_talk(&talk, &place, invocation));
    TRY(outside_check(&talk, why));
    TRY(systemctl_check(why));
    TRY(unit_place(&place, &unit, invocation->world, why));
    TRY(service_start(&talk, &state, why));
    TRY(daemon_wait(&talk, why));
    if (invocation->json) {
        AUTO(text_done) struct text line = text_up_to(UNIT_BYTES_MAX);
        text_add_char(&line, '{');
        text_add_member(&line, "unit", bytes_of(place.unit));
        text_add_member(&line, "data", bytes_of(place.data));
        text_add_str(&line, "}\n");
        fputs(text_failed(&line) ? "" : line.data, stdout);
        return ERR_OK;
    }
    printf("drover is a service of yours now: %s\n"
           "keys of models: NAME=value in %s/drover/environment, then 'systemctl --user restart"
           " drover'\n",
           place.unit, place.config);
    if (!lingers(&invocation->env)) {
        printf("it ends when you log out; 'loginctl enable-linger' keeps it\n");
    }
    return ERR_OK;
}

#define FLAG_DATA                                                                                  \
    OPTION_TEXT("data", 0, "DIR", "Data directory of the service [$XDG_STATE_HOME/drover].",       \
                .env = "DROVER_DATA")

static const struct flag install_flags[] = {
    FLAG_DATA,
    OPTION_TEXT("listen", 0, "ADDRESS", "Listen on HOST:PORT, too [socket only]."),
    OPTION_SWITCH("print", 0, "Print the unit instead of installing it."),
    OPTION_END,
};

const struct command command_service_install = {
    COMMAND("service", "install", NULL, "Run the daemon as your own systemd service."),
    HELP(DAEMON, "drover service install\n"),
    .flags = install_flags,
    .about = "If a daemon already serves the directory, it ends in order and the service takes\n"
             "over; jobs continue. Run this command again to change the program, the directory\n"
             "or the address.\n",
    .run = install_run,
};

/* --- rm --------------------------------------------------------------------------------------- */

static struct err rm_run(struct invocation *invocation) {
    static const char *const disable[] = {"disable", "--now", SYSTEMCTL_UNIT, NULL};
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    struct place place;
    struct why *why = &invocation->why;
    struct err err = place_find(&place, invocation);
    err = err_failed(err) ? err : service_talk(&talk, &place, invocation);
    err = err_failed(err) ? err : outside_check(&talk, why);
    if (!err_failed(err) && access(place.unit, F_OK) < 0) {
        return err_why(why, ERR_NOT_FOUND, "there is no service to remove: %s: %s", place.unit,
                       strerror(errno));
    }
    err = err_failed(err) ? err : systemctl_check(why);
    err = err_failed(err) ? err : systemctl_run(disable, NULL /* not wanted */, why);
    if (!err_failed(err) && unlink(place.unit) < 0) {
        err = path_why(err_from_errno(errno, "service: unit"), place.unit, "removed", why);
    }
    err = err_failed(err) ? err : systemctl_run(reload, NULL /* not wanted */, why);
    if (!err_failed(err) && !invocation->json) {
        printf("removed %s; the daemon has ended, its jobs go on, and its data stays\n",
               place.unit);
    }
    return err;
}

static const struct flag place_flags[] = {
    FLAG_DATA,
    OPTION_END,
};

const struct command command_service_rm = {
    COMMAND("service", "rm", NULL, "Stop the service and remove its unit."),
    HELP(DAEMON, "drover service rm\n"),
    .flags = place_flags,
    .run = rm_run,
};

/* --- status ----------------------------------------------------------------------------------- */

/* Each line of the answer, as text or as members. */
struct status {
    struct text lines;
    bool json;
};

PRINTF_LIKE(3, 4)
static void status_add(struct status *status, const char *name, const char *format, ...) {
    struct why value;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(value.text, sizeof value.text, format, args); /* Cut at worst. */
    va_end(args);
    if (status->json) {
        text_add_member(&status->lines, name, bytes_of(value.text));
    } else {
        text_addf(&status->lines, "%-8s %s\n", name, value.text);
    }
}

static void unit_status(struct status *status, const struct text *state) {
    struct bytes unit = state_value(state, "FragmentPath");
    struct bytes enabled = state_value(state, "UnitFileState");
    struct bytes active = state_value(state, "ActiveState");
    struct bytes sub = state_value(state, "SubState"), pid = state_value(state, "MainPID");
    bool runs = !bytes_is(pid, "0") && pid.len > 0;
    if (unit.len == 0) {
        status_add(status, "unit", "not installed; 'drover service install' does it");
        return;
    }
    status_add(status, "unit", "%.*s", (int)unit.len, unit.data);
    status_add(status, "starts", "%s",
               bytes_is(enabled, "enabled")
                   ? "when you log in, or at boot where you linger"
                   : "only when told; 'drover service install' enables it");
    status_add(status, "state", "%.*s (%.*s)%s%.*s", (int)active.len, active.data, (int)sub.len,
               sub.data, runs ? ", pid " : "", runs ? (int)pid.len : 0, pid.data);
}

static void daemon_status(struct status *status, const struct place *place,
                          const struct text *state, struct invocation *invocation) {
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(json_release) json_t *answer = NULL;
    if (err_failed(service_talk(&talk, place, invocation)) ||
        err_failed(version_get(&talk, &answer))) {
        status_add(status, "daemon", "none answers at %s", place->data);
        return;
    }
    const bool ours = is_of_service(answer, state_value(state, "MainPID"));
    status_add(status, "daemon", "drover %s answers at %s, pid %lld%s",
               talk_text(answer, "version"), place->data, (long long)talk_int(answer, "pid"),
               ours ? "" : "; it is not the service's");
}

static struct err status_run(struct invocation *invocation) {
    AUTO(text_done) struct text state = {0};
    struct status status = {.lines = text_up_to(UNIT_BYTES_MAX), .json = invocation->json};
    struct place place;
    TRY(place_find(&place, invocation));
    TRY(systemctl_check(&invocation->why));
    TRY(state_ask(&state, &invocation->why));
    text_add_str(&status.lines, status.json ? "{" : "");
    unit_status(&status, &state);
    daemon_status(&status, &place, &state, invocation);
    status_add(&status, "logout", "%s",
               lingers(&invocation->env)
                   ? "the service goes on when you log out"
                   : "the service ends when you log out; 'loginctl enable-linger' keeps it");
    text_add_str(&status.lines, status.json ? "}\n" : "");
    struct err err =
        text_failed(&status.lines) ? text_error(&status.lines, "service: status") : ERR_OK;
    if (!err_failed(err)) {
        fputs(status.lines.data, stdout);
    }
    text_done(&status.lines);
    return err;
}

const struct command command_service_status = {
    COMMAND("service", "status", NULL, "Show whether the service is installed and running."),
    HELP(DAEMON, "drover service status\n"),
    .flags = place_flags,
    .run = status_run,
};
