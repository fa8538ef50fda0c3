/* program_output.c: see program_output.h. */
#include "dispatch/turn/program_output.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/turn/talk.h"
#include "dispatch/turn/tool_settings.h"
#include "rules/approval/always.h"
#include "rules/approval/asked.h"
#include "rules/job/job.h"

enum {
    CHUNK = 64 << 10,  /* Size of a read; */
    TEXT_PART = CHUNK, /* a long line of text is handed on in parts, each in a turn of the loop. */
    PIECES_BYTES = PROGRAM_LINE_MAX + 4 * CHUNK, /* Limit of text that it sends to watchers. */
    ITEMS_SPARE = 16,                            /* Room for the items of one more line. */
    NAME_MAX_BYTES = 256,
    LOOK_MS = 10000, /* Maximum time to hash a file. */
};

void program_output_init(struct program_output *output, struct talk *talk) {
    output->talk = talk;
    output->buffer = mem_new_array(CHUNK, 1);
    text_init(&output->said, PIECES_BYTES);
    text_init(&output->withdrawn, PROGRAM_QUESTION_MAX + 1);
}

void program_output_done(struct program_output *output) {
    program_reader_free(output->reader);
    program_line_done(&output->line);
    text_done(&output->said);
    text_done(&output->withdrawn);
    mem_free(output->buffer);
}

void program_output_reads(struct program_output *output, const struct program *program,
                          const struct agent_definition *agent) {
    output->reader = program_reader_new(program, agent);
    output->permissions = agent->permissions;
    const enum program_text_kind kind = program_prints(program);
    program_line_init(&output->line, kind,
                      kind == PROGRAM_PRINTS_TEXT ? TEXT_PART : PROGRAM_LINE_MAX);
}

void program_output_from(struct program_output *output, int64_t offset) {
    output->read_to = output->seen_to = offset;
    program_line_clear(&output->line);
}

/* --- Items of the answer ---------------------------------------------------------------------- */

static void piece_add(struct program_output *output, enum turn_item_kind kind, struct bytes text) {
    struct program_piece *last =
        output->piece_count == 0 ? NULL : &output->pieces[output->piece_count - 1];
    const bool same = last != NULL && last->kind == kind;
    said_add(&output->talk->call.said, kind, text);
    if (output->discarded) {
        return; /* All valid text is sent again. */
    }
    if (output->said.len + text.len > PIECES_BYTES ||
        (!same && output->piece_count == PIECES_MAX)) {
        output->found = FOUND_WHOLE; /* Watchers get this text when it is stored. */
        return;
    }
    if (!same) {
        last = &output->pieces[output->piece_count++];
        *last = (struct program_piece){.kind = kind, .at = output->said.len};
    }
    text_add(&output->said, text.data, text.len);
    last->len = output->said.len - last->at;
}

static void item_set(struct said_item *item, enum said_text which, struct bytes text) {
    text_add(&item->texts[which], text.data, text.len);
}

/* A name, or an id by which a card is found again. A program may print anything there, and not
 * every database takes it. */
static void name_set(struct said_item *item, enum said_text which, struct bytes text) {
    text.len = utf8_cut(text, NAME_MAX_BYTES);
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        text_add_char(&item->texts[which], c < ' ' || c == 0x7f ? '_' : text.data[i]);
    }
}

static void tool_add(struct program_output *output, enum turn_item_kind kind,
                     const struct program_event *event) {
    struct said_item *item = said_add_tool(&output->talk->call.said, kind);
    if (item != NULL) {
        name_set(item, SAID_ID, event->id);
        name_set(item, SAID_NAME, event->tool);
        item_set(item, SAID_TEXT, event->arguments);
        item_set(item, SAID_REFUSAL, event->text);
        item->call.cause = event->failed ? CARD_RUN_FAILED : CARD_DONE;
    }
}

void program_output_look(const struct talk *talk, const char *path, struct tool_look *look) {
    const struct toolplace_seat seat = {.turns = &talk->turns->options,
                                        .root = talk->plan.root.data,
                                        .settings = "",
                                        .project = "",
                                        .roots = "",
                                        .time_ms = LOOK_MS};
    AUTO(toolplace_close) struct toolplace place;
    toolplace_open(&place, &seat);
    tool_look_file(&place.place, path, look);
}

/* As judge.c writes it; "before" only where a file would change. */
static void about_write(const struct program_output *output, struct bytes file,
                        const struct permission_question *question,
                        const struct permission_rule *old, struct text *about) {
    enum { SUBJECT_MAX = 64 << 10 }; /* A longer one stands in the arguments alone. */
    struct tool_look look = {.unread = memchr(file.data, '\0', file.len) != NULL};
    struct permission_question shown = *question;
    if (file.len > 0) { /* Where the program finds it. */
        shown.subjects = &file;
        shown.subject_count = 1;
    }
    shown.subject_count = shown.subject_count > 0 && shown.subjects[0].len <= SUBJECT_MAX;
    permission_add_about(&shown, old, about);
    always_about_add(shown.tool, &shown, about);
    if (file.len > 0) {
        if (!look.unread) {
            program_output_look(output->talk, file.data, &look);
        }
        judge__add_before(&look, about);
    }
    text_add_char(about, '}');
}

