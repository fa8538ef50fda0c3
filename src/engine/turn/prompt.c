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
 * most ignore or refuse it later, another model above all. Some want it in later turns, too, once
 * tools were called: what such a connection thought has its name, and is shown to it alone.
 *
 * Providers refuse a call without its result and a result without its call. Both are one card here,
 * so neither can come alone; a card without a name was refused before it began, and is left out. So
 * is the call that a program has made of its own tool, before another agent answered: providers
 * refuse ids that come again, names of other tools, and calls without their signatures.
 *
 * Damaged data of a part has no members: a history that cannot be read would end every later turn
 * of the session. */
#include "engine/turn/cards.h"

#include "base/json/json.h"
#include "base/utf8.h"
#include "engine/session/checkpoints.h"

static const char summary_head[] =
    "[drover: what was said before was long; this is a summary of it. Go on from here.]\n\n";
static const char summary_head_within[] =
    "[drover: what was said and done before was long; this is a summary of it. It covers your work "
    "so far on the request that follows it. Go on with that.]\n\n";

/* GROUP_MAX: of one group, an answer of a model with the results of its calls. */
enum { GROUP_MAX = 256 << 20, STARTED_MAX = 1024, ARGUMENTS_MAX = 8 << 20 };

struct result {
    struct result *next;
    struct prompt_part part;
};

/* A run whose notice is shown. */
struct noticed {
    struct noticed *next;
    struct bytes run; /* In the transaction's arena. */
};

/* The transaction keeps the first error, also of `each`, and nothing is read or handed on after it.
 */
