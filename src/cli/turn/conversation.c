/* conversation.c: a function for each kind of event, in a table. */
#include "cli/turn/conversation.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/api.h"
#include "cli/run/view.h"
#include "cli/run/waits.h"
#include "cli/terminal/cells.h"
#include "cli/terminal/plain.h"
#include "cli/turn/card.h"

enum { LINE_MAX_BYTES = 1 << 20, SAID_MAX = 1 << 20, CAUSE_MAX = 256, MESSAGES_SHOWN = 6 };

void conversation_init(struct conversation *conversation, struct paint paint) {
    *conversation = (struct conversation){
        .markdown = {.paint = paint}, .asked = json_array(), .queued = json_array()};
    text_init(&conversation->line, LINE_MAX_BYTES);
    text_init(&conversation->cause, CAUSE_MAX);
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        text_init(&conversation->said[i].text, SAID_MAX);
    }
}

void conversation_done(struct conversation *conversation) {
    json_decref(conversation->asked);
    json_decref(conversation->queued);
    mem_free(conversation->answered);
    text_done(&conversation->line);
    text_done(&conversation->cause);
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        text_done(&conversation->said[i].text);
    }
}

json_t *conversation_asked(const struct conversation *conversation) {
    return json_array_get(conversation->asked, 0);
}

/* --- Text ------------------------------------------------------------------------------------- */

static void piece_show(struct markdown *markdown, enum conversation_channel channel,
                       struct bytes line, struct text *out) {
    const size_t begin = out->len;
    if (channel == CHANNEL_THINKING) {
        text_add_str(out, paint_begin(&markdown->paint, COLOUR_GREY));
        plain_add_line(line, out);
        text_add_str(out, paint_end(&markdown->paint, COLOUR_GREY));
        cells_wrap_words(out, begin, markdown->paint.columns);
    } else {
        markdown_line(markdown, line, out);
    }
}

void conversation_line(const struct conversation *conversation, struct text *out) {
    struct markdown markdown = conversation->markdown; /* The line may yet become another one. */
    if (conversation->line.len > 0) {
        piece_show(&markdown, conversation->channel, text_bytes(&conversation->line), out);
    }
}

static void growing_end(struct conversation *conversation, struct text *above) {
    if (conversation->line.len > 0) {
        piece_show(&conversation->markdown, conversation->channel, text_bytes(&conversation->line),
                   above);
        text_add_char(above, '\n');
    }
    text_clear(&conversation->line);
    conversation->channel = CHANNEL_NONE;
}

/* A line that is too long for its room is broken there. */
static void text_grow(struct conversation *conversation, enum conversation_channel channel,
                      struct bytes text, struct text *above) {
    if (channel != conversation->channel) {
        growing_end(conversation, above);
    }
    while (text.len > 0) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
        conversation->channel = channel;
        text_add(&conversation->line, text.data, len);
        if (end != NULL || conversation->line.failed) {
            piece_show(&conversation->markdown, channel, text_bytes(&conversation->line), above);
            text_add_char(above, '\n');
            text_clear(&conversation->line);
        }
        len += end != NULL;
        text = (struct bytes){text.data + len, text.len - len};
    }
}

/* "MARK words: detail", with the words in a colour. */
static void note_add(struct conversation *conversation, enum colour colour, const char *words,
                     const char *detail, struct text *above) {
    const struct paint *paint = &conversation->markdown.paint;
    growing_end(conversation, above);
    const size_t begin = above->len;
    text_addf(above, "%s%s%s", paint_begin(paint, colour), words, paint_end(paint, colour));
    if (detail[0] != '\0') {
        text_add_str(above, ": ");
        plain_add_line(bytes_of(detail), above); /* Reasons are shown whole. */
    }
    text_add_char(above, '\n');
    cells_wrap_words(above, begin, paint->columns);
}

/* --- An answer that is given again ------------------------------------------------------------ */

/* The answer broke off, and nothing of it was said again so far. */
static bool answer_waits(const struct conversation *conversation) {
    size_t again = 0;
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        again += conversation->said[i].again;
    }
    return conversation->answer == ANSWER_REPEATED && again == 0;
}

static void broken_note_add(struct conversation *conversation, const char *words,
                            struct text *above) {
    conversation->answer = ANSWER_SAID;
    note_add(conversation, COLOUR_YELLOW, words, text_bytes(&conversation->cause).data, above);
    conversation->markdown.fence = 0; /* A block of code ends with its answer. */
}

