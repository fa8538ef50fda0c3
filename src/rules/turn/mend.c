/* mend.c: see mend.h. First the text, which is only touched when it does not parse or fit, then the
 * value.
 *
 * Every step makes the text or the value smaller, and their numbers have limits: a hostile answer
 * costs a few times its length.
 */
#include "rules/turn/mend.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum {
    LEVELS_MAX = 4,      /* Values within values. */
    CANDIDATES_MAX = 64, /* JSON values in one text. */
    SCANS_MAX = 256,     /* Brackets that begin nothing. */
};
#define BLANKS " \t\r\n"

struct mending {
    const struct json_schema *schema;
    struct text *told;
    json_t *nearest; /* Owned: the value whose faults are reported; NULL: none came. */
    struct err stop; /* Error of a check that was too expensive. */
    bool several;    /* More than one value fits, and they differ. */
    bool too_many;   /* The text holds more values or brackets than are looked at. */
};

static void tell(struct mending *mending, const char *phrase) {
    text_addf(mending->told, "%s%s", mending->told->len > 0 ? "; " : "", phrase);
}

static bool parse(struct bytes text, json_t **ret_json) {
    return text.len > 0 &&
           !err_failed(json_parse(text.data, text.len, JSON_DEPTH_MAX, ret_json, /* why */ NULL));
}

static bool fits(struct mending *mending, const json_t *value) {
    struct json_faults faults = {.count = 0};
    struct err err = json_schema_check(mending->schema, value, &faults);
    if (err.code == ERR_TOO_EXPENSIVE) {
        mending->stop = err;
    }
    return !err_failed(err);
}

/* --- Brackets and commas ---------------------------------------------------------------------- */

/* After the comma at `at` there is only a closing bracket. */
static bool closes_after(struct bytes text, size_t at) {
    size_t next = at + 1;
    while (next < text.len && memchr(BLANKS, text.data[next], 4) != NULL) {
        next++;
    }
    return next < text.len && (text.data[next] == '}' || text.data[next] == ']');
}

char *commas_drop(struct bytes text, size_t *ret_len) {
    char *copy = mem_try(text.len + 1);
    size_t len = 0;
    bool quoted = false;
    for (size_t i = 0; copy != NULL && i < text.len; i++) {
        char c = text.data[i];
        if (!quoted && c == ',' && closes_after(text, i)) {
            continue;
        }
        copy[len++] = c;
        if (quoted && c == '\\' && i + 1 < text.len) {
            copy[len++] = text.data[++i];
        } else if (c == '"') {
            quoted = !quoted;
        }
    }
    if (copy == NULL || len == text.len) {
        mem_free(copy);
        return NULL;
    }
    copy[len] = '\0';
    *ret_len = len;
    return copy;
}

/* *ret_commas: some were left out for it. */
static bool parse_loosely(struct bytes text, json_t **ret_json, bool *ret_commas) {
    size_t len = 0;
    *ret_commas = false;
    if (parse(text, ret_json)) {
        return true;
    }
    AUTO(mem_release) char *copy = commas_drop(text, &len);
    *ret_commas = copy != NULL && parse((struct bytes){copy, len}, ret_json);
    return *ret_commas;
}

/* --- Values within values --------------------------------------------------------------------- */

/* The only member of an object that the schema does not know by this name: an object with a member
 * of its own was meant itself, and lacks something. NULL: it is none such, or tells an error. */
static json_t *member_of(const struct json_schema *schema, const json_t *value) {
    const struct json_member only = json_first(value);
    bool meant = json_object_size(value) == 1 && !bytes_is(only.key, "error") &&
                 !json_schema_has_property(schema, only.key);
    return meant ? only.value : NULL;
}

bool answer_tool_is(struct bytes name) {
    return bytes_is(name, ANSWER_TOOL) || bytes_is(name, "StructuredOutput");
}

/* Models that cannot call tools write the call: {"name": …, "arguments": …}. */
static json_t *arguments_of(const json_t *value) {
    static const char *const names[] = {"arguments", "parameters", "input"};
    json_t *found = NULL;
    if (!answer_tool_is(json_bytes(value, "name"))) {
        return NULL;
    }
    for (size_t i = 0; found == NULL && i < COUNT_OF(names); i++) {
        found = json_object_get(value, names[i]);
    }
    return found;
}