struct reader {
    struct tx *tx;
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

static void part_give(struct reader *reader, const struct prompt_part *part) {
    if (!err_failed(tx_error(reader->tx))) {
        tx_fail(reader->tx, reader->each(reader->ctx, part));
    }
}

static void part_hand(struct reader *reader, struct prompt_part part) {
    part.opens = !reader->opened;
    part.message = reader->message;
    part.step = reader->step;
    part.asks = reader->asked != 0 && reader->message == reader->asked;
    part.answered = reader->message == reader->question ? reader->answered : 0;
    reader->opened = true;
    part_give(reader, &part);
}

/* Hands the results on, and ends the group. */
static void group_flush(struct reader *reader) {
    for (struct result *at = reader->first; at != NULL; at = at->next) {
        part_give(reader, &at->part);
    }
    reader->first = NULL;
    reader->end = &reader->first;
    reader->opened = false;
    arena_reset(&reader->arena);
}

static struct bytes group_copy(struct reader *reader, struct bytes text) {
    const char *copy = arena_try_copy(&reader->arena, text.len == 0 ? "" : text.data, text.len);
    if (copy == NULL) {
        tx_fail(reader->tx, err_make(ERR_OUT_OF_MEMORY, "turns: prompt"));
        return BYTES("");
    }
    return (struct bytes){copy, text.len};
}

/* --- Parts ------------------------------------------------------------------------------------ */

/* A row of the query below; texts until the next one. */
struct piece {
    int64_t message, number, step;
    struct bytes role, kind, state, name, call, data, text;
};

/* NULL: it has none, or is damaged. Owned by the caller. */
static json_t *data_parse(struct reader *reader, struct bytes data) {
    json_t *json = NULL;
    struct err err = data.len == 0 ? ERR_OK : json_parse_wrapped(data, &json, NULL);
    if (err.code != ERR_BAD_JSON) {
        tx_fail(reader->tx, err);
    }
    return json;
}

/* A card shows its result, or that its run was started, where a notice has the result. */
static void result_keep(struct reader *reader, const struct piece *piece, struct bytes id) {
    struct result *result = arena_try(&reader->arena, sizeof *result);
    if (result == NULL) {
        tx_fail(reader->tx, err_make(ERR_OUT_OF_MEMORY, "turns: prompt"));
        return;
    }
    enum part_state state = PART_STATE_NONE;
    struct bytes text = piece->text;
    bool failed = !bytes_is(piece->state, "succeeded") && !bytes_is(piece->state, "pending");
    bool open = part_state_find(piece->state, &state) && part_state_open(state);
    AUTO(text_done) struct text started = {.size_max = STARTED_MAX};
    for (const struct noticed *at = reader->noticed; at != NULL && started.len == 0;
         at = at->next) {
        if (cards__is_outcome(text, at->run)) {
            cards__write_pending("started", at->run, &started);
            text = text_bytes(&started);
            failed = false;
        }
    }
    if (text_failed(&started)) {
        tx_fail(reader->tx, text_error(&started, "turns: prompt"));
    }
    *result = (struct result){
        .part = {.role = PROMPT_TOOL,
                 .message = reader->message,
                 .step = reader->step,
                 .kind = PROMPT_RESULT,
                 .failed = failed,
                 .open = open && state != PART_STATE_PENDING,
                 .opens = reader->first == NULL,
                 .text = group_copy(reader, text.len > 0 ? text : BYTES("(nothing)")),
                 .name = group_copy(reader, piece->name),
                 .id = group_copy(reader, id)}};
    *reader->end = result;
    reader->end = &result->next;
}

/* A model that gave its call no id gets one that is the same in every prompt. Arguments that were
 * no JSON object come as the text that they were: the wire quotes it. */
static void card_read(struct reader *reader, const struct piece *piece) {
    char made[48];
    struct bytes id = piece->call;
    if (piece->name.len == 0) {
        return;
    }
    if (id.len == 0) {
        int len = snprintf(made, sizeof made, "call_%lld_%lld", (long long)piece->message,
                           (long long)piece->number);
        id = (struct bytes){made, (size_t)len};
    }
    AUTO(json_release) json_t *data = data_parse(reader, piece->data);
    if (bytes_is(json_bytes(json_object_get(data, "about"), "by"), "provider") ||
        json_is_true(json_object_get(data, "program"))) {
        return; /* A part beside the card has what the provider is shown; a program has no such. */
    }
    result_keep(reader, piece, id);
    AUTO(text_done) struct text arguments = {.size_max = ARGUMENTS_MAX};
    struct bytes text = json_bytes(data, "arguments_text");
    const json_t *object = json_object_get(data, "arguments");
    if (text.len == 0 && object != NULL) {
        tx_fail(reader->tx, json_write(object, &arguments));
        text = text_bytes(&arguments);
    }
    AUTO(text_done) struct text content = {.size_max = MESSAGE_DATA_MAX};
    const json_t *extra = json_object_get(data, "extra");
    if (json_is_object(json_object_get(extra, "content"))) {
        tx_fail(reader->tx, json_write(json_object_get(extra, "content"), &content));
    }
    part_hand(reader, (struct prompt_part){.role = PROMPT_ASSISTANT,
                                           .kind = PROMPT_CALL,
                                           .id = id,
                                           .name = piece->name,
                                           .text = text,
                                           .signature = text_bytes(&content),
                                           .maker = json_bytes(extra, "provider")});
}

static void piece_read(struct reader *reader, const struct piece *piece) {
    struct prompt_part part = {.role = PROMPT_USER, .kind = PROMPT_TEXT, .text = piece->text};
    if (piece->message != reader->message || piece->step != reader->step) {
        group_flush(reader);
        reader->message = piece->message;
        reader->step = piece->step;
    }
    if (bytes_is(piece->kind, "tool")) {
        card_read(reader, piece);
    } else if (bytes_is(piece->kind, "thinking")) {
        AUTO(json_release) json_t *data = data_parse(reader, piece->data);
        const bool now = piece->message == reader->answer;
        part.role = PROMPT_ASSISTANT;
        part.kind = PROMPT_THINKING;
        part.signature = json_bytes(data, "signature");
        part.maker = json_bytes(data, "maker");
        part.name = now ? BYTES("") : json_bytes(data, "connection");
        if (part.maker.len > 0 && (now || part.name.len > 0)) {
            part_hand(reader, part);
        }
    } else if (bytes_is(piece->kind, "image")) { /* It follows the words that it came with. */
        AUTO(json_release) json_t *data = data_parse(reader, piece->data);
        part.kind = PROMPT_IMAGE;
        part.name = piece->name;
        part.text = json_bytes(data, "sha256");
        if (part.text.len > 0) {
            part_hand(reader, part);
        }
    } else if (bytes_is(piece->kind, "text") && bytes_is(piece->role, "assistant")) {
        part.role = PROMPT_ASSISTANT;
        if (part.text.len > 0) {
            part_hand(reader, part);
        }
    } else if (part.text.len > 0 &&
               (bytes_is(piece->kind, "text") || bytes_is(piece->kind, "notice") ||
                bytes_is(piece->kind, "steer"))) {
        group_flush(reader); /* It follows the results of its step. */
        part_hand(reader, part);
    }
}

/* --- From the checkpoint on ------------------------------------------------------------------- */

/* The summary stands in place of what it covers, as words of a user: providers want these first. */
static void checkpoint_hand(struct reader *reader, const struct checkpoint *checkpoint) {
    const bool within = checkpoint->question != 0;
    if (within) { /* Answers of the model among the steps that the summary covers. */
        reader->question = checkpoint->question;
        reader->answered =
            tx_number(reader->tx,
                      "SELECT count(DISTINCT step) FROM parts WHERE message = $1 AND step <= $2"
                      " AND kind IN ('text', 'tool')",
                      ARGS(arg_int(checkpoint->message), arg_int(checkpoint->step)));
    }
    AUTO(text_done)
    struct text text = {.size_max = CHECKPOINT_SUMMARY_MAX + sizeof summary_head_within};
    text_add_str(&text, within ? summary_head_within : summary_head);
    text_add(&text, checkpoint->summary.data, checkpoint->summary.len);
    if (text_failed(&text)) { /* Longer than any that is stored: the row is damaged. */
        tx_fail(reader->tx, err_make(text.no_memory ? ERR_OUT_OF_MEMORY : ERR_STORE_CORRUPT,
                                     "turns: checkpoint"));
    }
    part_hand(reader, (struct prompt_part){
                          .role = PROMPT_USER, .kind = PROMPT_TEXT, .text = text_bytes(&text)});
    reader->opened = false;
}

/* Runs in the metadata of notices that are shown (submit.c). */
static void noticed_find(struct tx *tx, int64_t session, int64_t first, struct reader *reader) {
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT m.metadata FROM messages m WHERE m.session = $1 AND m.id >= $2 AND m.active = 1"
        " AND m.role = 'notice' AND m.status IN ('completed', 'interrupted', 'failed', 'running')",
        ARGS(arg_int(session), arg_int(first)));
    while (rows_step(rows)) {
        AUTO(json_release) json_t *json = data_parse(reader, rows_text(rows, 0));
        const json_t *runs = json_object_get(json, "runs");
        for (size_t i = 0; i < json_array_size(runs); i++) {
            const json_t *run = json_array_get(runs, i);
            struct noticed *noticed = arena_try(tx_arena(tx), sizeof *noticed);
            if (noticed == NULL) {
                tx_fail(reader->tx, err_make(ERR_OUT_OF_MEMORY, "turns: notices"));
                return;
            }
            if (json_is_string(run)) {
                const struct bytes name = {json_string_value(run), json_string_length(run)};
                *noticed = (struct noticed){reader->noticed, tx_copy(tx, name)};
                reader->noticed = noticed;
            }
        }
    }
}

