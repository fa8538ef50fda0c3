/* prompt.c: the session's messages as a model is shown them.
 *
 *   a user's message        its text
 *   an answer, per step     what was thought and said, and the calls; then the result of each call;
 *                           then what joined or was noted before the next step
 *
 * The active checkpoint's summary stands in place of the messages that it covers, which are not
 * even read: what a turn costs does not grow with the history before it. One that was made within
 * a turn covers the first steps of its answer: the question follows the summary, and then what is
 * left of the answer.
 *
 * The result of a run in the background stands once. Where its notice is shown, its card says
 * "started", as in every prompt before the notice: so the beginning stays the same for the
 * provider's cache. Where the notice is not shown (not sent yet, or its turn was undone), the card
 * has the result.
 *
 * What was thought is shown while its turn runs: providers refuse the next step without it, and
 * ignore or refuse it later, another model above all.
 *
 * Providers refuse a call without its result and a result without its call. Both are one card here,
 * so neither can come alone; a card without a name was refused before it began, and is left out. */
#include "engine/turn/cards.h"

#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "engine/session/checkpoints.h"

static const char summary_head[] =
    "[drover: what was said before was long; this is a summary of it. Go on from here.]\n\n";
static const char summary_head_within[] =
    "[drover: what was said and done before was long; this is a summary of it. It covers your work "
    "so far on the request that follows it. Go on with that.]\n\n";

struct result {
    struct result *next;
    struct prompt_part part;
};

/* GROUP_MAX: of one group, an answer of a model with the results of its calls. */
enum { GROUP_MAX = 256 << 20, STARTED_MAX = 1024 };

/* A run whose notice is shown. */
struct noticed {
    struct noticed *next;
    struct bytes run; /* In the transaction's arena. */
};

struct reader {
    struct arena arena; /* Of the group that is open: a session is longer than a transaction's. */
    struct err (*each)(void *ctx, const struct prompt_part *part);
    void *ctx;
    int64_t message, step;      /* The group that is open. */
    int64_t asked;              /* id of the running turn's question; 0: it has none. */
    int64_t answer;             /* id of its answer. */
    int64_t question, answered; /* As prompt_part.answered of that message. */
    bool opened;                /* The first part was handed on. */
    struct noticed *noticed;
    struct result *first, **end; /* Results of its calls, handed on at its end. */
};

enum column {
    COL_MESSAGE,
    COL_ROLE,
    COL_NUMBER,
    COL_STEP,
    COL_KIND,
    COL_STATE,
    COL_NAME,
    COL_CALL,
    COL_DATA,
    COL_TEXT
};

static bool is(struct bytes text, const char *word) {
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

static struct err tell(struct reader *reader, struct prompt_part part) {
    part.opens = !reader->opened;
    part.message = reader->message;
    part.step = reader->step;
    part.asks = reader->asked != 0 && reader->message == reader->asked;
    part.answered = reader->message == reader->question ? reader->answered : 0;
    reader->opened = true;
    return reader->each(reader->ctx, &part);
}

static struct err flush(struct reader *reader) {
    struct err err = ERR_OK;
    for (struct result *result = reader->first; result != NULL && !err_failed(err);
         result = result->next) {
        err = reader->each(reader->ctx, &result->part);
    }
    reader->first = NULL;
    reader->end = &reader->first;
    arena_reset(&reader->arena);
    return err;
}

static struct err copy(struct reader *reader, struct bytes *text) {
    const char *data = arena_try_copy(&reader->arena, text->len == 0 ? "" : text->data, text->len);
    if (data == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: prompt");
    }
    text->data = data;
    return ERR_OK;
}

/* A card shows its result, or that its run was started, where a notice has the result. */
static struct err show_result(const struct reader *reader, struct prompt_part *part,
                              struct text *room) {
    for (const struct noticed *at = reader->noticed; at != NULL; at = at->next) {
        if (cards__is_outcome(part->text, at->run)) {
            cards__write_started(at->run, room);
            part->text = (struct bytes){room->data, room->len};
            part->failed = false;
            return text_failed(room) ? text_error(room, "turns: prompt") : ERR_OK;
        }
    }
    if (part->text.len == 0) {
        part->text = BYTES("(nothing)");
    }
    return ERR_OK;
}

static struct err keep_result(struct reader *reader, const struct rows *rows, struct bytes id) {
    struct bytes state = rows_text(rows, COL_STATE);
    struct result *result = arena_try(&reader->arena, sizeof *result);
    if (result == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "turns: prompt");
    }
    enum part_state is_in = PART_STATE_NONE;
    bool known = part_state_find(state, &is_in);
    *result = (struct result){
        .part = {.role = PROMPT_TOOL,
                 .message = reader->message,
                 .step = reader->step,
                 .kind = PROMPT_RESULT,
                 .failed = !is(state, "succeeded") && !is(state, "pending"),
                 .open = known && part_state_open(is_in) && is_in != PART_STATE_PENDING,
                 .opens = reader->first == NULL,
                 .text = rows_text(rows, COL_TEXT),
                 .name = rows_text(rows, COL_NAME),
                 .id = id}};
    AUTO(text_done) struct text room;
    text_init(&room, STARTED_MAX);
    *reader->end = result;
    reader->end = &result->next;
    struct err err = show_result(reader, &result->part, &room);
    if (!err_failed(err)) {
        err = copy(reader, &result->part.text);
    }
    if (!err_failed(err)) {
        err = copy(reader, &result->part.name);
    }
    return err_failed(err) ? err : copy(reader, &result->part.id);
}

