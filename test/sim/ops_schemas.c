/* ops_schemas.c: a message asks for an answer by a schema.
 *
 *   requests   say the schema, whichever means the provider has for it (check_prompts.c)
 *   answers    of a turn that succeeded fit it, of each variant; a turn ends as schema_mismatch
 *              only after five answers, or two in a row that were cut off within a call
 *
 * The simulated model misses it now and then, and some providers refuse what they were asked.
 */
#include "schemas.h"

#include <stdio.h>
#include <string.h>

#include "asks.h"
#include "base/json/json.h"
#include "chat_ops.h"
#include "ops.h"

enum { MISSES = 5, CUTS = 2, DEPTH_MAX = 64 };

static const char *const schemas[] = {
    "{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"string\"},\"count\":{\"type\":"
    "\"integer\"}},\"required\":[\"answer\",\"count\"],\"additionalProperties\":false}",
    "{\"type\":\"object\",\"properties\":{\"verdict\":{\"enum\":[\"yes\",\"no\"]},\"list\":{"
    "\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":"
    "\"string\"}},\"required\":[\"name\"]}}},\"required\":[\"verdict\",\"list\"]}",
};

static void message_by_schema(struct sim *sim) {
    struct known_session *session = known_pick(sim, "session");
    struct known_message *message = session == NULL ? NULL : turns_new(sim, session);
    if (message != NULL) {
        message->schema = schemas[sim_choose(sim, "schema", COUNT_OF(schemas))];
        turns_say(sim, message, sim_chance(sim, "interrupts", 20) ? TURN_INTERRUPT : TURN_ENQUEUE);
    }
}

/* --- Answers ---------------------------------------------------------------------------------- */

/* By hand: what the daemon's own compiler of schemas says is not asked. */
static bool fits(const char *schema, const json_t *json) {
    if (schema == schemas[0]) {
        return json_object_size(json) == 2 && json_is_string(json_object_get(json, "answer")) &&
               json_is_integer(json_object_get(json, "count"));
    }
    const char *verdict = json_string_value(json_object_get(json, "verdict"));
    const json_t *list = json_object_get(json, "list");
    bool fine = verdict != NULL && json_is_array(list) &&
                (strcmp(verdict, "yes") == 0 || strcmp(verdict, "no") == 0);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        fine = fine && json_is_string(json_object_get(item, "name"));
    }
    return fine;
}

/* Columns: answer, text of its last step. */
static void answer_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct known_message *message = ctx;
    AUTO(json_release) json_t *json = NULL;
    struct why why = {""};
    bool valid =
        !err_failed(json_parse(row->text[1].data, row->text[1].len, DEPTH_MAX, &json, &why));
    if (!valid || !fits(message->schema, json)) {
        sim_fail(sim, "the answer %s of op %u does not fit its schema, and succeeded: %.200s",
                 row->text[0].data, message->op, row->text[1].data);
    }
}

/* Columns: answer, calls of the model, number of its last two steps that have a call that was cut
 * off. Of a removed message nothing is known: its parts go before its row. */
static void missed_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const struct known_message *message = ctx;
    if (row->number[1] < MISSES && row->number[2] < CUTS) {
        sim_fail(sim, "the answer %s of op %u was given up after %lld calls", row->text[0].data,
                 message->op, (long long)row->number[1]);
    }
}

static void schemas_check(struct sim *sim) {
    struct known *known = known_of(sim);
    for (size_t i = 0; i < known->message_count; i++) {
        struct known_message *message = &known->messages[i];
        if (message->schema == NULL || message->id[0] == '\0' ||
            message->session->state != SESSION_THERE) {
            continue;
        }
        ask_each(sim,
                 "SELECT a.message, p.text FROM messages a JOIN messages q ON q.id = a.reply_to"
                 " JOIN runs r ON r.id = a.run JOIN parts p ON p.message = a.id"
                 " WHERE q.message = $1 AND a.status = 'completed' AND r.state = 'succeeded'"
                 " AND p.kind = 'text' AND NOT EXISTS (SELECT 1 FROM parts l WHERE"
                 " l.message = a.id AND l.kind = 'text' AND l.number > p.number)",
                 TEXTS(message->id), answer_take, message);
        ask_each(sim,
                 "SELECT a.message, (SELECT count(*) FROM spans s WHERE s.run = a.run"
                 "  AND s.kind = 'model'), (SELECT count(DISTINCT p.step) FROM parts p"
                 "  WHERE p.message = a.id AND p.kind = 'tool' AND p.cause = 'truncated'"
                 "  AND (SELECT count(DISTINCT l.step) FROM parts l WHERE l.message = a.id"
                 "   AND l.kind IN ('text', 'thinking', 'tool') AND l.step > p.step) < 2)"
                 " FROM messages a JOIN messages q ON q.id = a.reply_to"
                 " WHERE q.message = $1 AND a.cause = 'schema_mismatch'"
                 " AND EXISTS (SELECT 1 FROM runs r WHERE r.id = a.run)"
                 " AND EXISTS (SELECT 1 FROM parts p WHERE p.message = a.id)",
                 TEXTS(message->id), missed_take, message);
    }
}

/* --- Requests --------------------------------------------------------------------------------- */

void schemas_requested(struct sim *sim, const char *session, const char *mark, bool told) {
    const struct known *known = known_of(sim);
    for (size_t i = known->message_count; i-- > 0;) { /* Probes are the last ones. */
        const struct known_message *message = &known->messages[i];
        bool asks = strcmp(message->session->id, session) == 0 &&
                    strncmp(message->text, mark, strlen(mark)) == 0;
        if (asks && message->probe) {
            return; /* A probe has the mark of the last operation. */
        }
        if (asks && message->edited == NULL && told != (message->schema != NULL)) {
            sim_fail(sim, "the message of op %u has %s schema, and its model is told %s",
                     message->op, told ? "no" : "a", told ? "one" : "none");
        }
    }
}

static const struct sim_op ops_schemas[] = {{"message_by_schema", 6, message_by_schema},
                                            {NULL, 0, NULL}};

const struct sim_part part_schemas = {.name = "schemas",
                                      .ops = ops_schemas,
                                      .opened = schemas_check,
                                      .heal = schemas_check,
                                      .end = schemas_check};
