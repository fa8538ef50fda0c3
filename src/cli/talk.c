/* talk.c: opening the conversation, asking, and reading lists. */
#include "cli/talk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>

#include "base/fd.h"
#include "base/memory.h"

static void flush(void *ctx) {
    (void)fflush(stdout); /* A failure shows again at the end. */
}

/* SIGINT and SIGTERM become bytes that poll(2) sees. */
static struct err interrupt_open(int *ret_fd) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL /* not restored: the process ends soon */) < 0) {
        return err_from_errno(errno, "talk: signals");
    }
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return err_from_errno(errno, "talk: signals");
    }
    *ret_fd = fd;
    return ERR_OK;
}

struct err talk_open(struct talk *talk, struct invocation *invocation) {
    *talk = (struct talk){.interrupt_fd = -1};
    struct err err = interrupt_open(&talk->interrupt_fd);
    if (err_failed(err)) {
        return err;
    }
    const char *data = args_directory(&invocation->args);
    const char *url = args_text(&invocation->args, "url");
    if (data == NULL && url == NULL) {
        talk->data = config_data_default(&invocation->env);
        data = talk->data;
    }
    if (data == NULL && url == NULL) {
        why_set(&invocation->why, "no data directory: neither HOME nor XDG_STATE_HOME is set");
        return err_make(ERR_USAGE, "talk: data");
    }
    const char *token = invocation->env.get(invocation->env.ctx, "DROVER_TOKEN");
    talk->options = (struct client_options){
        .data = data,
        .url = url,
        .token = token != NULL && token[0] != '\0' ? token : NULL, /* As with all settings. */
        .interrupt_fd = talk->interrupt_fd,
        .before_wait = flush,
    };
    return client_open(&talk->options, &talk->client, &invocation->why);
}

void talk_close(struct talk *talk) {
    client_close(talk->client);
    mem_free(talk->data);
    fd_release(&talk->interrupt_fd);
    *talk = (struct talk){.interrupt_fd = -1};
}

struct err talk_ask(struct talk *talk, const struct client_request *request, struct text *ret_body,
                    json_t **ret_json, struct why *why) {
    AUTO(text_done) struct text body = {0};
    struct err err = client_call(talk->client, request, &body, why);
    if (!err_failed(err) && ret_json != NULL) {
        err =
            json_parse(body.data != NULL ? body.data : "", body.len, JSON_DEPTH_MAX, ret_json, why);
    }
    if (!err_failed(err) && ret_body != NULL) {
        text_done(ret_body);
        *ret_body = body;
        body = (struct text){0};
    }
    return err;
}

struct err talk_list(struct talk *talk, const char *path,
                     void (*each)(void *ctx, const json_t *item), void *ctx, struct why *why) {
    AUTO(text_done) struct text target = {0};
    text_init(&target, 8 << 10);
    text_addf(&target, "%s?limit=200", path);
    for (;;) {
        if (text_failed(&target)) {
            return err_make(ERR_OUT_OF_MEMORY, "talk: list");
        }
        AUTO(json_release) json_t *page = NULL;
        struct client_request request = {.method = "GET", .target = target.data};
        struct err err = talk_ask(talk, &request, NULL /* parsed is enough */, &page, why);
        if (err_failed(err)) {
            return err;
        }
        size_t at = 0;
        json_t *item = NULL;
        json_array_foreach(json_object_get(page, "items"), at, item) {
            each(ctx, item);
        }
        const char *next = json_string_value(json_object_get(page, "next"));
        if (next == NULL) {
            return ERR_OK;
        }
        text_clear(&target);
        text_addf(&target, "%s?limit=200&after=", path);
        client_add_escaped(&target, next);
    }
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

const char *talk_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

int64_t talk_int(const json_t *object, const char *key) {
    return json_integer_value(json_object_get(object, key));
}

void talk_print(const json_t *value) {
    AUTO(text_done) struct text line = {0};
    text_init(&line, 32 << 20);
    if (!err_failed(json_write(value, &line))) {
        text_add_char(&line, '\n');
        fwrite(line.data, 1, line.len, stdout);
    }
}