/* Rules that cannot be read, and arguments, leave it to a person. `about` only where it is needed
 * for that, or for a review. */
static enum permission question_judge(const struct program_output *output,
                                      const struct program_event *event, struct bytes digest,
                                      struct text *about) {
    AUTO(permission_joined_done) struct permission_joined joined = {.list = NULL};
    AUTO(json_release) json_t *settings = NULL, *project = NULL, *arguments = NULL;
    const struct turn_plan *plan = &output->talk->plan;
    const bool known = !err_failed(json_parse_wrapped(event->arguments, &arguments, NULL));
    const struct asked_call asked = asked_call_read(event->tool, arguments);
    struct permission_question question;
    /* Without any rule it is asked. */
    struct permission_verdict verdict = asked_call_judge(&asked, digest, &joined.rules, &question);
    if (known &&
        (plan->settings.len == 0 ||
         !err_failed(json_parse_wrapped(plan->settings, &settings, NULL))) &&
        (plan->rules.len == 0 || !err_failed(json_parse_wrapped(plan->rules, &project, NULL)))) {
        const struct permission_lists lists = {
            .project = project, .agent = output->permissions, .session = settings};
        permission_join(&lists, &joined);
        verdict = asked_call_judge(&asked, digest, &joined.rules, &question);
    }
    if (verdict.permission == PERMISSION_ASK || verdict.permission == PERMISSION_REVIEW) {
        about_write(output, event->file, &question,
                    verdict.old < 0 ? NULL : &joined.rules.rules[verdict.old], about);
    }
    return verdict.permission;
}

static void question_add(struct program_output *output, const struct program_event *event) {
    static const char denied[] = "A rule of this session, its agent or its project forbids this.";
    struct said_item *item = said_add_tool(&output->talk->call.said, TURN_ITEM_QUESTION);
    const struct sha256 digest = sha256_of(event->arguments.data, event->arguments.len);
    const struct sha256_hex hex = sha256_hex(&digest);
    if (item == NULL) {
        return;
    }
    const enum permission permission =
        question_judge(output, event, bytes_of(hex.text), &item->texts[SAID_ABOUT]);
    name_set(item, SAID_ID, event->text);
    name_set(item, SAID_NAME, event->tool);
    item_set(item, SAID_TEXT, event->arguments);
    item_set(item, SAID_QUESTION, event->id);
    item_set(item, SAID_DIGEST, bytes_of(hex.text));
    item_set(item, SAID_REFUSAL, permission == PERMISSION_DENY ? BYTES(denied) : BYTES(""));
    static const enum turn_verdict verdicts[PERMISSION_COUNT] = {[PERMISSION_ALLOW] = TURN_ALLOW,
                                                                 [PERMISSION_REVIEW] = TURN_REVIEW,
                                                                 [PERMISSION_ASK] = TURN_ASK,
                                                                 [PERMISSION_DENY] = TURN_REFUSE};
    item->call.verdict = verdicts[permission];
}

/* A message that was read before any output, or after a result, is stored at once. */
static void read_add(struct program_output *output, struct bytes name) {
    struct said *said = &output->talk->call.said;
    struct said_item *item =
        output->done ? said_add_tool(said, TURN_ITEM_READ) : said_add_read(said);
    if (item != NULL) {
        name_set(item, SAID_ID, name);
        if (name.len > 0) {
            (void)snprintf(output->read.text, sizeof output->read.text, "%.*s",
                           (int)item->texts[SAID_ID].len, item->texts[SAID_ID].data);
        }
        output->found = said->count == 1 || output->done ? FOUND_WHOLE : output->found;
    }
}

static void on_event(void *ctx, const struct program_event *event) {
    struct program_output *output = ctx;
    const struct said *said = &output->talk->call.said;
    if (output->parked) {
        if (event->kind == PROGRAM_WITHDRAWN && event->id.len <= PROGRAM_QUESTION_MAX) {
            text_add(&output->withdrawn, event->id.data, event->id.len);
            output->found = FOUND_WHOLE;
        }
        return;
    }
    output->heard += event->text.len + event->arguments.len; /* No other event has any. */
    switch (event->kind) {
    case PROGRAM_TEXT:
        piece_add(output, TURN_ITEM_TEXT, event->text);
        break;
    case PROGRAM_THINKING:
        piece_add(output, TURN_ITEM_THINKING, event->text);
        break;
    case PROGRAM_TOOL_STARTED:
        tool_add(output, TURN_ITEM_TOOL, event);
        break;
    case PROGRAM_TOOL_FINISHED:
        tool_add(output, TURN_ITEM_TOOL_END, event);
        break;
    case PROGRAM_QUESTION:
        question_add(output, event);
        output->found = FOUND_WHOLE;
        break;
    case PROGRAM_READ:
        read_add(output, event->id);
        break;
    case PROGRAM_STEP: /* The last words of the answer are stored with its end. */
        if (said_has_tools(said)) {
            output->found = FOUND_WHOLE;
        }
        break;
    case PROGRAM_DISCARDED:
        output->discarded = said_discard(&output->talk->call.said) || output->discarded;
        output->piece_count = output->discarded ? 0 : output->piece_count;
        break;
    case PROGRAM_DONE:
    case PROGRAM_RETRYING:
    case PROGRAM_WITHDRAWN: /* The question was answered, or closed while the turn was parked. */
        break;
    }
    if (said->count >= SAID_ITEMS_MAX - ITEMS_SPARE) {
        output->found = FOUND_WHOLE;
    }
    output->done = program_seen(output->reader).done;
}

