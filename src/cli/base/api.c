/* api.c: opening the conversation, asking, and reading lists. */
#include "cli/base/api.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/utf8.h"
#include "cli/base/api_request.h"
#include "cli/base/autostart.h"
#include "cli/base/commands.h"
#include "cli/base/key_hint.h"
#include "cli/base/user_unit.h"
#include "cli/terminal/plain.h"

enum { CUT_RETRY_MS = 10 * 1000 };
static const uint64_t START_AGAIN_NS = 30ULL * 1000 * 1000 * 1000;

static void flush(void *ctx) {
    (void)fflush(stdout); /* A failure shows again at the end. */
}

/* Signals become bytes that poll(2) sees: SIGINT and SIGTERM, and with `all` SIGHUP and SIGQUIT.
 * *io_fd -1: a new descriptor. */
static struct err interrupt_take(bool all, int *io_fd) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (all) {
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGQUIT);
    }
    int fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, NULL /* not restored: the process ends soon */) == 0) {
        fd = signalfd(*io_fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    if (fd < 0) {
        return err_from_errno(errno, "talk: signals");
    }
    *io_fd = fd;
    return ERR_OK;
}

/* Not from the start: who runs under nohup wants no hang-up. */
void talk_hear_all(struct talk *talk) {
    (void)interrupt_take(true, &talk->interrupt_fd); /* It exists: nothing can be wrong. */
}

static struct err start_pause(void *ctx, int64_t pause_ms) {
    const struct talk *talk = ctx;
    return client_pause(&talk->options, pause_ms);
}

/* "drover job run" */
static void command_words(const struct command *command, char *words, size_t size) {
    bool grouped = command->group != NULL;
    (void)snprintf(words, size, "drover %s%s%s", grouped ? command->group : "", grouped ? " " : "",
                   command->name); /* Names of our own: they fit. */
}

/* A client that has met a daemon starts another one only where that one was started the same way,
 * and was not shut down: a service manager, or a person, sees to all others. After a start that
 * failed the next one takes a while: a command of several requests, or one that waits, would else
 * show the same log again and again. */
static struct err missing_start(void *ctx, bool was_there, struct why *why) {
    struct talk *talk = ctx;
    if (was_there && !autostart_is_wanted(talk->options.data)) {
        return err_make(ERR_UNREACHABLE, "talk: start"); /* `why` says it. */
    }
    const uint64_t now_ns = world_mono_ns(talk->world);
    if (err_failed(talk->start_err) && now_ns - talk->start_ns < START_AGAIN_NS) {
        *why = talk->start_why;
        return talk->start_err;
    }
    talk->start_err = talk_start(talk, why);
    talk->start_ns = world_mono_ns(talk->world);
    talk->start_why = err_failed(talk->start_err) ? *why : talk->start_why;
    return talk->start_err;
}

static struct autostart start_of(struct talk *talk, const char *command) {
    return (struct autostart){.data = talk->options.data,
                              .data_default = talk->data != NULL,
                              .command = command,
                              .env = &talk->invocation->env,
                              .serve = &command_serve,
                              .world = talk->world,
                              .pause = start_pause,
                              .ctx = talk};
}

struct err talk_restart_unit(struct talk *talk, bool *ret_is_unit, struct why *why) {
    const struct autostart start = start_of(talk, "drover restart");
    *ret_is_unit = user_unit_serves(&start);
    return *ret_is_unit ? user_unit_ask("restart", why) : ERR_OK;
}

struct err talk_start(struct talk *talk, struct why *why) {
    char command[64];
    int pid = 0;
    command_words(talk->invocation->args.command, command, sizeof command);
    const struct autostart start = start_of(talk, command);
    struct err err = autostart_run(&start, &pid, why);
    /* A command that goes on with the next daemon may have drawn a picture on the terminal. */
    bool first = talk->client == NULL || !client_was_connected(talk->client);
    if (!err_failed(err) && pid != 0 && first && isatty(STDERR_FILENO) == 1) {
        plain_note("drover: started the daemon (pid %d); 'drover shutdown' ends it\n", pid);
    }
    return err;
}

/* Variables that the user's runs need: for their commands, and to find the user's workflows
 * (api/base/request.h). */
static void environment_add(struct talk *talk) {
    enum { ENVIRONMENT_MAX = 6 << 10 }; /* 8 kB in base64. */
    static const char *const names[] = {"PATH", "CLAUDE_CONFIG_DIR"};
    const struct config_env *env = &talk->invocation->env;
    AUTO(text_done) struct text json = text_up_to(ENVIRONMENT_MAX);
    text_add_char(&json, '{');
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = env->get(env->ctx, names[i]);
        if (value != NULL && value[0] != '\0' && utf8_valid(value, strlen(value))) {
            text_add_member(&json, names[i], bytes_of(value));
        }
    }
    text_add_char(&json, '}');
    talk->environment = text_up_to(2 * ENVIRONMENT_MAX);
    if (!text_failed(&json)) {
        base64_add(&talk->environment, text_bytes(&json));
        talk->options.environment = text_bytes(&talk->environment).data;
    }
}