/* The text of a member of the part's data. Damaged data has none: a history that cannot be read
 * would end every later turn of the session. */
static struct err read_data(struct reader *reader, struct bytes data, const char *name,
                            struct bytes *ret_text) {
    AUTO(json_release) json_t *json = NULL;
    AUTO(text_done) struct text text;
    text_init(&text, (size_t)8 << 20);
    *ret_text = (struct bytes){"", 0};
    if (data.len == 0) {
        return ERR_OK;
    }
    struct err err = json_parse_wrapped(data, &json, NULL);
    if (err_failed(err)) {
        return err.code == ERR_BAD_JSON ? ERR_OK : err;
    }
    const json_t *member = json_object_get(json, name);
    if (json_is_string(member)) {
        *ret_text = (struct bytes){json_string_value(member), json_string_length(member)};
    } else if (member != NULL) {
        err = json_write(member, &text);
        *ret_text = (struct bytes){text.data, text.len};
    }
    return err_failed(err) ? err : copy(reader, ret_text);
}

static struct err read_thinking(struct reader *reader, const struct rows *rows) {
    struct prompt_part part = {.role = PROMPT_ASSISTANT, .kind = PROMPT_THINKING};
    if (reader->message != reader->answer) {
        return ERR_OK;
    }
    struct err err = read_data(reader, rows_text(rows, COL_DATA), "signature", &part.signature);
    if (!err_failed(err)) {
        err = read_data(reader, rows_text(rows, COL_DATA), "maker", &part.maker);
    }
    part.text = rows_text(rows, COL_TEXT);
    return err_failed(err) || part.maker.len == 0 ? err : tell(reader, part);
}

/* Arguments that were no JSON object come as the text that they were: the wire quotes it. */
static struct err read_arguments(struct reader *reader, struct bytes data, struct bytes *ret_text) {
    struct err err = read_data(reader, data, "arguments_text", ret_text);
    return err_failed(err) || ret_text->len > 0 ? err
                                                : read_data(reader, data, "arguments", ret_text);
}

/* A model that gave its call no id gets one that is the same in every prompt. */
static struct err read_card(struct reader *reader, const struct rows *rows) {
    char made[48];
    struct bytes id = rows_text(rows, COL_CALL);
    if (rows_text(rows, COL_NAME).len == 0) {
        return ERR_OK;
    }
    if (id.len == 0) {
        int len =
            snprintf(made, sizeof made, "call_%lld_%lld", (long long)rows_int(rows, COL_MESSAGE),
                     (long long)rows_int(rows, COL_NUMBER));
        id = (struct bytes){made, (size_t)len};
    }
    struct prompt_part part = {.role = PROMPT_ASSISTANT, .kind = PROMPT_CALL, .id = id};
    struct err err = keep_result(reader, rows, id);
    if (!err_failed(err)) {
        err = read_arguments(reader, rows_text(rows, COL_DATA), &part.text);
    }
    part.name = rows_text(rows, COL_NAME);
    return err_failed(err) ? err : tell(reader, part);
}