/* --- Lines ------------------------------------------------------------------------------------ */

static void line_take(struct program_output *output, enum program_line_state state,
                      struct bytes text, enum program_line_form form) {
    switch (state) {
    case LINE_BEGUN:
        return;
    case LINE_READ:
        program_drop(output->reader, (struct program_dropped){.bytes = output->line.left_out});
        program_read(output->reader, text, form, on_event, output);
        break;
    case LINE_SKIPPED:
        program_skip(output->reader, PROGRAM_SKIP_BEGINS);
        program_drop(output->reader, (struct program_dropped){.lines = 1});
        break;
    case LINE_LOST:
        program_drop(output->reader, (struct program_dropped){.lines = 1});
        break;
    }
    /* The line was read: its place in the output moves past it. */
    output->used += (size_t)output->line.eaten;
    program_line_clear(&output->line);
}

/* Lines of the next bytes, up to the end of a stretch. */
static void lines_read(struct program_output *output, struct bytes bytes) {
    const bool last = output->ended && bytes.len < CHUNK; /* Nothing follows in the file. */
    enum program_line_state state;
    enum program_line_form form;
    struct bytes text;
    while (output->found != FOUND_WHOLE && bytes.len > 0) {
        size_t used;
        if (program_seen(output->reader).skips) {
            const char *end = memchr(bytes.data, '\n', bytes.len);
            used = end == NULL ? bytes.len : (size_t)(end + 1 - bytes.data);
            program_skip(output->reader, end == NULL ? PROGRAM_SKIP_BEGINS : PROGRAM_SKIP_ENDS);
            output->used += used;
        } else {
            used = program_line_feed(&output->line, bytes, &state, &text, &form);
            line_take(output, state, text, form);
        }
        bytes = (struct bytes){bytes.data + used, bytes.len - used};
    }
    if (last && output->found != FOUND_WHOLE && output->line.eaten > 0) {
        state = program_line_end(&output->line, &text, &form);
        line_take(output, state, text, PROGRAM_LINE_TORN);
    }
}

/* The end of what it wrote to stderr. */
static void tail_read(struct program_output *output, const char *name) {
    const struct spool *spool = output->talk->turns->options.spool;
    struct log_place place = {name, LOG_ERR, INT64_MAX};
    struct log_read got = {.len = 0};
    output->tail_len = 0;
    if (err_failed(spool_log_read(spool, &place, output->tail, 0, &got))) {
        return; /* Then it is judged without. */
    }
    place.offset = got.size > PROGRAM_TAIL ? got.size - PROGRAM_TAIL : 0;
    if (!err_failed(spool_log_read(spool, &place, output->tail, PROGRAM_TAIL, &got))) {
        output->tail_len = got.len;
    }
}

void program_output_name(const struct program_output *output, char ret_name[PROTOCOL_NAME_MAX]) {
    (void)snprintf(ret_name, PROTOCOL_NAME_MAX, "%s.%lld", output->process,
                   (long long)output->attempt);
}

void program_output_read(struct program_output *output) {
    const struct spool *spool = output->talk->turns->options.spool;
    char name[PROTOCOL_NAME_MAX];
    struct log_read got = {.len = 0};
    program_output_name(output, name);
    const struct log_place place = {name, LOG_OUT, output->read_to + output->line.eaten};
    output->piece_count = 0;
    output->discarded = false;
    output->found = FOUND_NOTHING;
    output->used = 0;
    output->heard = 0;
    text_clear(&output->said);
    text_clear(&output->withdrawn);
    output->err = spool_log_read(spool, &place, output->buffer, CHUNK, &got);
    if (err_failed(output->err)) {
        return;
    }
    if (got.len > 0 && got.offset > place.offset) { /* Some is gone: from a whole line on. */
        program_output_from(output, got.offset);
        program_skip(output->reader, PROGRAM_SKIP_BEGINS);
        program_drop(output->reader, (struct program_dropped){.lines = 1,
                                                              .gone = got.offset - place.offset,
                                                              .gone_from = place.offset,
                                                              .gone_to = got.offset});
    }
    lines_read(output, (struct bytes){output->buffer, got.len});
    output->read_to += (int64_t)output->used;
    output->seen_to = output->read_to + output->line.eaten;
    if (output->found == FOUND_NOTHING && (got.len > 0 || output->used > 0)) {
        output->found = FOUND_MORE;
    }
    if (output->ended && output->found == FOUND_NOTHING) {
        tail_read(output, name);
    }
}