static const char member_taken[] = "the one member of an object was taken";

/* The value in this one that may have been meant; NULL: none. *ret_phrase NULL: nothing to tell,
 * since the schema was shown within an object. Owned. */
static json_t *inner_of(const struct json_schema *schema, const json_t *value,
                        const char **ret_phrase) {
    json_t *inner = NULL;
    struct bytes text = {json_string_value(value), json_string_length(value)};
    bool commas = false;
    if (json_is_string(value)) {
        *ret_phrase = "the JSON in a string was taken";
        return parse_loosely(bytes_trim(text, BLANKS), &inner, &commas) ? inner : NULL;
    }
    if (json_array_size(value) == 1) {
        *ret_phrase = "the one item of a list was taken";
        return json_incref(json_array_get(value, 0));
    }
    if (arguments_of(value) != NULL) {
        *ret_phrase = "the arguments of a call in the text were taken";
        return json_incref(arguments_of(value));
    }
    *ret_phrase = json_object_get(value, "answer") != NULL ? NULL : member_taken;
    inner = member_of(schema, value);
    return inner != NULL ? json_incref(inner) : NULL;
}

/* Takes `value`: true: *ret_fit fits, it or one within it. */
static bool value_take(struct mending *mending, json_t *value, json_t **ret_fit) {
    const char *phrases[LEVELS_MAX];
    size_t count = 0;
    AUTO(json_release) json_t *at = json_incref(value);
    while (at != NULL && !fits(mending, at)) {
        /* Within a member of any name, nothing but the JSON in a text is looked for: what lies
         * deeper may be a part of another value, or an example. */
        bool deep = count > 0 && phrases[count - 1] == member_taken && !json_is_string(at);
        json_t *inner =
            count < LEVELS_MAX && !deep ? inner_of(mending->schema, at, &phrases[count]) : NULL;
        json_decref(at);
        at = inner;
        count++;
    }
    for (size_t i = 0; at != NULL && i < count; i++) {
        if (phrases[i] != NULL) {
            tell(mending, phrases[i]);
        }
    }
    *ret_fit = at;
    at = NULL;
    return *ret_fit != NULL;
}

/* --- JSON within a text ----------------------------------------------------------------------- */

struct candidates {
    json_t *values[CANDIDATES_MAX]; /* Owned. */
    bool commas[CANDIDATES_MAX];
    size_t count;
    bool too_many; /* A limit was reached. */
};

/* Also where the text breaks off within the last of them: an earlier one may be a part of that, or
 * a draft. */
static void candidates_clear(struct candidates *candidates) {
    for (size_t i = 0; i < candidates->count; i++) {
        json_decref(candidates->values[i]);
    }
    candidates->count = 0;
}

/* The rest, which nobody looked at, may hold another value. */
static void candidates_exceed(struct candidates *candidates) {
    candidates_clear(candidates);
    candidates->too_many = true;
}

static bool candidate_add(struct candidates *candidates, struct bytes text) {
    json_t *json = NULL;
    bool commas = false;
    if (candidates->count == CANDIDATES_MAX ||
        !parse_loosely(bytes_trim(text, BLANKS), &json, &commas)) {
        return false;
    }
    candidates->values[candidates->count] = json;
    candidates->commas[candidates->count++] = commas;
    return true;
}

/* Contents of ```fences```, without the word after their first line's mark. One that is not closed
 * ends with the text. */
static void fences_find(struct bytes text, struct candidates *candidates) {
    while (candidates->count < CANDIDATES_MAX) {
        const char *open = memmem(text.data, text.len, "```", 3);
        if (open == NULL) {
            return;
        }
        struct bytes rest = {open + 3, (size_t)(text.data + text.len - open) - 3};
        const char *close = memmem(rest.data, rest.len, "```", 3);
        struct bytes inside = {rest.data, close != NULL ? (size_t)(close - rest.data) : rest.len};
        size_t word = 0;
        while (word < inside.len && memchr("{[\"\n ", inside.data[word], 5) == NULL) {
            word++;
        }
        bool added =
            candidate_add(candidates, (struct bytes){inside.data + word, inside.len - word});
        if (close == NULL) {
            if (!added) {
                candidates_clear(candidates);
            }
            return;
        }
        text = (struct bytes){close + 3, (size_t)(rest.data + rest.len - close) - 3};
    }
    candidates_exceed(candidates);
}