struct err talk_open(struct talk *talk, struct invocation *invocation) {
    *talk = (struct talk){.interrupt_fd = -1, .world = invocation->world, .invocation = invocation};
    const bool starts =
        !invocation->args.command->starts_none && !args_on(&invocation->args, "no-start");
    const char *data = NULL, *url = args_text(&invocation->args, "url");
    talk->err = interrupt_take(false, &talk->interrupt_fd);
    if (!err_failed(talk->err) && url == NULL) {
        talk->err =
            config_data(&invocation->args, &invocation->env, &talk->data, &data, &invocation->why);
    }
    if (err_failed(talk->err)) {
        return talk->err;
    }
    const char *token = invocation->env.get(invocation->env.ctx, "DROVER_TOKEN");
    talk->options = (struct client_options){
        .data = data,
        .url = url,
        .token = token != NULL && token[0] != '\0' ? token : NULL, /* As with all settings. */
        .interrupt_fd = talk->interrupt_fd,
        .before_wait = flush,
        .start = starts ? missing_start : NULL,
        .start_ctx = talk,
    };
    environment_add(talk);
    talk->err = client_open(&talk->options, &talk->client, &invocation->why);
    if (!err_failed(talk->err) && invocation->args.command->asks_models) {
        key_hint(talk);
    }
    return talk->err;
}

void talk_start_none(struct talk *talk) {
    talk->options.start = NULL;
    talk->warned_version = true; /* A command about the daemon itself. */
}

void talk_close(struct talk *talk) {
    client_close(talk->client);
    mem_free(talk->data);
    text_done(&talk->environment);
    fd_release(&talk->interrupt_fd);
    *talk = (struct talk){.interrupt_fd = -1};
}

/* After an upgrade the daemon is the old program still. */
static void version_warn(struct talk *talk) {
    const char *version = client_header(talk->client, "drover-version");
    if (talk->warned_version || version == NULL || strverscmp(version, DROVER_VERSION) >= 0 ||
        isatty(STDERR_FILENO) != 1) {
        return;
    }
    talk->warned_version = true;
    const bool ours = talk->options.url == NULL && autostart_is_wanted(talk->options.data);
    plain_note("drover: the daemon (%s) is older than this drover (%s); %s\n", version,
               DROVER_VERSION,
               ours ? "'drover restart' replaces it without loss"
                    : "restart it where it was started: nothing is lost");
}

struct err talk_ask(struct talk *talk, const struct client_request *request, struct text *ret_body,
                    json_t **ret_json, struct why *why) {
    AUTO(text_done) struct text body = {0};
    struct why unread;
    why = why != NULL ? why : &unread;
    if (talk->client == NULL) {
        return talk->err;
    }
    struct err err = client_call(talk->client, request, &body, why);
    version_warn(talk);
    if (talk->epoch == 0) {
        (void)talk_finds_restart(talk, talk->client); /* The first daemon: it is kept. */
    }
    if (!err_failed(err) && ret_json != NULL) {
        err = json_parse_wrapped((struct bytes){body.data, body.len}, ret_json, why);
    }
    if (!err_failed(err) && ret_body != NULL) {
        text_done(ret_body);
        *ret_body = body;
        body = (struct text){0};
    }
    return err;
}

void talk_trouble(void *ctx, const char *text) {
    plain_note("drover: %s; trying again\n", text);
}

void talk_trouble_of(struct err err, const struct why *why) {
    talk_trouble(NULL, err_words(err, why));
}

int64_t talk_pause_next(const struct world *world, int64_t *pause_ms) {
    enum { FIRST_MS = 20, MAX_MS = 2000 };
    uint16_t random = 0;
    world_random(world, &random, sizeof random);
    *pause_ms = *pause_ms == 0 ? FIRST_MS : *pause_ms * 2 < MAX_MS ? *pause_ms * 2 : MAX_MS;
    return *pause_ms / 2 + *pause_ms / 2 * random / UINT16_MAX;
}