static struct err read_text(struct reader *reader, const struct rows *rows) {
    bool assistant =
        is(rows_text(rows, COL_ROLE), "assistant") && is(rows_text(rows, COL_KIND), "text");
    struct prompt_part part = {.role = assistant ? PROMPT_ASSISTANT : PROMPT_USER,
                               .kind = PROMPT_TEXT,
                               .text = rows_text(rows, COL_TEXT)};
    if (part.text.len == 0) {
        return ERR_OK;
    }
    if (!assistant) { /* Behind the results of the step that it follows. */
        struct err err = flush(reader);
        if (err_failed(err)) {
            return err;
        }
        reader->opened = false;
    }
    return tell(reader, part);
}

/* It stands behind the words that it came with. */
static struct err read_image(struct reader *reader, const struct rows *rows) {
    struct prompt_part part = {
        .role = PROMPT_USER, .kind = PROMPT_IMAGE, .name = rows_text(rows, COL_NAME)};
    struct err err = read_data(reader, rows_text(rows, COL_DATA), "sha256", &part.text);
    return err_failed(err) || part.text.len == 0 ? err : tell(reader, part);
}

static struct err read_row(struct reader *reader, const struct rows *rows) {
    struct bytes kind = rows_text(rows, COL_KIND);
    int64_t message = rows_int(rows, COL_MESSAGE), step = rows_int(rows, COL_STEP);
    struct err err = ERR_OK;
    if (message != reader->message || step != reader->step) {
        err = flush(reader);
        reader->message = message;
        reader->step = step;
        reader->opened = false;
    }
    if (err_failed(err)) {
        return err;
    }
    if (is(kind, "thinking")) {
        return read_thinking(reader, rows);
    }
    if (is(kind, "tool")) {
        return read_card(reader, rows);
    }
    if (is(kind, "image")) {
        return read_image(reader, rows);
    }
    bool shown = is(kind, "text") || is(kind, "notice") || is(kind, "steer");
    return shown ? read_text(reader, rows) : ERR_OK;
}

/* --- From the checkpoint on ------------------------------------------------------------------- */

static struct err find_session(struct tx *tx, struct bytes run, int64_t *ret_session,
                               struct reader *reader) {
    static const char sql[] = "SELECT t.session, t.question, t.answer FROM turns t"
                              " JOIN runs r ON r.id = t.run WHERE r.run = $1";
    const struct arg args[] = {arg_text(run)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_first(tx, sql, args, COUNT_OF(args), &rows);
    if (!err_failed(err)) {
        *ret_session = rows == NULL ? 0 : rows_int(rows, 0);
        reader->asked = rows == NULL ? 0 : rows_int(rows, 1);
        reader->answer = rows == NULL ? 0 : rows_int(rows, 2);
    }
    return err;
}

/* Answers of the model among the steps that the summary covers. */
static struct err count_answered(struct tx *tx, const struct checkpoint *checkpoint,
                                 int64_t *ret_answered) {
    const struct arg args[] = {arg_int(checkpoint->message), arg_int(checkpoint->step)};
    const struct run_ask ask = {
        .sql = "SELECT count(DISTINCT step) FROM parts WHERE message = $1 AND step <= $2"
               " AND kind IN ('text', 'tool')",
        .args = args,
        .count = COUNT_OF(args)};
    return runs__int(tx, &ask, ret_answered);
}

/* In place of what it covers, as words of a user: providers want these first. *ret_checkpoint: all
 * zeroes where there is none. */
static struct err tell_checkpoint(struct tx *tx, int64_t session, struct reader *reader,
                                  struct checkpoint *ret_checkpoint) {
    AUTO(text_done) struct text text;
    struct checkpoint checkpoint = {.session = 0};
    bool found = false;
    text_init(&text, CHECKPOINT_SUMMARY_MAX + sizeof summary_head_within);
    *ret_checkpoint = checkpoint;
    struct err err = tx_checkpoint_find(tx, session, &found, &checkpoint);
    if (!err_failed(err) && found && checkpoint.question != 0) {
        reader->question = checkpoint.question;
        err = count_answered(tx, &checkpoint, &reader->answered);
    }
    if (err_failed(err) || !found) {
        return err;
    }
    text_add_str(&text, checkpoint.question != 0 ? summary_head_within : summary_head);
    text_add(&text, checkpoint.summary.data, checkpoint.summary.len);
    if (text_failed(&text)) {
        /* Longer than any that is stored: the row is damaged. */
        return err_make(text.no_memory ? ERR_OUT_OF_MEMORY : ERR_STORE_CORRUPT,
                        "turns: checkpoint");
    }
    *ret_checkpoint = checkpoint;
    const struct prompt_part part = {
        .role = PROMPT_USER, .kind = PROMPT_TEXT, .text = {text.data, text.len}};
    err = tell(reader, part);
    reader->opened = false;
    return err;
}

/* --- Notices that are shown ------------------------------------------------------------------- */

/* Runs in the metadata of a notice (followup.c). Damaged metadata names no run. */
static struct err add_noticed(struct tx *tx, struct bytes metadata, struct reader *reader) {
    AUTO(json_release) json_t *json = NULL;
    struct err err = json_parse_wrapped(metadata, &json, NULL /* ours */);
    if (err_failed(err)) {
        return err.code == ERR_BAD_JSON ? ERR_OK : err;
    }
    const json_t *runs = json_object_get(json, "runs");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        struct noticed *noticed = arena_try(tx_arena(tx), sizeof *noticed);
        const char *name =
            !json_is_string(run)
                ? NULL
                : arena_try_copy(tx_arena(tx), json_string_value(run), json_string_length(run));
        if (noticed == NULL || (name == NULL && json_is_string(run))) {
            return err_make(ERR_OUT_OF_MEMORY, "turns: notices");
        }
        *noticed = (struct noticed){reader->noticed, {name, json_string_length(run)}};
        reader->noticed = name != NULL ? noticed : reader->noticed;
    }
    return ERR_OK;
}