/* The bracket is no part of a sentence. */
static bool begins_json(struct bytes text) {
    struct bytes rest = bytes_trim((struct bytes){text.data + 1, text.len - 1}, BLANKS);
    static const char object[] = "\"}", array[] = "\"[{]-0123456789tfn";
    return rest.len == 0 || strchr(text.data[0] == '{' ? object : array, rest.data[0]) != NULL;
}

static void brackets_all(struct bytes text, struct candidates *candidates) {
    struct bytes part;
    for (unsigned scans = 0; scans < SCANS_MAX && candidates->count < CANDIDATES_MAX; scans++) {
        size_t start = 0;
        while (start < text.len && text.data[start] != '{' && text.data[start] != '[') {
            start++;
        }
        text = (struct bytes){text.data + start, text.len - start};
        if (text.len == 0) {
            return;
        }
        bool closed = json_brackets_find(text, "{[", &part);
        if (!closed && begins_json(text)) {
            candidates_clear(candidates);
            return;
        }
        /* A bracket that begins no JSON: the next one may, within it. */
        size_t used = closed && candidate_add(candidates, part) ? part.len : 1;
        text = (struct bytes){text.data + used, text.len - used};
    }
    candidates_exceed(candidates);
}

/* The only one that fits; several are one if they say the same. */
static bool candidates_take(struct mending *mending, const struct candidates *candidates,
                            const char *phrase, json_t **ret_fit) {
    json_t *found = NULL;
    size_t at = 0, before = mending->told->len;
    for (size_t i = 0; i < candidates->count; i++) {
        json_t *fit = NULL;
        mending->told->len = before;
        if (!value_take(mending, candidates->values[i], &fit)) {
            continue;
        }
        if (found != NULL && !json_same(found, fit)) {
            json_decref(found);
            json_decref(fit);
            mending->told->len = before;
            mending->several = true; /* Nobody knows which one is meant. */
            return false;
        }
        at = found == NULL ? i : at;
        json_decref(found);
        found = fit;
    }
    mending->told->len = before;
    if (found == NULL) {
        if (candidates->count > 0 && mending->nearest == NULL) {
            mending->nearest = json_incref(candidates->values[candidates->count - 1]);
        }
        return false;
    }
    tell(mending, phrase);
    if (candidates->commas[at]) {
        tell(mending, "commas before a closing bracket were left out");
    }
    json_decref(found);
    return value_take(mending, candidates->values[at], ret_fit);
}

/* --- What it thought -------------------------------------------------------------------------- */

/* The text after the last mark that ends thinking. False: there is none. */
static bool thinking_skip(struct bytes *text) {
    static const char *const ends[] = {"</think>", "</thinking>", "</reasoning>", "[/THINK]"};
    const char *after = NULL;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        size_t len = strlen(ends[i]);
        struct bytes rest = *text;
        const char *at;
        while ((at = memmem(rest.data, rest.len, ends[i], len)) != NULL) {
            after = after == NULL || at + len > after ? at + len : after;
            rest = (struct bytes){at + len, (size_t)(rest.data + rest.len - at) - len};
        }
    }
    if (after == NULL) {
        return false;
    }
    *text = bytes_trim((struct bytes){after, (size_t)(text->data + text->len - after)}, BLANKS);
    return true;
}

/* Thinking that has no end: there is no answer after it. */
static bool only_thinks(struct bytes text) {
    return bytes_begin(text, BYTES("<think")) || bytes_begin(text, BYTES("<reasoning>")) ||
           bytes_begin(text, BYTES("[THINK]"));
}

/* --- All of it -------------------------------------------------------------------------------- */

/* Words for an answer that is to be a text: models leave out the quotes. Only where the schema asks
 * for a text by its type, or names what it may be. */
