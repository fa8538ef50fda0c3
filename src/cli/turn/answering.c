/* answering.c: shows the first open question, and sends a line as its answer. */
#include "cli/turn/answering.h"

#include <string.h>

#include "base/memory.h"
#include "cli/base/api_request.h"
#include "cli/turn/question.h"

enum { ANSWER_MAX = 2 << 20 };

void answering_done(struct answering *answering) {
    text_done(&answering->draft);
    mem_free(answering->id);
    mem_free(answering->doubt);
}

static void text_set(char **text, struct bytes new) {
    mem_free(*text);
    *text = new.data == NULL ? NULL : mem_copy(new.data, new.len);
}

/* --- The line --------------------------------------------------------------------------------- */

void answering_begin(struct answering *answering) {
    struct bytes typed = edit_line_text(answering->edit);
    text_init(&answering->draft, EDIT_LINE_MAX);
    text_add(&answering->draft, typed.data, typed.len);
    edit_line_set(answering->edit, BYTES(""));
}

void answering_end(struct answering *answering) {
    edit_line_set(answering->edit, text_bytes(&answering->draft));
    text_done(&answering->draft);
}

/* --- The question ----------------------------------------------------------------------------- */

static bool is_shown(const json_t *asked) {
    return json_is_string(json_object_get(asked, "shown"));
}

/* A snapshot and an event leave long arguments out: the row has them. What was typed for another
 * question is no answer to this one. */
void answering_show(struct answering *answering) {
    struct chat *chat = answering->chat;
    json_t *asked = conversation_asked(answering->conversation);
    const struct api_request approval = {.base = "/api/v1/approvals/",
                                         .id = talk_text(asked, "id")};
    AUTO(json_release) json_t *row = NULL;
    bool whole = json_is_object(json_object_get(asked, "arguments")) &&
                 json_is_object(json_object_get(asked, "about")) && is_shown(asked);
    /* Then the question is shown as far as it is known. */
    if (!whole && !err_failed(api_ask(chat->talk, &approval, &row, NULL /* no why */))) {
        (void)json_object_update(asked, row); /* As above. */
    }
    if (answering->id == NULL || strcmp(answering->id, talk_text(asked, "id")) != 0) {
        text_set(&answering->id, bytes_of(talk_text(asked, "id")));
        edit_line_set(answering->edit, BYTES(""));
    }
    question_add(asked, &chat->paint, chat->above);
}

static void always_note(struct chat *chat, const json_t *asked, enum question_choice choice) {
    AUTO(text_done) struct text words = text_up_to(4096);
    if (choice == QUESTION_ALWAYS) {
        text_add_str(&words, "not asked any more in this session: ");
    } else {
        text_addf(&words, "not asked any more in sessions of the project %s: ",
                  talk_text(asked, "project"));
    }
    question_rule_add(asked, &words);
    chat_note(chat, text_bytes(&words).data);
}

void answering_settle(struct answering *answering, const char *id) {
    const char *answered = answering->conversation->answered;
    if (answering->doubt != NULL && answered != NULL && strcmp(answered, id) == 0) {
        if (bytes_is(edit_line_text(answering->edit), answering->doubt)) {
            edit_line_set(answering->edit, BYTES(""));
        }
        text_set(&answering->doubt, (struct bytes){0});
    }
}

struct err answering_take(struct answering *answering, struct bytes line) {
    struct chat *chat = answering->chat;
    struct conversation *conversation = answering->conversation;
    json_t *asked = json_incref(conversation_asked(conversation));
    AUTO(json_release) json_t *kept = asked;
    AUTO(text_done) struct text body = text_up_to(ANSWER_MAX);
    enum question_choice choice = question_read(asked, line, &body);
    if (choice == QUESTION_UNCLEAR) {
        AUTO(text_done) struct text choices = text_up_to(4096);
        question_choices_add(asked, &choices);
        chat_note(chat, text_bytes(&choices).data);
        return ERR_OK;
    }
    if (choice != QUESTION_DENIED && !is_shown(asked)) { /* The row was not read before. */
        answering_show(answering);
        chat_note(chat, is_shown(asked) ? "read it, then answer again"
                                        : "its text cannot be read now: nothing was answered");
        return ERR_OK;
    }
    const char *id = talk_text(asked, "id");
    text_set(&conversation->answered, bytes_of(id));
    const struct api_request approval = {
        .method = "POST", .base = "/api/v1/approvals/", .id = id, .body = &body};
    struct err err = api_ask(chat->talk, &approval, NULL /* not read */, &chat->invocation->why);
    if (!err_failed(err) && (choice == QUESTION_ALWAYS || choice == QUESTION_PROJECT)) {
        always_note(chat, asked, choice);
    }
    if (err_failed(err) && !client_may_pass(err)) { /* The daemon has not taken it. */
        text_set(&conversation->answered, (struct bytes){0});
    }
    if (err.code == ERR_CONFLICT) { /* Another client was first: the event says so. */
        chat->invocation->why.text[0] = '\0';
        return ERR_OK;
    }
    if (err_failed(err)) {
        text_set(&answering->doubt, line);
        edit_line_set(answering->edit, line);
    }
    return err;
}