/* An answer is shown with what it answers, or not at all: some providers refuse a prompt that
 * begins with an answer. A follow-up that failed has its notice rolled back, and is no part of the
 * history. The first bound is where the index is entered: messages before it are not read at all.
 */
static void messages_hand(struct tx *tx, int64_t session, const struct checkpoint *checkpoint,
                          struct reader *reader) {
    const bool within = checkpoint->step > 0;
    const int64_t first =
        checkpoint->question != 0 ? checkpoint->question : checkpoint->message + (within ? 0 : 1);
    noticed_find(tx, session, first, reader);
    AUTO(rows_release)
    struct rows *rows = tx_rows(
        tx,
        "SELECT m.id, m.role, p.number, p.step, p.kind, p.state, p.name, p.call, p.data, p.text"
        " FROM messages m LEFT JOIN messages q ON q.id = m.reply_to JOIN parts p"
        " ON p.message = m.id WHERE m.session = $1 AND m.id >= $2 AND m.active = 1"
        " AND COALESCE(q.status, '') <> 'rolled_back'"
        " AND (m.id > $3 OR m.id = $4 OR (m.id = $3 AND p.step > $5))"
        " AND m.status IN ('completed', 'interrupted', 'failed', 'running')"
        " AND m.role <> 'system' AND NOT (m.role = 'user' AND m.status = 'interrupted')"
        " ORDER BY m.id, p.number",
        ARGS(arg_int(session), arg_int(first), arg_int(checkpoint->message),
             arg_int(checkpoint->question), arg_int(within ? checkpoint->step : INT64_MAX)));
    while (rows_step(rows)) {
        piece_read(reader, &(struct piece){.message = rows_int(rows, 0),
                                           .role = rows_text(rows, 1),
                                           .number = rows_int(rows, 2),
                                           .step = rows_int(rows, 3),
                                           .kind = rows_text(rows, 4),
                                           .state = rows_text(rows, 5),
                                           .name = rows_text(rows, 6),
                                           .call = rows_text(rows, 7),
                                           .data = rows_text(rows, 8),
                                           .text = rows_text(rows, 9)});
    }
    group_flush(reader);
}