/* Shows what was said again and is the beginning of another answer. */
static void answer_differs(struct conversation *conversation, struct text *above) {
    broken_note_add(conversation, "↻ the answer broke off; another one begins", above);
    for (enum conversation_channel channel = CHANNEL_COUNT; channel-- > CHANNEL_TEXT;) {
        struct said *said = &conversation->said[channel];
        text_cut(&said->text, said->again);
        said->again = 0;
        text_grow(conversation, channel, text_bytes(&said->text), above);
    }
}

/* Bytes at the beginning of `text` that the answer said here already. */
static size_t said_len(const struct said *said, struct bytes text) {
    struct bytes old = text_bytes(&said->text);
    size_t len = 0;
    while (len < text.len && said->again + len < old.len &&
           text.data[len] == old.data[said->again + len]) {
        len++;
    }
    return len;
}

/* Thinking that is longer than before is another one where text stands below it. */
static void answer_grow(struct conversation *conversation, enum conversation_channel channel,
                        struct bytes text, struct text *above) {
    struct said *said = &conversation->said[channel];
    if (conversation->answer == ANSWER_REPEATED) {
        size_t len = said_len(said, text);
        bool whole = said->again + len == said->text.len && !text_failed(&said->text);
        bool follows = channel == CHANNEL_THINKING && conversation->said[CHANNEL_TEXT].text.len > 0;
        if (len == text.len) {
            said->again += len;
            return;
        }
        if (whole && !follows) {
            conversation->answer = ANSWER_SAID;
            text = (struct bytes){text.data + len, text.len - len};
        } else {
            answer_differs(conversation, above);
        }
    }
    text_add(&said->text, text.data, text.len);
    text_grow(conversation, channel, text, above);
}

static void repeat_begin(struct conversation *conversation, enum conversation_answer answer) {
    conversation->answer = answer;
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        conversation->said[i].again = 0;
    }
}

/* The answer is whole: where it is shorter than what stands there, it is another one. */
static void answer_over(struct conversation *conversation, struct text *above) {
    const struct said *said = &conversation->said[CHANNEL_TEXT];
    if (conversation->answer == ANSWER_REPEATED && said->again < said->text.len) {
        answer_differs(conversation, above);
    }
    repeat_begin(conversation, ANSWER_SAID);
}

/* The next text is another answer's. */
static void answer_end(struct conversation *conversation, struct text *above) {
    repeat_begin(conversation, ANSWER_SAID);
    growing_end(conversation, above);
    conversation->markdown.fence = 0; /* A block of code ends with its answer. */
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        text_clear(&conversation->said[i].text);
    }
}

/* --- Lists of what is open -------------------------------------------------------------------- */

/* Takes the row with that id out; *ret_row is owned, NULL: there is none. */
static void row_take(json_t *rows, const char *id, json_t **ret_row) {
    json_t *row = NULL;
    size_t at = 0;
    *ret_row = NULL;
    json_array_foreach(rows, at, row) {
        if (strcmp(talk_text(row, "id"), id) == 0) {
            *ret_row = json_incref(row);
            (void)json_array_remove(rows, at); /* The place is valid. */
            return;
        }
    }
}

static void row_keep(json_t *rows, const json_t *row) {
    json_t *old = NULL;
    row_take(rows, talk_text(row, "id"), &old);
    json_release(&old);
    (void)json_array_append(rows, (json_t *)(uintptr_t)row); /* Without memory it is not shown. */
}

/* --- Events ----------------------------------------------------------------------------------- */

struct hearing {
    struct conversation *conversation;
    const json_t *data;
    struct text *above;
    enum chat_event event; /* For the chat; CHAT_EVENT_COUNT: none. */
};

static void delta_hear(struct hearing *hearing) {
    answer_grow(hearing->conversation, CHANNEL_TEXT, json_bytes(hearing->data, "text"),
                hearing->above);
}

static void thinking_hear(struct hearing *hearing) {
    answer_grow(hearing->conversation, CHANNEL_THINKING, json_bytes(hearing->data, "text"),
                hearing->above);
}

/* The answer that is given again begins with this event, too. */
static void output_hear(struct hearing *hearing) {
    if (!answer_waits(hearing->conversation)) {
        answer_over(hearing->conversation, hearing->above);
        answer_end(hearing->conversation, hearing->above);
    }
}

