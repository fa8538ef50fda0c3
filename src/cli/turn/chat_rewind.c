/* chat_rewind.c: /rewind in a chat: what the session did is taken back, and the message returns to
 * the line.
 *
 * The question is asked by the terminal's own line, between one picture and the next:
 * live_screen draws below what was printed here. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "cli/session/rewind.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/confirm.h"
#include "cli/terminal/plain.h"
#include "cli/turn/chat.h"

enum { LINES_MAX = 8 << 20, MESSAGES_BACK_MAX = 1000 };

/* The lines of a text, each by itself: a line that is said is bounded. */
static void lines_say(struct chat *chat, const struct text *text) {
    struct bytes rest = text_bytes(text);
    while (rest.len > 0) {
        const char *end = memchr(rest.data, '\n', rest.len);
        const size_t len = end == NULL ? rest.len : (size_t)(end - rest.data);
        const size_t step = len + (end != NULL);
        chat_say(chat, "%.*s", (int)len, rest.data);
        rest = (struct bytes){rest.data + step, rest.len - step};
    }
}

/* A terminal shows the preview at once, so that the question stands below it. Ctrl-C is a no. */
static struct err preview_confirm(struct chat *chat, const json_t *preview, struct text *lines,
                                  bool *ret_yes) {
    AUTO(text_done) struct text question = text_up_to(1024);
    if (chat->form != CHAT_TERMINAL) {
        lines_say(chat, lines);
        *ret_yes = true;
        return ERR_OK;
    }
    cells_wrap_words(lines, 0, chat->paint.columns);
    plain_print(text_bytes(lines));
    text_add_str(&question, "Take back ");
    rewind_sum_add(preview, &question);
    text_add_char(&question, '?');
    const struct err err = confirm_ask(question.data, chat->talk->interrupt_fd, ret_yes);
    if (err.code == ERR_INTERRUPTED) {
        chat_interrupt_take(chat);
        putchar('\n');
        *ret_yes = false;
        return ERR_OK;
    }
    return err;
}

/* Shows what would happen. *ret_go: whether it is to happen. */
static struct err preview_show(struct chat *chat, const struct rewind_target *target,
                               const struct rewind_wish *wish, bool *ret_go) {
    AUTO(json_release) json_t *preview = NULL;
    AUTO(text_done) struct text lines = text_up_to(LINES_MAX);
    struct rewind_wish look = *wish;
    look.way = REWIND_PREVIEW;
    TRY(rewind_ask(chat->talk, &look, &preview, &chat->invocation->why));
    rewind_preview_add(target, preview, &lines);
    const size_t refused = rewind_refused_count(preview);
    if (refused > 0) {
        lines_say(chat, &lines);
        chat_note(chat, "[others changed the same files, so nothing was taken back]");
        chat_say(chat,
                 "[to take one back all the same: drover session rewind %s --to %s "
                 "--conversation --force PATH]",
                 chat->session, target->id);
        return ERR_OK;
    }
    TRY(preview_confirm(chat, preview, &lines, ret_go));
    if (!*ret_go) {
        chat_say(chat, "[nothing was taken back]");
    }
    return ERR_OK;
}

static void done_say(struct chat *chat, const json_t *answer) {
    AUTO(text_done) struct text sum = text_up_to(1024);
    const char *point = talk_text(answer, "point");
    rewind_sum_add(answer, &sum);
    chat_say(chat, "[took back %s]", text_bytes(&sum).data);
    if (point[0] != '\0' && json_array_size(json_object_get(answer, "files")) > 0) {
        chat_say(chat, "[to have the files again: drover session rewind %s --to %s]", chat->session,
                 point);
    }
}

struct err chat_rewind(struct chat *chat, const char *rest) {
    AUTO(rewind_target_done) struct rewind_target target = {.id = NULL};
    AUTO(json_release) json_t *answer = NULL;
    AUTO(text_done) struct text words = text_up_to(EDIT_LINE_MAX);
    const struct number_bounds bounds = {1, MESSAGES_BACK_MAX};
    int64_t back = 1;
    bool go = false;
    if (rest[0] != '\0' && !number_parse(bytes_trim(bytes_of(rest), " \t"), bounds, &back)) {
        chat_say(chat, "[how many of your messages back? /rewind N]");
        return ERR_OK;
    }
    TRY(rewind_target_back(chat->talk, chat->session, back, &target, &chat->invocation->why));
    struct rewind_wish wish = {
        .session = chat->session, .to = target.id, .what = REWIND_BOTH, .way = REWIND_APPLY};
    TRY(preview_show(chat, &target, &wish, &go));
    if (!go) {
        return ERR_OK;
    }
    TRY(rewind_ask(chat->talk, &wish, &answer, &chat->invocation->why));
    done_say(chat, answer);
    rewind_target_text(&target, &words);
    if (words.len > 0 && !text_failed(&words)) {
        mem_free(chat->draft);
        chat->draft = mem_copy(words.data, words.len);
    }
    return ERR_OK;
}