/* Repeats a request that may be carried out twice until it succeeds, or fails for good. */
static struct err request_repeat(struct talk *talk, struct client_request *request,
                                 enum api_retry after, int64_t limit_ms, json_t **ret_json,
                                 struct why *why) {
    uint8_t random[16];
    char key[2 * sizeof random + 1];
    if (after == API_RETRY_CUT) {
        world_random(talk->world, random, sizeof random);
        hex_write(random, sizeof random, key);
        request->key = key;
    }
    uint64_t begin_ns = world_mono_ns(talk->world);
    for (int64_t pause_ms = 0; !err_failed(talk->err);) {
        why->text[0] = '\0';
        struct err err = talk_ask(talk, request, NULL /* parsed is enough */, ret_json, why);
        if (after == API_RETRY_CUT) {
            if (err.code != ERR_IO && err.code != ERR_CLOSING) {
                return err;
            }
            after = API_RETRY_AWAY;
            begin_ns = world_mono_ns(talk->world);
            continue;
        }
        if (!err_failed(err) && pause_ms > 0 && talk_finds_held(talk, talk->client)) {
            talk_held_print();
        }
        uint64_t tried_ms = (world_mono_ns(talk->world) - begin_ns) / 1000000;
        if (!client_may_pass(err) || tried_ms >= (uint64_t)limit_ms) {
            return err;
        }
        if (pause_ms == 0) {
            talk_trouble_of(err, why);
        }
        TRY(client_pause(&talk->options, talk_pause_next(talk->world, &pause_ms)));
    }
    return talk->err;
}

void talk_unknown(struct why *why, const char *sentence, const char *id) {
    const char *mark = sentence != NULL ? strstr(sentence, "{}") : NULL;
    if (mark != NULL) {
        why_set(why, "%.*s%.60s%s", (int)(mark - sentence), sentence, id, mark + 2);
    } else if (sentence != NULL) {
        why_set(why, "%s", sentence);
    }
}

bool talk_name_fits(const char *id) {
    return id[0] != '\0' && strcmp(id, ".") != 0 && strcmp(id, "..") != 0 &&
           strpbrk(id, "/\\") == NULL && utf8_valid(id, strlen(id));
}

bool talk_target(struct text *target, const char *base, const char *id, const char *rest) {
    text_init(target, 8 << 10);
    text_add_str(target, base);
    client_add_escaped(target, id);
    text_add_str(target, rest);
    return !text_failed(target) && talk_name_fits(id);
}

struct err api_ask(struct talk *talk, const struct api_request *asked, json_t **ret_answer,
                   struct why *why) {
    AUTO(text_done) struct text path = {0};
    const struct text *body = asked->body;
    struct why unread;
    why = why != NULL ? why : &unread;
    struct client_request request = {.method = asked->method != NULL ? asked->method : "GET",
                                     .target = asked->base,
                                     .key = asked->key,
                                     .timeout_ms = asked->timeout_ms};
    if (asked->id != NULL) {
        const char *rest = asked->rest != NULL ? asked->rest : "";
        if (!talk_target(&path, asked->base, asked->id, rest)) {
            talk_unknown(why, asked->unknown, asked->id);
            return err_make(ERR_NOT_FOUND, "request: id");
        }
        request.target = path.data;
    }
    if (body != NULL && text_failed(body)) {
        return err_make(ERR_BODY_TOO_LARGE, "request: body");
    }
    request.body = body != NULL ? text_bytes(body) : request.body;
    const bool get = strcmp(request.method, "GET") == 0;
    return asked->retry_ms == 0 && (get || asked->retry == API_RETRY_CUT)
               ? request_repeat(talk, &request, API_RETRY_CUT, CUT_RETRY_MS, ret_answer, why)
               : request_repeat(talk, &request, asked->retry, asked->retry_ms, ret_answer, why);
}

struct err talk_get(struct talk *talk, const char *target, json_t **ret_json, struct why *why) {
    const struct api_request asked = {.base = target};
    return api_ask(talk, &asked, ret_json, why);
}

struct err talk_look(struct talk *talk, const char *target, int64_t timeout_ms, json_t **ret_json,
                     struct why *why) {
    const struct client_request request = {
        .method = "GET", .target = target, .timeout_ms = timeout_ms};
    return talk_ask(talk, &request, NULL /* parsed is enough */, ret_json, why);
}

void api_member(struct text *body, const char *name, const char *value) {
    if (value != NULL) {
        text_add_member(body, name, bytes_of(value));
    }
}

static bool has_enough(const struct talk_rows *rows, int64_t seen) {
    return (rows->most > 0 && seen >= rows->most) || (rows->enough != NULL && *rows->enough);
}