/* The growing line stays as it is, since most likely the answer goes on in it. */
static void discarded_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    struct bytes cause = json_bytes(hearing->data, "cause");
    if (bytes_is(cause, "printed_calls")) {
        note_add(conversation, COLOUR_YELLOW,
                 "↻ it wrote calls of tools into its text; without them", "", hearing->above);
        answer_end(conversation, hearing->above);
        return;
    }
    text_clear(&conversation->cause);
    text_add(&conversation->cause, cause.data, utf8_cut(cause, CAUSE_MAX - 1));
    repeat_begin(conversation, ANSWER_REPEATED);
}

static void call_begin_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    struct bytes arguments = json_bytes(hearing->data, "arguments");
    const int64_t part = talk_int(hearing->data, "part");
    const struct card_call call = {
        .tool = talk_text(hearing->data, "tool"),
        .arguments = arguments.len > 0 ? arguments : json_bytes(hearing->data, "arguments_text"),
        .seen = part == conversation->allowed};
    answer_over(conversation, hearing->above);
    growing_end(conversation, hearing->above);
    card_begin_add(&conversation->markdown.paint, &call, hearing->above);
    conversation->part = part;
}

static void call_end_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    const json_t *data = hearing->data;
    const struct card card = {.tool = talk_text(data, "tool"),
                              .state = talk_text(data, "state"),
                              .cause = talk_text(data, "cause"),
                              .result = json_bytes(data, "result")};
    bool named = talk_int(data, "part") != conversation->part;
    growing_end(conversation, hearing->above);
    if (strcmp(card.tool, "ask_user") != 0 || strcmp(card.state, "succeeded") != 0) {
        card_end_add(&conversation->markdown.paint, &card, named, hearing->above);
    }
}

static void review_hear(struct hearing *hearing) {
    AUTO(text_done) struct text words = text_up_to(256);
    const char *decision = talk_text(hearing->data, "decision");
    text_addf(&words, "? review of %.80s: %.20s", talk_text(hearing->data, "tool"), decision);
    note_add(hearing->conversation, strcmp(decision, "allow") == 0 ? COLOUR_GREY : COLOUR_YELLOW,
             text_bytes(&words).data, talk_text(hearing->data, "reason"), hearing->above);
}

static void waiting_hear(struct hearing *hearing) {
    AUTO(text_done) struct text words = text_up_to(256);
    text_add_str(&words, "… ");
    const size_t mark_len = words.len;
    const char *detail = run_wait_event_add(hearing->data, &words);
    if (words.len > mark_len) {
        note_add(hearing->conversation, COLOUR_YELLOW, text_bytes(&words).data, detail,
                 hearing->above);
    }
}

static void asked_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    growing_end(conversation, hearing->above);
    row_keep(conversation->asked, hearing->data);
    hearing->event = CHAT_ASKED;
}

/* The line that says how it was answered, and whether that happened here. */
static void answered_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    const char *id = talk_text(hearing->data, "id"), *state = talk_text(hearing->data, "state");
    AUTO(json_release) json_t *row = NULL, *answer = NULL;
    AUTO(text_done) struct text words = text_up_to(512);
    bool here = conversation->answered != NULL && strcmp(conversation->answered, id) == 0;
    bool cancelled = strcmp(state, "cancelled") == 0;
    bool denied = strcmp(state, "denied") == 0 || cancelled;
    row_take(conversation->asked, id, &row);
    conversation->allowed = talk_int(hearing->data, "part");
    text_addf(&words, "%s %.20s%s", denied ? "✗" : "✓", state,
              cancelled ? ": no answer is needed any more"
              : here    ? ""
                        : " elsewhere");
    /* An answer that is no JSON is not shown. */
    if (!err_failed(
            json_parse_wrapped(json_bytes(hearing->data, "answer"), &answer, NULL /* no why */))) {
        const json_t *given = json_object_get(answer, "answer");
        text_add_str(&words, given != NULL ? ": " : "");
        card_value_add(given, &words);
    }
    note_add(conversation, denied ? COLOUR_RED : COLOUR_GREEN, text_bytes(&words).data, "",
             hearing->above);
    hearing->event = json_array_size(conversation->asked) > 0 ? CHAT_ASKED : CHAT_SETTLED;
}

static void turn_begin_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    AUTO(json_release) json_t *message = NULL;
    growing_end(conversation, hearing->above);
    conversation->part = conversation->allowed = 0;
    row_take(conversation->queued, talk_text(hearing->data, "reply_to"), &message);
    if (message != NULL) {
        card_message_add(&conversation->markdown.paint, message, hearing->above);
    }
    hearing->event = CHAT_TURN_BEGAN;
}

