/* context.c: what the question of a turn is followed by: what is another from turn to turn.
 *
 *   <context>
 *   Today is Friday, 2026-11-20 (UTC).
 *   Git: on the branch main.
 *   Beside the project, these folders may be used by their absolute paths:
 *   - PATH (read)
 *   You remember, of what may matter here:
 *   - TOPIC: TITLE: CONTENT
 *   </context>
 *
 * The tail is made once for the prompts of a turn, so that they begin alike, whatever the turn
 * changes (the branch, the memories). It is not stored, and no prompt of a later turn has it. */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/json/json.h"
#include "base/utf8.h"
#include "dispatch/turn/talk.h"
#include "tool/git_state.h"

enum { TAIL_MAX = 512 << 10, RECALLED_MAX = 5, CONTENT_MAX = 400 };

static void add_roots(const struct talk *talk, struct text *text) {
    AUTO(json_release) json_t *roots = NULL;
    if (err_failed(json_parse_wrapped(talk->plan.roots, &roots, NULL)) ||
        json_array_size(roots) == 0) {
        return;
    }
    text_add_str(text, "Beside the project, these folders may be used by their absolute paths:\n");
    for (size_t i = 0; i < json_array_size(roots); i++) {
        const json_t *root = json_array_get(roots, i);
        text_addf(text, "- %s (%s)\n", json_string_value(json_object_get(root, "path")),
                  json_string_value(json_object_get(root, "access")));
    }
}

void talk__tail_begin(struct talk *talk) {
    char day[40];
    struct tm parts;
    time_t now = (time_t)(world_wall_ms(loop_world(talk->turns->options.loop)) / 1000);
    if (talk->tail.len > 0) {
        return; /* The tail stays as it is for the turn. */
    }
    text_done(&talk->facts);
    text_init(&talk->facts, TAIL_MAX);
    text_add_str(&talk->facts, "<context>\n");
    if (gmtime_r(&now, &parts) != NULL &&
        strftime(day, sizeof day, "Today is %A, %Y-%m-%d (UTC).", &parts) > 0) {
        text_addf(&talk->facts, "%s\n", day);
    }
    if (talk->plan.root.len > 0) {
        git_state_write(talk->plan.root.data, &talk->facts);
    }
    add_roots(talk, &talk->facts);
}

struct recalled {
    struct text *text;
    bool any;
};

static struct err add_memory(void *ctx, const struct memory *memory) {
    struct recalled *recalled = ctx;
    struct text *text = recalled->text;
    size_t len = utf8_cut(memory->content, CONTENT_MAX);
    text_add_str(text, recalled->any ? "" : "You remember, of what may matter here:\n");
    recalled->any = true;
    text_add_str(text, "- ");
    const struct bytes heads[] = {memory->topic, memory->title};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        text_add(text, heads[i].data, heads[i].len);
        text_add_str(text, heads[i].len > 0 ? ": " : "");
    }
    text_add(text, memory->content.data, len);
    text_add_str(text, len < memory->content.len ? "…\n" : "\n");
    return ERR_OK;
}

/* What a memory or a branch is called does not end the block. */
static void add_within(struct bytes from, struct text *text) {
    static const char end[] = "</context";
    const size_t len = sizeof end - 1;
    for (size_t i = 0; i < from.len; i++) {
        text_add_char(text, from.data[i]);
        if (from.len - i >= len && strncasecmp(from.data + i, end, len) == 0) {
            text_add_char(text, ' ');
        }
    }
}

static struct err write_tail(struct tx *tx, struct talk *talk) {
    AUTO(text_done) struct text within;
    text_init(&within, TAIL_MAX);
    struct recalled recalled = {.text = &within};
    text_add(&within, talk->facts.data, talk->facts.len);
    struct err err = tx_prompt_recall(tx, talk__run(talk), RECALLED_MAX, add_memory, &recalled);
    text_done(&talk->tail);
    text_init(&talk->tail, 2 * TAIL_MAX);
    if (!err_failed(err) && !text_failed(&within)) {
        add_within((struct bytes){within.data, within.len}, &talk->tail);
        text_add_str(&talk->tail, "</context>");
    }
    return err;
}

struct err talk__tail_end(struct tx *tx, struct talk *talk, struct model_request *request) {
    struct err err = talk->tail.len > 0 ? ERR_OK : write_tail(tx, talk);
    if (!err_failed(err) && talk->tail.len > 0 && !text_failed(&talk->tail)) {
        model_request_set_tail(request, (struct bytes){talk->tail.data, talk->tail.len});
    }
    return err;
}
