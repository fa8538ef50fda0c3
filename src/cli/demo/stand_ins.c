/* stand_ins.c: see stand_ins.h. */
#include "cli/demo/stand_ins.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/base/api_request.h"
#include "cli/demo/files.h"

enum { BODY_MAX = 64 << 10, FILE_MAX = 64 << 10, NAME_SIZE = 64 };

/* release.js names them as `type`, with `name` as their label. At the time of the demo's own kill
 * the first has ended, and the others are in the middle of their answers. */
static const struct stand_in {
    const char *name, *type, *answer;
    int word_ms; /* Time before each word. */
} all[STAND_INS] = {
    {"Ben", "stand-in-ben", "All 412 tests pass, and the slow one is twice as fast.", 235},
    {"Cleo", "stand-in-cleo",
     "The notes fit on one page: a new command, two fixes, nothing to migrate.", 650},
    {"Dan", "stand-in-dan",
     "If it fails, the old package goes back in one minute; I have tried it.", 680},
};

/* Path of the file in which a program writes down that it was asked; owned by the caller. */
static char *asked_path(const struct stand_ins *stand_ins, const struct stand_in *one) {
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "asked-%s", one->name); /* Names are short. */
    return private_daemon_path(stand_ins->daemon, name);
}

static void word_add(struct text *body, const char *word) {
    text_add_json(body, word, strlen(word));
}

static struct err stand_in_add(const struct stand_ins *stand_ins, const struct stand_in *one,
                               struct talk *talk, int64_t speed, struct why *why) {
    AUTO(text_done) struct text body = text_up_to(BODY_MAX);
    AUTO(mem_release) char *script = private_daemon_path(stand_ins->daemon, "stand-in.sh");
    AUTO(mem_release) char *asked = asked_path(stand_ins, one);
    AUTO(json_release) json_t *answer = NULL;
    char seconds[NAME_SIZE];
    int64_t ms = one->word_ms / speed;
    (void)snprintf(seconds, sizeof seconds, "%d.%03d", (int)(ms / 1000), (int)(ms % 1000));
    text_add_str(&body, "{");
    text_add_member(&body, "name", bytes_of(one->type));
    text_add_member(&body, "description", BYTES("Stands in for a program, in drover demo."));
    text_add_member(&body, "program", BYTES("json_lines"));
    text_add_member(&body, "command", BYTES("/bin/sh"));
    text_add_name(&body, "args");
    const char *const words[] = {script, asked, seconds, one->answer};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        text_add_char(&body, i == 0 ? '[' : ',');
        word_add(&body, words[i]);
    }
    text_add_str(&body, "],\"lines\":{\"text\":\"text\",\"result\":\"done\",\"cost\":\"dollars\","
                        "\"input_tokens\":\"input\",\"output_tokens\":\"output\"}}");
    const struct api_request add = {.method = "POST", .base = "/api/v1/agents", .body = &body};
    return api_ask(talk, &add, &answer, why);
}

struct err stand_ins_add(const struct stand_ins *stand_ins, struct talk *talk, int64_t speed,
                         struct why *why) {
    const struct world *world = stand_ins->daemon->world;
    AUTO(mem_release) char *script = private_daemon_path(stand_ins->daemon, "stand-in.sh");
    size_t count = 0;
    struct bytes source = demo_files(&count)[DEMO_STAND_IN].source;
    struct err err = world->file_replace(world->ctx, script, source, 0600 /* for the owner */);
    if (err_failed(err)) {
        why_set(why, "%s cannot be written", script);
    }
    for (size_t i = 0; i < STAND_INS && !err_failed(err); i++) {
        err = stand_in_add(stand_ins, &all[i], talk, speed, why);
    }
    return err;
}

bool stand_in_is(const char *name) {
    bool is = false;
    for (size_t i = 0; i < STAND_INS; i++) {
        is = is || strcmp(name, all[i].name) == 0;
    }
    return is;
}

void stand_ins_hear(struct stand_ins *stand_ins, const char *line) {
    for (size_t i = 0; i < STAND_INS; i++) {
        size_t len = strlen(all[i].name);
        stand_ins->answers[i] += strncmp(line, all[i].name, len) == 0 &&
                                 strncmp(line + len, ": ", 2) == 0 &&
                                 strcmp(line + len + 2, all[i].answer) == 0;
    }
}

struct err stand_ins_check(const struct stand_ins *stand_ins, struct text *fault) {
    const struct world *world = stand_ins->daemon->world;
    for (size_t i = 0; i < STAND_INS; i++) {
        AUTO(mem_release) char *path = asked_path(stand_ins, &all[i]);
        AUTO(mem_release) char *text = NULL;
        size_t len = 0, asked = 0;
        struct err err = world->file_read(world->ctx, path, FILE_MAX, &text, &len);
        if (err_failed(err) && err.code != ERR_NOT_FOUND) {
            return err;
        }
        for (size_t at = 0; at < len; at++) {
            asked += text[at] == '\n';
        }
        if (asked != 1 || stand_ins->answers[i] != 1) {
            text_addf(fault, "%sthe program %s was asked %zu times, and gave %d whole answers",
                      fault->len > 0 ? "; " : "", all[i].name, asked, stand_ins->answers[i]);
        }
    }
    return ERR_OK;
}