static void turn_end_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    const char *state = talk_text(hearing->data, "state");
    bool broken = conversation->answer == ANSWER_REPEATED;
    if (strcmp(state, "succeeded") == 0) {
        answer_over(conversation, hearing->above);
    } else if (broken && conversation->said[CHANNEL_TEXT].text.len > 0) {
        broken_note_add(conversation, "↻ the answer broke off", hearing->above);
    }
    answer_end(conversation, hearing->above);
    if (conversation->run == NULL && strcmp(state, "succeeded") != 0) {
        AUTO(text_done) struct text words = text_up_to(256);
        text_addf(&words, "[%.20s (%.90s)]", state,
                  run_view_why(talk_text(hearing->data, "cause")));
        note_add(conversation, strcmp(state, "cancelled") == 0 ? COLOUR_YELLOW : COLOUR_RED,
                 text_bytes(&words).data, talk_text(hearing->data, "note"), hearing->above);
    }
    text_add_str(hearing->above, conversation->run == NULL ? "\n" : "");
    (void)json_array_clear(conversation->asked);
    conversation->part = 0; /* A call that ends later is named. */
    hearing->event = CHAT_TURN_ENDED;
}

static void message_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    const json_t *message = json_object_get(hearing->data, "message");
    const char *role = talk_text(message, "role"), *status = talk_text(message, "status");
    if (strcmp(role, "notice") == 0 && strcmp(status, "queued") == 0) {
        growing_end(conversation, hearing->above);
        card_notice_add(&conversation->markdown.paint, message, hearing->above);
    } else if (strcmp(role, "user") == 0 &&
               (strcmp(status, "queued") == 0 || strcmp(status, "steering") == 0 ||
                strcmp(status, "delivered") == 0)) {
        row_keep(conversation->queued, message);
    }
}

/* A queued message may get another text, or join the answer that runs. */
static void edited_hear(struct hearing *hearing) {
    struct conversation *conversation = hearing->conversation;
    const json_t *message = json_object_get(hearing->data, "message");
    AUTO(json_release) json_t *queued = NULL;
    row_take(conversation->queued, talk_text(message, "id"), &queued);
    if (queued != NULL && strcmp(talk_text(message, "status"), "joined") == 0) {
        growing_end(conversation, hearing->above);
        card_message_add(&conversation->markdown.paint, queued, hearing->above);
    } else if (queued != NULL) {
        message_hear(hearing);
    }
}

static void removed_hear(struct hearing *hearing) {
    AUTO(json_release) json_t *queued = NULL;
    row_take(hearing->conversation->queued, talk_text(hearing->data, "message"), &queued);
}

static void cleared_hear(struct hearing *hearing) {
    (void)json_array_clear(hearing->conversation->queued);
}

static const struct {
    const char *type;
    void (*hear)(struct hearing *hearing);
} hearings[] = {
    {"delta", delta_hear},
    {"thinking_delta", thinking_hear},
    {"output_started", output_hear},
    {"output_discarded", discarded_hear},
    {"tool_started", call_begin_hear},
    {"tool_finished", call_end_hear},
    {"tool_reviewed", review_hear},
    {"turn_waiting", waiting_hear},
    {"approval_asked", asked_hear},
    {"question_asked", asked_hear},
    {"approval_answered", answered_hear},
    {"question_answered", answered_hear},
    {"turn_started", turn_begin_hear},
    {"turn_finished", turn_end_hear},
    {"message_added", message_hear},
    {"message_edited", edited_hear},
    {"message_removed", removed_hear},
    {"cleared", cleared_hear},
};

enum chat_event conversation_event(struct conversation *conversation, struct bytes type,
                                   const json_t *data, struct text *above) {
    struct hearing hearing = {conversation, data, above, CHAT_EVENT_COUNT};
    for (size_t i = 0; i < COUNT_OF(hearings); i++) {
        if (bytes_is(type, hearings[i].type)) {
            hearings[i].hear(&hearing);
        }
    }
    return hearing.event;
}

/* --- Snapshots -------------------------------------------------------------------------------- */