static bool words_take(struct mending *mending, struct bytes text, json_t **ret_fit) {
    const json_t *source = json_schema_source(mending->schema);
    const char *type = json_string_value(json_object_get(source, "type"));
    bool named =
        json_object_get(source, "enum") != NULL || json_object_get(source, "const") != NULL;
    if (text.len == 0 || !(type != NULL ? strcmp(type, "string") == 0 : named)) {
        return false;
    }
    json_t *words = json_stringn(text.data, text.len);
    if (words == NULL || !fits(mending, words)) {
        json_decref(words);
        return false;
    }
    tell(mending, "the words were taken as a text");
    *ret_fit = words;
    return true;
}

/* The whole text is JSON. */
static bool whole_take(struct mending *mending, json_t *whole, bool commas, json_t **ret_fit) {
    if (commas) {
        tell(mending, "commas before a closing bracket were left out");
    }
    if (value_take(mending, whole, ret_fit)) {
        return true;
    }
    mending->nearest = json_incref(whole);
    return false;
}

static bool parts_take(struct mending *mending, struct bytes text, json_t **ret_fit) {
    struct candidates fenced = {.count = 0}, loose = {.count = 0};
    fences_find(text, &fenced);
    bool found = candidates_take(mending, &fenced, "the JSON in a fence was taken", ret_fit);
    if (!found && !mending->several) {
        brackets_all(text, &loose);
        found = candidates_take(mending, &loose, "the JSON in the text was taken", ret_fit);
    }
    mending->too_many = fenced.too_many || loose.too_many;
    candidates_clear(&fenced);
    candidates_clear(&loose);
    return found;
}

static bool mend_all(struct mending *mending, struct bytes text, json_t **ret_fit) {
    AUTO(json_release) json_t *whole = NULL;
    bool commas = false;
    if (!parse_loosely(text, &whole, &commas) && thinking_skip(&text)) {
        tell(mending, "thinking was left out");
        (void)parse_loosely(text, &whole, &commas); /* NULL: it is no JSON as a whole. */
    }
    if (whole != NULL) {
        return whole_take(mending, whole, commas, ret_fit);
    }
    if (only_thinks(text)) {
        return false;
    }
    return parts_take(mending, text, ret_fit) ||
           (!mending->several && mending->nearest == NULL && words_take(mending, text, ret_fit));
}

struct err answer_mend(const struct json_schema *schema, struct bytes answer, json_t **ret_value,
                       bool *ret_changed, struct text *told, struct text *misfit) {
    struct mending mending = {.schema = schema, .told = told, .stop = ERR_OK};
    struct json_faults faults = {.count = 0};
    struct bytes text = bytes_trim(answer, BLANKS);
    AUTO(json_release) json_t *whole = NULL;
    struct why why = {""};
    struct err parsed = json_parse(answer.data != NULL ? answer.data : "", answer.len,
                                   JSON_DEPTH_MAX, &whole, &why);
    if (mend_all(&mending, text, ret_value)) {
        json_release(&mending.nearest);
        *ret_changed = whole == NULL || !json_same(whole, *ret_value);
        return ERR_OK;
    }
    struct err err = err_make(ERR_BAD_FIELD, "mend: answer");
    told->len = 0;
    if (err_failed(mending.stop)) {
        err = mending.stop;
        text_add_str(misfit, "too expensive to check: whether it fits the schema is not known\n");
    } else if (mending.several) {
        text_add_str(misfit, "It holds several JSON values that fit, and they differ.\n");
    } else if (mending.nearest != NULL &&
               err_failed(json_schema_check(schema, mending.nearest, &faults))) {
        json_faults_write(&faults, misfit);
    } else if (mending.too_many) {
        text_addf(misfit,
                  "It holds too many JSON values (%d) or brackets (%d) to look for the one that "
                  "is meant.\n",
                  CANDIDATES_MAX, SCANS_MAX);
    } else {
        text_add_str(misfit,
                     err_failed(parsed) && why.text[0] != '\0' ? why.text : "It is no JSON.");
    }
    json_release(&mending.nearest);
    return err;
}
