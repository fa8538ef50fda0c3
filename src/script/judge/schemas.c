/* schemas.c: schemas of agent() that a run would refuse, where they stand in the script as
 * literals: as the option itself, or as a variable that is declared once, with the literal. */
#include <string.h>

#include "base/json/schema.h"
#include "base/number.h"
#include "script/judge/notes.h"
#include "script/reader/literal.h"

enum { STEPS_MAX = 64, STEP_BYTES_MAX = 160 };

/* --- The literal ------------------------------------------------------------------------------ */

/* `const NAME = {`: the brace, if nothing else declares or assigns NAME. */
static uint32_t variable_object(const struct tokens *tokens, struct bytes name) {
    uint32_t found = TOKEN_NOWHERE;
    for (uint32_t at = 0; at < tokens->count; at++) {
        if (token_is_member(tokens, at) || !bytes_equal(token_text(tokens, at), name) ||
            (!token_is(tokens, at + 1, "=") && !token_is_variable_word(tokens, at - 1) &&
             !token_is(tokens, at + 1, "=>"))) {
            continue;
        }
        bool declared = token_is_variable_word(tokens, at - 1) && token_is(tokens, at + 1, "=") &&
                        token_is(tokens, at + 2, "{");
        if (!declared || found != TOKEN_NOWHERE) {
            return TOKEN_NOWHERE;
        }
        found = at + 2;
    }
    return found;
}

/* --- The place -------------------------------------------------------------------------------- */

/* The value of a key, or an item of a list by its number. */
static uint32_t step_into(const struct tokens *tokens, uint32_t at, const char *step) {
    if (token_is(tokens, at, "{")) {
        return literal_value_of(tokens, at, step);
    }
    if (!token_is(tokens, at, "[")) {
        return TOKEN_NOWHERE;
    }
    uint32_t end = tokens->list[at].mate;
    int64_t commas = 0;
    const struct number_bounds bounds = {0, SCRIPT_META_MAX};
    if (!number_parse(bytes_of(step), bounds, &commas)) {
        return TOKEN_NOWHERE;
    }
    for (at++; commas > 0 && at < end; at = token_after(tokens, at)) {
        commas -= token_is(tokens, at, ",") ? 1 : 0;
    }
    return at < end ? at : TOKEN_NOWHERE;
}

/* The token that "#/properties/a/requird" is about: a key where it is the last step, as far as the
 * path leads. */
static uint32_t place_find(const struct tokens *tokens, uint32_t object, struct bytes path) {
    uint32_t at = object;
    struct bytes step = BYTES("");
    (void)bytes_next(&path, '/', &step); /* "#" */
    for (unsigned i = 0; i < STEPS_MAX && bytes_next(&path, '/', &step); i++) {
        char key[STEP_BYTES_MAX];
        if (step.len >= sizeof key) {
            break;
        }
        memcpy(key, step.data, step.len);
        key[step.len] = '\0';
        uint32_t value = step_into(tokens, at, key);
        if (value == TOKEN_NOWHERE) {
            break;
        }
        at = value;
    }
    return at != object && token_is(tokens, at - 1, ":") ? at - 2 : at;
}

/* --- The note --------------------------------------------------------------------------------- */

void script_note_schema(struct judge *judge, uint32_t value) {
    const struct tokens *tokens = judge->tokens;
    AUTO(json_release) json_t *json = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct script_fault ignored;
    struct why why = {""};
    uint32_t end = 0, object = value;
    if (token_is_free_name(tokens, value) && token_is_any(tokens, value + 1, ",}")) {
        object = variable_object(tokens, token_text(tokens, value));
    }
    if (object == TOKEN_NOWHERE || !token_is(tokens, object, "{") ||
        err_failed(literal_read(tokens, object, &json, &end, &ignored))) {
        return;
    }
    const bool compiles = !err_failed(json_schema_compile(json, &compiled, &why));
    if (compiles && !json_schema_is_void(compiled, &why)) {
        return;
    }
    const struct bytes words = bytes_of(why.text);
    const char *colon = memmem(words.data, words.len, ": ", 2);
    const struct bytes path = {words.data, colon == NULL ? 0 : (size_t)(colon - words.data)};
    (void)script__note_once(judge, place_find(tokens, object, path), "bad_schema", NOTE_GRAVE,
                            "agent() throws on this schema: %.240s", why.text);
}