static bool message_is_said(const struct conversation *conversation, const json_t *message) {
    static const char *const roles[] = {"user", "assistant", "notice", NULL};
    static const char *const statuses[] = {"completed", "interrupted", "failed", "running", NULL};
    unsigned at = 0;
    bool shown =
        conversation->run == NULL || (strcmp(talk_text(message, "role"), "assistant") == 0 &&
                                      strcmp(talk_text(message, "run"), conversation->run) == 0);
    return shown && bytes_find(bytes_of(talk_text(message, "role")), roles, &at) &&
           bytes_find(bytes_of(talk_text(message, "status")), statuses, &at) &&
           !json_is_false(json_object_get(message, "active"));
}

/* Channel of a part; CHANNEL_NONE: it is no text of the model. */
static enum conversation_channel channel_of(const json_t *part) {
    const char *kind = talk_text(part, "kind");
    return strcmp(kind, "text") == 0       ? CHANNEL_TEXT
           : strcmp(kind, "thinking") == 0 ? CHANNEL_THINKING
                                           : CHANNEL_NONE;
}

/* Number of parts before those that the model's last call has said so far: its thinking and its
 * text, which may still grow. */
static size_t parts_before_growing(const json_t *parts) {
    size_t count = json_array_size(parts);
    int64_t step = talk_int(json_array_get(parts, count - 1), "step");
    while (count > 0) {
        const json_t *part = json_array_get(parts, count - 1);
        if (channel_of(part) == CHANNEL_NONE || talk_int(part, "step") != step) {
            break;
        }
        count--;
    }
    return count;
}

/* Growing parts are taken like text that comes in pieces. */
static void running_show(struct conversation *conversation, const json_t *message,
                         struct text *above) {
    const json_t *parts = json_object_get(message, "parts"), *part = NULL;
    size_t at = 0, before = parts_before_growing(parts);
    json_array_foreach(parts, at, part) {
        if (at >= before) {
            answer_grow(conversation, channel_of(part), json_bytes(part, "text"), above);
            if (json_is_true(json_object_get(part, "cut"))) { /* More was said before we came. */
                growing_end(conversation, above);
                text_add_str(above, "…\n");
            }
        } else {
            card_part_add(&conversation->markdown.paint, "assistant", part, above);
        }
        conversation->part = talk_int(part, "number");
    }
}

/* The newest message comes first. */
static void messages_show(struct conversation *conversation, const json_t *messages,
                          struct text *above) {
    size_t from = 0;
    for (size_t shown = 0; from < json_array_size(messages) && shown < MESSAGES_SHOWN; from++) {
        shown += message_is_said(conversation, json_array_get(messages, from));
    }
    while (from-- > 0) {
        const json_t *message = json_array_get(messages, from);
        bool user = strcmp(talk_text(message, "role"), "user") == 0;
        if (!message_is_said(conversation, message)) {
            if (conversation->run == NULL && user &&
                strcmp(talk_text(message, "status"), "queued") == 0) {
                row_keep(conversation->queued, message);
            }
        } else if (strcmp(talk_text(message, "status"), "running") == 0 && !user) {
            running_show(conversation, message, above);
        } else {
            card_message_add(&conversation->markdown.paint, message, above);
            text_add_str(above, user ? "" : "\n");
        }
    }
}

enum chat_event conversation_snapshot(struct conversation *conversation, const json_t *snapshot,
                                      struct text *above) {
    const json_t *approvals = json_object_get(snapshot, "approvals");
    const char *run = talk_text(json_object_get(snapshot, "turn"), "run"), *own = conversation->run;
    const bool begun = strcmp(talk_text(json_object_get(snapshot, "turn"), "state"), "queued") != 0;
    bool runs = own == NULL ? run[0] != '\0' && begun : strcmp(run, own) == 0;
    (void)json_array_clear(conversation->asked);
    (void)json_array_clear(conversation->queued);
    text_clear(&conversation->line);
    answer_end(conversation, above);
    if (own != NULL) {
        note_add(conversation, COLOUR_YELLOW, "… events are no longer kept; it said so far", "",
                 above);
    }
    messages_show(conversation, json_object_get(snapshot, "messages"), above);
    for (size_t at = json_array_size(approvals); at-- > 0;) {
        const json_t *asked = json_array_get(approvals, at);
        if (own == NULL || strcmp(talk_text(asked, "run"), own) == 0) {
            row_keep(conversation->asked, asked);
        }
    }
    bool asks = json_array_size(conversation->asked) > 0;
    return asks ? CHAT_ASKED : runs ? CHAT_TURN_BEGAN : CHAT_TURN_ENDED;
}