static struct err find_noticed(struct tx *tx, int64_t session, int64_t first,
                               struct reader *reader) {
    static const char sql[] =
        "SELECT m.metadata FROM messages m WHERE m.session = $1 AND m.id >= $2 AND m.active = 1"
        " AND m.role = 'notice' AND m.status IN ('completed', 'interrupted', 'failed', 'running')";
    const struct arg args[] = {arg_int(session), arg_int(first)};
    AUTO(rows_release) struct rows *rows = NULL;
    struct err err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        err = add_noticed(tx, rows_text(rows, 0), reader);
    }
    return err;
}

/* An answer is shown with what it answers, or not at all: some providers refuse a prompt that
 * begins with an answer. A follow-up that failed has its notice rolled back, and is no part of the
 * history. The first bound is where the index is entered: messages before it are not read at all.
 */
static struct err tell_messages(struct tx *tx, int64_t session, const struct checkpoint *checkpoint,
                                struct reader *reader) {
    static const char sql[] =
        "SELECT m.id, m.role, p.number, p.step, p.kind, p.state, p.name, p.call, p.data, p.text"
        " FROM messages m LEFT JOIN messages q ON q.id = m.reply_to JOIN parts p"
        " ON p.message = m.id WHERE m.session = $1 AND m.id >= $2 AND m.active = 1"
        " AND COALESCE(q.status, '') <> 'rolled_back'"
        " AND (m.id > $3 OR m.id = $4 OR (m.id = $3 AND p.step > $5))"
        " AND m.status IN ('completed', 'interrupted', 'failed', 'running')"
        " AND m.role <> 'system' AND NOT (m.role = 'user' AND m.status = 'interrupted')"
        " ORDER BY m.id, p.number";
    bool within = checkpoint->step > 0;
    int64_t first =
        checkpoint->question != 0 ? checkpoint->question : checkpoint->message + (within ? 0 : 1);
    const struct arg args[] = {arg_int(session), arg_int(first), arg_int(checkpoint->message),
                               arg_int(checkpoint->question),
                               arg_int(within ? checkpoint->step : INT64_MAX)};
    struct err err = find_noticed(tx, session, first, reader);
    if (err_failed(err)) {
        return err;
    }
    AUTO(rows_release) struct rows *rows = NULL;
    err = tx_query(tx, sql, args, COUNT_OF(args), &rows);
    while (rows_more(rows, &err)) {
        err = read_row(reader, rows);
    }
    return err_failed(err) ? err : flush(reader);
}

struct err tx_prompt_each(struct tx *tx, const struct turn_key *key,
                          struct err (*each)(void *ctx, const struct prompt_part *part),
                          void *ctx) {
    struct reader reader = {.each = each, .ctx = ctx};
    struct checkpoint checkpoint;
    int64_t session = 0;
    reader.end = &reader.first;
    struct err err = find_session(tx, key->run, &session, &reader);
    if (err_failed(err)) {
        return err;
    }
    arena_init(&reader.arena, GROUP_MAX);
    err = tell_checkpoint(tx, session, &reader, &checkpoint);
    if (!err_failed(err)) {
        err = tell_messages(tx, session, &checkpoint, &reader);
    }
    arena_done(&reader.arena);
    return err;
}
