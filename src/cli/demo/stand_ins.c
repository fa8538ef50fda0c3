/* stand_ins.c: see stand_ins.h. */
#include "cli/demo/stand_ins.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* Files of the directory: the program, and that in which it writes down that it was asked. */
#define SCRIPT "stand-in.sh"
#define ASKED "asked-"

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

static struct err stand_in_add(const struct stand_ins *stand_ins, const struct stand_in *one,
                               int64_t speed, struct why *why) {
    AUTO(text_done) struct text said = text_up_to(BODY_MAX);
    char asked[NAME_SIZE], seconds[NAME_SIZE];
    const int ms = (int)(one->word_ms / speed);
    (void)snprintf(asked, sizeof asked, ASKED "%s", one->name); /* Names are short. */
    (void)snprintf(seconds, sizeof seconds, "%d.%03d", ms / 1000, ms % 1000);
    const char *const words[] = {"agent",
                                 "add",
                                 one->type,
                                 "--program",
                                 "json_lines",
                                 "--command",
                                 "/bin/sh",
                                 "--arg",
                                 SCRIPT,
                                 "--arg",
                                 asked,
                                 "--arg",
                                 seconds,
                                 "--arg",
                                 one->answer,
                                 "--line",
                                 "text=text",
                                 "--line",
                                 "result=done",
                                 "--line",
                                 "cost=dollars",
                                 "--line",
                                 "input_tokens=input",
                                 "--line",
                                 "output_tokens=output",
                                 NULL};
    return private_daemon_do(stand_ins->daemon, words, &said, why);
}

struct err stand_ins_add(const struct stand_ins *stand_ins, int64_t speed, struct why *why) {
    for (size_t i = 0; i < STAND_INS; i++) {
        TRY(stand_in_add(stand_ins, &all[i], speed, why));
    }
    return ERR_OK;
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
        char name[NAME_SIZE];
        (void)snprintf(name, sizeof name, ASKED "%s", all[i].name); /* Names are short. */
        AUTO(mem_release) char *path = private_daemon_path(stand_ins->daemon, name);
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
