/* live_stream.c: the session's stream of a chat, and the states that its events lead to. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/base/names.h"
#include "cli/run/ask.h"
#include "cli/run/view.h"
#include "cli/turn/live.h"

/* --- States ----------------------------------------------------------------------------------- */

static void question_show(struct live *live) {
    answering_show(&live->answering);
    bool background = live_turn_in_background(live);
    if (isatty(STDIN_FILENO) == 0 || background) {
        AUTO(text_done) struct text words = text_up_to(256);
        text_addf(&words, "it waits for an answer%s: drover approve %s",
                  background ? ", and takes none in the background" : "",
                  short_name_of(talk_text(conversation_asked(&live->conversation), "id"),
                                NULL /* no label */)
                      .text);
        chat_note(live->chat, text_bytes(&words).data);
    }
}

enum chat_effect live_event(struct live *live, enum chat_event event) {
    enum chat_state before = live->state;
    const json_t *asked = conversation_asked(&live->conversation);
    struct chat_step step = chat_state_event(before, event);
    live->state = step.state;
    if (step.state == CHAT_ASKING && before != CHAT_ASKING) {
        answering_begin(&live->answering);
    } else if (before == CHAT_ASKING && step.state != CHAT_ASKING) {
        answering_end(&live->answering);
    }
    if (event == CHAT_ASKED && asked != NULL && live_is_terminal(live)) {
        question_show(live);
    }
    return step.effect;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void event_print(const struct sse_frame *frame) {
    AUTO(text_done) struct text line = text_up_to(SSE_LINE_MAX * 2);
    text_addf(&line, "{\"seq\":%lld,\"type\":", (long long)frame->id);
    text_add_json(&line, frame->type.data, frame->type.len);
    text_add_str(&line, ",\"data\":");
    text_add(&line, frame->data.data, frame->data.len);
    text_add_str(&line, "}\n");
    live_write(&line);
}

void live_doubt_end(struct live *live) {
    mem_free(live->doubt.text);
    live->doubt.text = NULL;
}

static void awaited_forget(struct live *live, const char *run) {
    json_t *id = NULL;
    size_t at = 0;
    json_array_foreach(live->awaited, at, id) {
        if (strcmp(json_string_value(id), run) == 0) {
            (void)json_array_remove(live->awaited, at); /* The place is valid. */
            return;
        }
    }
}

/* The daemon has the message that was in doubt. */
static void doubt_settle(struct live *live, const json_t *message) {
    const struct doubt *doubt = &live->doubt;
    if (doubt->text == NULL || strcmp(talk_text(message, "client_id"), doubt->client.text) != 0) {
        return;
    }
    struct text *draft = &live->answering.draft;
    if (bytes_is(edit_line_text(&live->edit), doubt->text)) {
        edit_line_set(&live->edit, BYTES(""));
    } else if (bytes_is(text_bytes(draft), doubt->text)) {
        text_clear(draft);
    }
    (void)json_array_clear(live->chat->images); /* The message took them along. */
    live_doubt_end(live);
}

/* A single turn shows only events of its own. */
static bool event_fits(const struct live *live, const struct sse_frame *frame, const json_t *data) {
    return live->turn == NULL || sse_is(frame, "snapshot") ||
           strcmp(talk_text(data, "run"), live->turn->run) == 0;
}

/* Question that was known before this event, so that the next one is shown only once. */
static void data_take(struct live *live, const struct sse_frame *frame, const json_t *data) {
    struct conversation *conversation = &live->conversation;
    const char *id = talk_text(conversation_asked(conversation), "id");
    AUTO(mem_release) char *asked = mem_copy(id, strlen(id));
    const enum chat_event event =
        sse_is(frame, "snapshot")
            ? conversation_snapshot(conversation, data, &live->view.above)
            : conversation_event(conversation, frame->type, data, &live->view.above);
    bool same = strcmp(asked, talk_text(conversation_asked(conversation), "id")) == 0;
    if (event == CHAT_TURN_ENDED) {
        awaited_forget(live, talk_text(data, "run"));
    } else if (sse_is(frame, "message_added")) {
        doubt_settle(live, json_object_get(data, "message"));
    } else if (sse_is(frame, "question_answered") || sse_is(frame, "approval_answered")) {
        answering_settle(&live->answering, talk_text(data, "id"));
    } else if (sse_is(frame, "message_removed") || sse_is(frame, "cleared")) {
        (void)json_array_clear(live->awaited); /* Such a message gets no answer. */
    }
    if (event != CHAT_EVENT_COUNT && (event != CHAT_ASKED || !same)) {
        (void)live_event(live, event); /* No effect belongs to what the daemon says. */
    }
}

/* A snapshot comes instead of events that are gone, and the ends of turns may have been among them:
 * then their runs have these. A run that is gone got no answer. */
static struct err awaited_check(struct live *live) {
    struct err err = ERR_OK;
    for (size_t at = json_array_size(live->awaited); at-- > 0 && !err_failed(err);) {
        AUTO(json_release) json_t *run = NULL;
        const char *id = json_string_value(json_array_get(live->awaited, at));
        err = run_get(live->chat->talk, id, RUN_RETRY_MS, &run, &live->chat->invocation->why);
        if (err.code == ERR_NOT_FOUND || (!err_failed(err) && run_has_ended(run))) {
            (void)json_array_remove(live->awaited, at); /* The place is valid. */
            err = ERR_OK;
        }
    }
    return err;
}

/* Keeps the event of the turn's end. A snapshot comes instead of events that are gone, and the end
 * may have been among them: then the run has it. */
static struct err turn_take(struct live *live, const struct sse_frame *frame, const json_t *data) {
    struct chat_turn *turn = live->turn;
    if (sse_is(frame, "turn_finished")) {
        json_release(&turn->end);
        turn->end = json_incref((json_t *)(uintptr_t)data);
    } else if (sse_is(frame, "snapshot")) {
        AUTO(json_release) json_t *run = NULL;
        TRY(run_get(live->chat->talk, turn->run, RUN_RETRY_MS, &run, &live->chat->invocation->why));
        turn->end = run_has_ended(run) ? json_incref(run) : NULL;
    }
    return ERR_OK;
}

static struct err on_frame(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct live *live = ctx;
    AUTO(json_release) json_t *data = NULL;
    if (sse_is(frame, "deleted") || sse_is(frame, "done")) {
        return err_why(why, ERR_NOT_FOUND, "the session %s was deleted", live->chat->session);
    }
    live->chat->seq = frame->id > live->chat->seq ? frame->id : live->chat->seq;
    if (live->chat->form == CHAT_JSON) {
        event_print(frame);
    }
    if (err_failed(json_parse_wrapped(frame->data, &data, NULL /* no why */)) ||
        !event_fits(live, frame, data)) {
        return ERR_OK;
    }
    data_take(live, frame, data);
    if (live->turn != NULL) {
        return turn_take(live, frame, data);
    }
    return sse_is(frame, "snapshot") ? awaited_check(live) : ERR_OK;
}

static bool on_connect(void *ctx, struct text *target) {
    const struct live *live = ctx;
    char rest[80];
    (void)snprintf(rest, sizeof rest, "/events?after=%lld%s", (long long)live->chat->seq,
                   live->joins ? "&snapshot=1" : ""); /* Fits. */
    return talk_target(target, "/api/v1/streams/session:", live->chat->session, rest);
}

static void on_alive(void *ctx, bool was_away) {
    struct live *live = ctx;
    (void)was_away; /* A restart shows by itself. */
    live->joins = false;
    if (talk_finds_restart(live->chat->talk, live->feed.client)) {
        chat_note(live->chat, "(the daemon restarted)");
    }
    if (talk_finds_held(live->chat->talk, live->feed.client)) {
        chat_note(live->chat, "[" TALK_HELD_WORDS "]");
    }
}

struct err live_stream_open(struct live *live) {
    struct why *why = &live->chat->invocation->why;
    live->feed = (struct feed){.talk = live->chat->talk,
                               .retry_ms = OUTAGE_ANY,
                               .on_connect = on_connect,
                               .on_frame = on_frame,
                               .on_alive = on_alive,
                               .ctx = live};
    TRY(feed_open(&live->feed, why));
    return feed_turn(&live->feed, false /* not ready */, why);
}