struct err tx_prompt_each(struct tx *tx, const struct turn_key *key,
                          struct err (*each)(void *ctx, const struct prompt_part *part),
                          void *ctx) {
    struct reader reader = {.tx = tx, .each = each, .ctx = ctx};
    struct checkpoint checkpoint = {.session = 0};
    int64_t turn[3];
    reader.end = &reader.first;
    tx_numbers(tx,
               "SELECT t.session, t.question, t.answer FROM turns t"
               " JOIN runs r ON r.id = t.run WHERE r.run = $1",
               ARGS(arg_text(key->run)), turn, COUNT_OF(turn));
    const int64_t session = turn[0];
    reader.asked = turn[1];
    reader.answer = turn[2];
    arena_init(&reader.arena, GROUP_MAX);
    if (tx_checkpoint_find(tx, session, &checkpoint)) {
        checkpoint_hand(&reader, &checkpoint);
    }
    messages_hand(tx, session, &checkpoint, &reader);
    arena_done(&reader.arena);
    return tx_error(tx);
}

/* --- Memories --------------------------------------------------------------------------------- */

/* A turn that a notice began has no question. */
struct err tx_prompt_recall(struct tx *tx, struct bytes run, int64_t limit, resource_each each,
                            void *ctx) {
    struct rows *rows =
        tx_row(tx,
               "SELECT s.owner, s.project, p.text FROM runs r JOIN turns t ON t.run = r.id"
               " JOIN sessions s ON s.id = t.session JOIN parts p ON p.message = t.question"
               " WHERE r.run = $1 AND p.kind = 'text' ORDER BY p.number LIMIT 1",
               ARGS(arg_text(run)));
    if (rows == NULL) {
        return tx_error(tx);
    }
    struct bytes text = rows_text(rows, 2);
    text.len = utf8_cut(text, MEMORY_QUERY_MAX);
    const struct memory_question question = {.scope = {.owner = rows_copy(rows, 0),
                                                       .about = MEMORY_ABOUT_PROJECT,
                                                       .project = rows_copy(rows, 1),
                                                       .topic = BYTES("")},
                                             .query = tx_copy(tx, text),
                                             .limit = limit};
    rows_release(&rows);
    return err_failed(tx_error(tx)) ? tx_error(tx) : tx_memory_recall(tx, &question, each, ctx);
}