struct err talk_rows(struct talk *talk, const struct talk_rows *rows, struct why *why) {
    enum { PAGE_ROWS = 200 };
    AUTO(json_release) json_t *page = NULL;
    struct talk_end end = {.shown = 0};
    do {
        AUTO(text_done) struct text target = {0};
        const char *after = json_str(page, "next", NULL);
        int64_t left = rows->most > 0 ? rows->most - end.shown : PAGE_ROWS;
        text_init(&target, 8 << 10);
        text_addf(&target, "%s%climit=%lld", rows->path,
                  strchr(rows->path, '?') != NULL ? '&' : '?',
                  (long long)(left < PAGE_ROWS ? left : PAGE_ROWS));
        if (after != NULL) {
            text_add_str(&target, "&after=");
            client_add_escaped(&target, after);
        } else if (rows->total) {
            text_add_str(&target, "&total=1");
        }
        if (text_failed(&target)) {
            return err_make(ERR_OUT_OF_MEMORY, "talk: list");
        }
        bool first = page == NULL;
        json_release(&page);
        TRY(talk_get(talk, target.data, &page, why));
        if (first) {
            end.total = talk_int(page, "total");
            end.total_more = json_is_true(json_object_get(page, "more"));
        }
        end.more = json_is_string(json_object_get(page, "next"));
        const json_t *items = json_object_get(page, "items");
        for (size_t at = 0; at < json_array_size(items) && !has_enough(rows, end.shown); at++) {
            rows->each(rows->ctx, json_array_get(items, at));
            end.shown++;
        }
    } while (end.more && !has_enough(rows, end.shown));
    if (rows->end != NULL) {
        *rows->end = end;
    }
    return ERR_OK;
}

struct err talk_list(struct talk *talk, const char *path,
                     void (*each)(void *ctx, const json_t *item), void *ctx, struct why *why) {
    struct talk_rows rows = {.path = path, .each = each, .ctx = ctx};
    return talk_rows(talk, &rows, why);
}

struct talk_time talk_time(int64_t ms) {
    struct talk_time when = {.text = ""};
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL) {
        (void)strftime(when.text, sizeof when.text, "%Y-%m-%d %H:%M:%SZ", &parts); /* Fits. */
    }
    return when;
}

struct talk_time talk_clock(int64_t ms) {
    struct talk_time when = talk_time(ms), clock = {.text = ""};
    const char *space = strchr(when.text, ' ');
    (void)snprintf(clock.text, sizeof clock.text, "%s", space != NULL ? space + 1 : when.text);
    return clock; /* A part of the other fits. */
}

struct talk_time talk_ago(int64_t ms, int64_t now_ms) {
    static const struct {
        int64_t below_s, unit_s;
        const char *unit;
    } units[] = {{60, 1, "s"},
                 {60 * 60, 60, "min"},
                 {48 * 3600, 3600, "h"},
                 {60 * 24 * 3600, 24 * 3600, "days"}};
    const int64_t apart_s = (ms > now_ms ? ms - now_ms : now_ms - ms) / 1000;
    struct talk_time when = {.text = "now"};
    for (size_t i = 0; i < COUNT_OF(units) && apart_s > 0; i++) {
        if (apart_s < units[i].below_s) {
            (void)snprintf(when.text, sizeof when.text, ms > now_ms ? "in %lld %s" : "%lld %s ago",
                           (long long)(apart_s / units[i].unit_s), units[i].unit);
            return when; /* Fits. */
        }
    }
    if (apart_s > 0) {
        when = talk_time(ms);
        when.text[strcspn(when.text, " ")] = '\0';
    }
    return when;
}

struct talk_time talk_in(int64_t ms, int64_t now_ms) {
    return talk_ago(ms > now_ms ? ms : now_ms, now_ms);
}

const json_t *talk_find(const json_t *rows, const char *member, const char *text) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (strcmp(talk_text(json_array_get(rows, i), member), text) == 0) {
            return json_array_get(rows, i);
        }
    }
    return NULL;
}

const char *talk_text(const json_t *object, const char *key) {
    return json_str(object, key, "");
}

int64_t talk_int(const json_t *object, const char *key) {
    return json_int(object, key, 0);
}

bool talk_finds_restart(struct talk *talk, const struct client *client) {
    const char *header = client_header(client, "drover-epoch");
    const int64_t before = talk->epoch;
    return header != NULL &&
           number_parse(bytes_of(header), (struct number_bounds){1, INT64_MAX}, &talk->epoch) &&
           before != 0 && talk->epoch != before;
}

bool talk_finds_held(struct talk *talk, const struct client *client) {
    bool held = !talk->warned_held && client_header(client, "drover-held") != NULL;
    talk->warned_held = talk->warned_held || held;
    return held;
}

void talk_held_print(void) {
    plain_note("[" TALK_HELD_WORDS "]\n");
}

void talk_warn_held(struct talk *talk) {
    if (talk->client != NULL && talk_finds_held(talk, talk->client)) {
        talk_held_print();
    }
}

void talk_print(const json_t *value) {
    AUTO(text_done) struct text line = {0};
    text_init(&line, 32 << 20);
    if (!err_failed(json_write(value, &line))) {
        text_add_char(&line, '\n');
        fwrite(line.data, 1, line.len, stdout);
    }
}
