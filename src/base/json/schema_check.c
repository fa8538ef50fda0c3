/* schema_check.c: the words of JSON Schema, each with what it asks of a value, and the walk over
 * schema and value. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/suggest.h"
#include "base/utf8.h"

enum {
    PATTERN_SUBJECT_MAX = 64 << 10,
    PATTERN_STEPS = 200,     /* Steps that one match counts for, however soon it is over. */
    PATTERN_WORK_MAX = 8192, /* In 1,024 callouts; on long subjects each counts for more. */
    SUBJECT_UNIT = 256,
};

/* Where faults go: to the caller, or to a trial of alternatives, which wants only the first. */
struct sink {
    struct json_faults *faults; /* NULL: only `first`. */
    unsigned count;
    unsigned first_depth;
    struct json_fault first;
};
struct check {
    const struct json_schema *schema;
    struct sink *sink;
    char path[sizeof(((struct json_fault *)0)->path)];
    size_t path_len;
    unsigned path_depth; /* Also of what found no room in `path`. */
    unsigned depth;
    struct schema_effort effort;
    enum err_code stop; /* ERR_NONE: go on. */
    size_t subject_len;
    bool fresh; /* The watch is asked before the match has cost anything. */
    struct pattern_matcher *matchers[JSON_SCHEMA_PATTERNS_MAX]; /* Owned; opened at first use. */
};

/* Amount that a limit bounds, and the side of it on which a value must be. */
enum measure { MEASURE_NUMBER, MEASURE_CHARACTERS, MEASURE_ITEMS, MEASURE_FIELDS };
enum side { SIDE_LEAST, SIDE_MOST, SIDE_ABOVE, SIDE_BELOW };

struct schema_word;
/* Judges `value` by a word of `schema`. */
#define JUDGE(name)                                                                                \
    void name(struct check *check, const struct schema_word *rule, const json_t *schema,           \
              const json_t *word, const json_t *value)
struct schema_word {
    const char *name;
    enum schema_form form;
    JUDGE((*judge)); /* NULL: another word does, or nobody. */
    enum measure measure;
    enum side side;
};

/* --- Faults ----------------------------------------------------------------------------------- */

static void fault_add(struct check *check, const char *format, ...) PRINTF_LIKE(2, 3);
static void fault_add(struct check *check, const char *format, ...) {
    struct sink *sink = check->sink;
    struct json_faults *faults = sink->faults;
    sink->count++;
    if (faults != NULL && faults->count == JSON_SCHEMA_FAULTS_MAX) {
        faults->more = true;
        return;
    }
    if (faults == NULL && sink->count > 1) {
        return;
    }
    struct json_fault *fault = faults != NULL ? &faults->items[faults->count++] : &sink->first;
    memcpy(fault->path, check->path, sizeof fault->path);
    utf8_make_plain(fault->path, strlen(fault->path));
    va_list args;
    va_start(args, format);
    int len = vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
    if (len >= (int)sizeof fault->text) {
        struct bytes text = {fault->text, sizeof fault->text - 1};
        fault->text[utf8_cut(text, text.len)] = '\0';
    }
    sink->first_depth = check->path_depth;
}

static void check_stop(struct check *check, enum err_code code, const char *words) {
    if (check->stop == ERR_NONE) {
        fault_add(check, "%s", words);
        check->stop = code;
    }
}

static void check_exhaust(struct check *check) {
    check_stop(check, ERR_TOO_EXPENSIVE, "too expensive: this asks for more steps than are made");
}

/* A value as a sentence shows it: short. */
struct shown {
    char text[64];
};
static struct shown value_show(const json_t *value) {
    struct shown shown = {.text = ""};
    AUTO(text_done) struct text text = text_up_to(4096);
    if (err_failed(json_write(value, &text))) {
        (void)snprintf(shown.text, sizeof shown.text, "%s", json_kind_of(value));
    } else if (text.len < sizeof shown.text) {
        memcpy(shown.text, text.data, text.len + 1);
    } else {
        size_t cut = utf8_cut(text_bytes(&text), sizeof shown.text - 4);
        (void)snprintf(shown.text, sizeof shown.text, "%.*s...", (int)cut, text.data);
    }
    return shown;
}

/* --- The walk --------------------------------------------------------------------------------- */

static const struct schema_word *rule_find(const char *name);

/* Nothing more will be learnt: the check is over, or an alternative is known not to fit. */
static bool is_settled(const struct check *check) {
    return check->stop != ERR_NONE || (check->sink->faults == NULL && check->sink->count > 0);
}

static void words_judge(struct check *check, const json_t *schema, const json_t *value) {
    if (json_is_null(value) && json_is_true(json_object_get(schema, "nullable"))) {
        return; /* OpenAPI's word for one more type. */
    }
    /* A value of a wrong type would only get more of the same from the other words. */
    const json_t *type = json_object_get(schema, "type");
    unsigned before = check->sink->count;
    if (type != NULL) {
        const struct schema_word *rule = rule_find("type");
        rule->judge(check, rule, schema, type, value);
    }
    if (check->sink->count > before) {
        return;
    }
    for (struct json_member at = json_first(schema); at.value != NULL && !is_settled(check);
         at = json_next(at)) {
        const struct schema_word *rule = rule_find(at.key.data);
        if (rule != NULL && rule->judge != NULL && at.value != type) {
            rule->judge(check, rule, schema, at.value, value);
        }
    }
}

static void schema_judge(struct check *check, const json_t *schema, const json_t *value) {
    if (is_settled(check)) {
        return;
    }
    if (++check->effort.steps > JSON_SCHEMA_STEPS_MAX || check->depth == JSON_SCHEMA_DEPTH_MAX) {
        check_exhaust(check);
        return;
    }
    check->depth++;
    if (json_is_false(schema)) {
        fault_add(check, "nothing is allowed here");
    } else if (json_is_object(schema)) {
        words_judge(check, schema, value);
    }
    check->depth--;
}

/* The same of a part of the value. */
static void member_judge(struct check *check, const json_t *schema, struct bytes name,
                         const json_t *value) {
    size_t before = check->path_len, left = sizeof check->path - 1 - before;
    check->path_depth++;
    if (name.len + 1 <= left) { /* Else the path ends above: still true, only less exact. */
        check->path[check->path_len++] = '/';
        memcpy(check->path + check->path_len, name.data, name.len);
        check->path_len += name.len;
        check->path[check->path_len] = '\0';
    }
    schema_judge(check, schema, value);
    check->path_depth--;
    check->path_len = before;
    check->path[before] = '\0';
}

static void item_judge(struct check *check, const json_t *schema, size_t at, const json_t *list) {
    char number[24];
    (void)snprintf(number, sizeof number, "%zu", at); /* Fits. */
    member_judge(check, schema, bytes_of(number), json_array_get(list, at));
}

/* Does `value` fit? *ret_first is the first fault if it does not. */
static bool check_fits(struct check *check, const json_t *schema, const json_t *value,
                       struct sink *ret_first) {
    struct sink *outer = check->sink;
    ret_first->faults = NULL;
    ret_first->count = 0;
    check->sink = ret_first;
    schema_judge(check, schema, value);
    check->sink = outer;
    return ret_first->count == 0;
}

/* --- Any value -------------------------------------------------------------------------------- */

enum { OBJECT, ARRAY, STRING, INTEGER, NUMBER, BOOLEAN, NOTHING };
static const char *const type_names[] = {"object", "array",   "string", "integer",
                                         "number", "boolean", "null",   NULL};

bool json_schema__type_find(const json_t *name, unsigned *ret_type) {
    return json_is_string(name) &&
           bytes_find(bytes_of(json_string_value(name)), type_names, ret_type);
}

/* The types that a value has, as bits: an integer is a number, too. */
static unsigned types_of(const json_t *value) {
    static const unsigned types[] = {
        [JSON_OBJECT] = 1U << OBJECT, [JSON_ARRAY] = 1U << ARRAY,
        [JSON_STRING] = 1U << STRING, [JSON_TRUE] = 1U << BOOLEAN,
        [JSON_FALSE] = 1U << BOOLEAN, [JSON_NULL] = 1U << NOTHING,
        [JSON_REAL] = 1U << NUMBER,   [JSON_INTEGER] = 1U << INTEGER | 1U << NUMBER,
    };
    double real = json_real_value(value); /* 1.0 is an integer, as the standard has it. */
    bool whole = json_is_real(value) && real >= -9007199254740992.0 && real <= 9007199254740992.0 &&
                 real == (double)(int64_t)real;
    return types[json_typeof(value)] | (whole ? 1U << INTEGER : 0);
}

static JUDGE(judge_type) {
    AUTO(text_done) struct text names = text_up_to(127);
    unsigned allowed = 0;
    size_t count = json_is_array(word) ? json_array_size(word) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_is_array(word) ? json_array_get(word, i) : word;
        unsigned type = 0;
        if (json_schema__type_find(name, &type)) { /* Always: the schema was compiled. */
            allowed |= 1U << type;
            text_addf(&names, "%s%s", i == 0 ? "" : " or ", json_string_value(name));
        }
    }
    if ((types_of(value) & allowed) == 0) {
        fault_add(check, "must be of type %s, not %s", text_bytes(&names).data,
                  json_kind_of(value));
    }
}

static JUDGE(judge_enum) {
    for (size_t i = 0; i < json_array_size(word); i++) {
        check->effort.steps++;
        if (json_same(json_array_get(word, i), value)) {
            return;
        }
    }
    AUTO(text_done) struct text list = text_up_to(160);
    for (size_t i = 0; i < json_array_size(word) && !text_failed(&list); i++) {
        text_addf(&list, "%s%s", i == 0 ? "" : ", ", value_show(json_array_get(word, i)).text);
    }
    fault_add(check, "must be one of %s%s, not %s", text_bytes(&list).data,
              text_failed(&list) ? ", ..." : "", value_show(value).text);
}

static JUDGE(judge_const) {
    if (!json_same(word, value)) {
        fault_add(check, "must be %s, not %s", value_show(word).text, value_show(value).text);
    }
}

/* --- Alternatives ----------------------------------------------------------------------------- */

struct tally {
    size_t fitting;
    struct sink nearest; /* The deepest of those that don't fit. */
};

static void try_all(struct check *check, const json_t *schemas, const json_t *value, size_t enough,
                    struct tally *tally) {
    tally->fitting = 0;
    tally->nearest.count = 0;
    for (size_t i = 0; i < json_array_size(schemas) && check->stop == ERR_NONE; i++) {
        struct sink sink;
        if (check_fits(check, json_array_get(schemas, i), value, &sink)) {
            if (++tally->fitting == enough) {
                return;
            }
        } else if (tally->nearest.count == 0 || sink.first_depth > tally->nearest.first_depth) {
            tally->nearest = sink;
        }
    }
}

static void none_fits(struct check *check, size_t count, const struct tally *tally) {
    const struct json_fault *nearest = &tally->nearest.first;
    const char *path = nearest->path;
    size_t here = strlen(check->path);
    path += strncmp(path, check->path, here) == 0 ? here : 0;
    fault_add(check, "fits none of the %zu alternatives; nearest: %s%s%s", count, path,
              path[0] == '\0' ? "" : " ", nearest->text);
}

static JUDGE(judge_any_of) {
    struct tally tally;
    try_all(check, word, value, 1, &tally);
    if (tally.fitting == 0 && check->stop == ERR_NONE) {
        none_fits(check, json_array_size(word), &tally);
    }
}

static JUDGE(judge_one_of) {
    struct tally tally;
    try_all(check, word, value, SIZE_MAX, &tally);
    if (check->stop != ERR_NONE) {
        return;
    }
    if (tally.fitting == 0) {
        none_fits(check, json_array_size(word), &tally);
    } else if (tally.fitting > 1) {
        fault_add(check, "fits %zu of the alternatives; exactly one is wanted", tally.fitting);
    }
}

static JUDGE(judge_all_of) {
    for (size_t i = 0; i < json_array_size(word); i++) {
        schema_judge(check, json_array_get(word, i), value);
    }
}

static JUDGE(judge_not) {
    struct sink sink;
    if (check_fits(check, word, value, &sink)) {
        fault_add(check, "is what must not be here");
    }
}

static JUDGE(judge_if) {
    struct sink sink;
    bool holds = check_fits(check, word, value, &sink);
    const json_t *then = json_object_get(schema, holds ? "then" : "else");
    if (then != NULL) {
        schema_judge(check, then, value);
    }
}

static JUDGE(judge_ref) {
    schema_judge(check, json_schema__follow(check->schema, json_string_value(word)), value);
}

/* --- Numbers and texts ------------------------------------------------------------------------ */

static JUDGE(judge_limit) {
    static const char *const units[] = {NULL, "characters", "items", "fields"};
    static const char *const sides[] = {"at least", "at most", "above", "below"};
    const bool applies[] = {json_is_number(value), json_is_string(value), json_is_array(value),
                            json_is_object(value)};
    if (!applies[rule->measure]) {
        return;
    }
    size_t count = json_array_size(value) + json_object_size(value);
    if (rule->measure == MEASURE_CHARACTERS) {
        count = utf8_count((struct bytes){json_string_value(value), json_string_length(value)});
    }
    long double limit = json_number_exact(word);
    long double amount =
        rule->measure == MEASURE_NUMBER ? json_number_exact(value) : (long double)count;
    const bool fits[] = {amount >= limit, amount <= limit, amount > limit, amount < limit};
    if (fits[rule->side]) {
        return;
    }
    if (rule->measure == MEASURE_NUMBER) {
        fault_add(check, "must be %s %s, not %s", sides[rule->side], value_show(word).text,
                  value_show(value).text);
    } else {
        fault_add(check, "must have %s %s %s, not %zu", sides[rule->side], value_show(word).text,
                  units[rule->measure], count);
    }
}

/* 0.3 is a multiple of 0.1 for everybody but a computer: so nearly is enough. */
static bool is_nearly_whole(long double number) {
    if (number > 9.0e18L || number < -9.0e18L) {
        return true; /* There are no fractions that far out. */
    }
    long double rest = number - (long double)(int64_t)number;
    rest = rest < 0 ? -rest : rest;
    return rest < 1e-9L || rest > 1 - 1e-9L;
}

static JUDGE(judge_multiple) {
    if (!json_is_number(value)) {
        return;
    }
    bool whole = json_is_integer(value) && json_is_integer(word);
    bool fits = whole ? json_integer_value(value) % json_integer_value(word) == 0
                      : is_nearly_whole(json_number_exact(value) / json_number_exact(word));
    if (!fits) {
        fault_add(check, "must be a multiple of %s, not %s", value_show(word).text,
                  value_show(value).text);
    }
}

/* A count and no clock: the same value fits, or is too expensive, on every machine. */
static enum err_code pattern_watch(void *ctx) {
    struct check *check = ctx;
    if (!check->fresh) {
        check->effort.watched += 1 + check->subject_len / SUBJECT_UNIT;
    }
    check->fresh = false;
    return check->effort.watched > PATTERN_WORK_MAX ? ERR_TOO_EXPENSIVE : ERR_NONE;
}

static struct pattern_matcher *matcher_of(struct check *check, const char *source) {
    const struct json_schema *schema = check->schema;
    unsigned at = 0;
    while (schema->patterns[at].source != source) {
        at++;
        assert(at < schema->pattern_count);
    }
    if (check->matchers[at] == NULL) {
        struct pattern_watch watching = {.over = pattern_watch, .ctx = check};
        struct err err =
            pattern_matcher_new(schema->patterns[at].pattern, &watching, &check->matchers[at]);
        if (err_failed(err)) {
            check_stop(check, err.code, "there was no memory for a pattern");
        }
    }
    return check->matchers[at];
}

/* True also where it is not known; then the check is over. */
static bool pattern_fits(struct check *check, const char *source, struct bytes subject) {
    struct pattern_matcher *matcher = matcher_of(check, source);
    bool matches = false;
    if (matcher == NULL) {
        return true;
    }
    check->effort.steps += PATTERN_STEPS;
    check->subject_len = subject.len;
    check->fresh = true;
    if (subject.len > PATTERN_SUBJECT_MAX ||
        err_failed(pattern_matches(matcher, subject, &matches))) {
        check_stop(check, ERR_TOO_EXPENSIVE,
                   "pattern too expensive: whether it matches is not known");
        return true;
    }
    return matches;
}

static JUDGE(judge_pattern) {
    struct bytes subject = {json_string_value(value), json_string_length(value)};
    if (json_is_string(value) && !pattern_fits(check, json_string_value(word), subject)) {
        fault_add(check, "must match the pattern %s", value_show(word).text);
    }
}

/* --- Lists ------------------------------------------------------------------------------------ */

static JUDGE(judge_prefix) {
    for (size_t i = 0; i < json_array_size(word) && i < json_array_size(value); i++) {
        item_judge(check, json_array_get(word, i), i, value);
    }
}

static void rest_judge(struct check *check, const json_t *schema, size_t first,
                       const json_t *value) {
    for (size_t i = first; i < json_array_size(value); i++) {
        item_judge(check, schema, i, value);
    }
}

/* Older drafts write a list of schemas where newer ones have prefixItems; additionalItems then
 * applies to the items after the list. */
static JUDGE(judge_items) {
    if (json_is_array(word)) {
        judge_prefix(check, rule, schema, word, value);
    } else {
        rest_judge(check, word, json_array_size(json_object_get(schema, "prefixItems")), value);
    }
}

static JUDGE(judge_additional_items) {
    const json_t *items = json_object_get(schema, "items");
    if (json_is_array(items)) {
        rest_judge(check, word, json_array_size(items), value);
    }
}

static JUDGE(judge_contains) {
    const json_t *least = json_object_get(schema, "minContains");
    const json_t *most = json_object_get(schema, "maxContains");
    json_int_t low = least != NULL ? json_integer_value(least) : 1, found = 0;
    for (size_t i = 0; i < json_array_size(value) && check->stop == ERR_NONE; i++) {
        struct sink sink;
        found += check_fits(check, word, json_array_get(value, i), &sink);
    }
    if (json_is_array(value) && check->stop == ERR_NONE &&
        (found < low || (most != NULL && found > json_integer_value(most)))) {
        fault_add(check, "%lld of its items are what it must contain; %s %lld %s wanted",
                  (long long)found, found < low ? "at least" : "at most",
                  (long long)(found < low ? low : json_integer_value(most)),
                  found < low && low == 1 ? "is" : "are");
    }
}

/* Number of values in one: the cost of comparing it. */
static unsigned weight(const json_t *value) {
    unsigned sum = 1;
    for (size_t i = 0; i < json_array_size(value); i++) {
        sum += weight(json_array_get(value, i));
    }
    for (struct json_member at = json_first(value); at.value != NULL; at = json_next(at)) {
        sum += weight(at.value);
    }
    return sum;
}

static JUDGE(judge_unique) {
    if (!json_is_true(word) || !json_is_array(value)) {
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned cost = weight(json_array_get(value, i));
        for (size_t j = 0; j < i; j++) {
            check->effort.steps += cost;
            if (check->effort.steps > JSON_SCHEMA_STEPS_MAX) {
                check_exhaust(check);
                return;
            }
            if (json_same(json_array_get(value, i), json_array_get(value, j))) {
                fault_add(check, "items %zu and %zu are the same; each must be unique", j, i);
                return;
            }
        }
    }
}

/* --- Objects ---------------------------------------------------------------------------------- */

static JUDGE(judge_properties) {
    for (struct json_member at = json_first(value); at.value != NULL; at = json_next(at)) {
        const json_t *property = json_object_getn(word, at.key.data, at.key.len);
        if (property != NULL) {
            member_judge(check, property, at.key, at.value);
        }
    }
}

static JUDGE(judge_pattern_properties) {
    for (struct json_member at = json_first(value); at.value != NULL; at = json_next(at)) {
        for (struct json_member row = json_first(word); row.value != NULL; row = json_next(row)) {
            if (pattern_fits(check, row.key.data, at.key)) {
                member_judge(check, row.value, at.key, at.value);
            }
        }
    }
}

static void field_refuse(struct check *check, const json_t *schema, struct bytes key) {
    char shown[64];
    size_t len = utf8_cut(key, sizeof shown - 1);
    memcpy(shown, key.data, len);
    shown[len] = '\0';
    utf8_make_plain(shown, len);
    AUTO(text_done) struct text known = text_up_to(120);
    struct suggest suggest;
    suggest_begin(&suggest, shown);
    for (struct json_member at = json_first(json_object_get(schema, "properties"));
         at.value != NULL; at = json_next(at)) {
        text_addf(&known, "%s\"%s\"", known.len == 0 ? "" : ", ", at.key.data);
        suggest_offer(&suggest, at.key.data);
    }
    const char *near = suggest_best(&suggest);
    if (near != NULL) {
        fault_add(check, "the field \"%s\" is unknown; did you mean \"%s\"?", shown, near);
    } else if (known.len > 0) {
        fault_add(check, "the field \"%s\" is unknown; known fields: %s%s", shown, known.data,
                  text_failed(&known) ? ", ..." : "");
    } else {
        fault_add(check, "the field \"%s\" is unknown; no field is allowed", shown);
    }
}

static JUDGE(judge_additional) {
    for (struct json_member at = json_first(value); at.value != NULL && check->stop == ERR_NONE;
         at = json_next(at)) {
        const json_t *properties = json_object_get(schema, "properties");
        bool declared = json_object_getn(properties, at.key.data, at.key.len) != NULL;
        check->effort.steps++;
        for (struct json_member row = json_first(json_object_get(schema, "patternProperties"));
             row.value != NULL && !declared; row = json_next(row)) {
            declared = pattern_fits(check, row.key.data, at.key);
        }
        if (!declared && json_is_false(word)) {
            field_refuse(check, schema, at.key);
        } else if (!declared) {
            member_judge(check, word, at.key, at.value);
        }
    }
}

static JUDGE(judge_names) {
    for (struct json_member at = json_first(value); at.value != NULL; at = json_next(at)) {
        AUTO(json_release) json_t *name = json_stringn_nocheck(at.key.data, at.key.len);
        struct sink sink;
        if (name != NULL && !check_fits(check, word, name, &sink)) {
            fault_add(check, "the name %s of a field: %s", value_show(name).text, sink.first.text);
        }
    }
}

static void fields_require(struct check *check, const json_t *names, const json_t *value,
                           const char *because) {
    for (size_t i = 0; json_is_object(value) && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (json_object_get(value, name) == NULL) {
            fault_add(check, "the field \"%.60s\" is missing%s", name, because);
        }
    }
}

static JUDGE(judge_required) {
    fields_require(check, word, value, "");
}

/* Each by the form of what depends: names, or a schema for the whole. */
static JUDGE(judge_dependent) {
    for (struct json_member at = json_first(word); at.value != NULL; at = json_next(at)) {
        if (json_object_getn(value, at.key.data, at.key.len) == NULL) {
            continue;
        }
        if (json_is_array(at.value)) {
            fields_require(check, at.value, value, "; another field asks for it");
        } else {
            schema_judge(check, at.value, value);
        }
    }
}

/* --- Fields that nothing has judged ----------------------------------------------------------- */

static bool is_evaluated(struct check *check, const json_t *schema, const json_t *value,
                         struct bytes key);

/* By a part of allOf, anyOf or oneOf: one that the value does not fit says nothing. */
static bool parts_evaluate(struct check *check, const json_t *parts, const json_t *value,
                           struct bytes key) {
    bool found = false;
    for (size_t i = 0; i < json_array_size(parts) && !found && check->stop == ERR_NONE; i++) {
        struct sink sink;
        const json_t *part = json_array_get(parts, i);
        found = is_evaluated(check, part, value, key) && check_fits(check, part, value, &sink);
    }
    return found;
}

static bool condition_evaluates(struct check *check, const json_t *schema, const json_t *value,
                                struct bytes key) {
    const json_t *condition = json_object_get(schema, "if");
    struct sink sink;
    if (condition == NULL) {
        return false;
    }
    bool holds = check_fits(check, condition, value, &sink);
    const json_t *then = json_object_get(schema, holds ? "then" : "else");
    return (holds && is_evaluated(check, condition, value, key)) ||
           (then != NULL && is_evaluated(check, then, value, key));
}

static bool dependents_evaluate(struct check *check, const json_t *schema, const json_t *value,
                                struct bytes key) {
    for (struct json_member at = json_first(json_object_get(schema, "dependentSchemas"));
         at.value != NULL; at = json_next(at)) {
        if (json_object_getn(value, at.key.data, at.key.len) != NULL &&
            is_evaluated(check, at.value, value, key)) {
            return true;
        }
    }
    return false;
}

/* Whether this schema says something about that field of the object. */
static bool is_evaluated(struct check *check, const json_t *schema, const json_t *value,
                         struct bytes key) {
    static const char *const words_of_parts[] = {"allOf", "anyOf", "oneOf"};
    const json_t *properties = json_object_get(schema, "properties");
    bool found = json_object_getn(properties, key.data, key.len) != NULL ||
                 json_object_get(schema, "additionalProperties") != NULL;
    if (++check->effort.steps > JSON_SCHEMA_STEPS_MAX || check->depth == JSON_SCHEMA_DEPTH_MAX) {
        check_exhaust(check);
        return true;
    }
    check->depth++;
    for (struct json_member row = json_first(json_object_get(schema, "patternProperties"));
         row.value != NULL && !found; row = json_next(row)) {
        found = pattern_fits(check, row.key.data, key);
    }
    for (size_t i = 0; i < COUNT_OF(words_of_parts) && !found; i++) {
        found = parts_evaluate(check, json_object_get(schema, words_of_parts[i]), value, key);
    }
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    found = found ||
            (reference != NULL &&
             is_evaluated(check, json_schema__follow(check->schema, reference), value, key)) ||
            condition_evaluates(check, schema, value, key) ||
            dependents_evaluate(check, schema, value, key);
    check->depth--;
    return found;
}

static JUDGE(judge_unevaluated) {
    for (struct json_member at = json_first(value); at.value != NULL && check->stop == ERR_NONE;
         at = json_next(at)) {
        if (is_evaluated(check, schema, value, at.key) || check->stop != ERR_NONE) {
            continue;
        }
        if (json_is_false(word)) {
            field_refuse(check, schema, at.key);
        } else {
            member_judge(check, word, at.key, at.value);
        }
    }
}

/* --- The table -------------------------------------------------------------------------------- */

/* In the order of strcmp. Words that nothing judges are notes, so that no schema is refused for
 * them: `nullable` is heard before all others, minContains and maxContains with contains. */
static const struct schema_word words[] = {
    {"$anchor", .form = FORM_NOTE},
    {"$comment", .form = FORM_NOTE},
    {"$defs", .form = FORM_SCHEMA_MAP},
    {"$dynamicAnchor", .form = FORM_NOTE},
    {"$dynamicRef", .form = FORM_NOTE},
    {"$id", .form = FORM_NOTE},
    {"$recursiveAnchor", .form = FORM_NOTE},
    {"$recursiveRef", .form = FORM_NOTE},
    {"$ref", FORM_REF, .judge = judge_ref},
    {"$schema", .form = FORM_NOTE},
    {"$vocabulary", .form = FORM_NOTE},
    {"additionalItems", FORM_SCHEMA, .judge = judge_additional_items},
    {"additionalProperties", FORM_SCHEMA, .judge = judge_additional},
    {"allOf", FORM_SCHEMAS, .judge = judge_all_of},
    {"anyOf", FORM_SCHEMAS, .judge = judge_any_of},
    {"const", FORM_ANY, .judge = judge_const},
    {"contains", FORM_SCHEMA, .judge = judge_contains},
    {"contentEncoding", .form = FORM_NOTE},
    {"contentMediaType", .form = FORM_NOTE},
    {"contentSchema", .form = FORM_NOTE},
    {"default", .form = FORM_NOTE},
    {"definitions", .form = FORM_SCHEMA_MAP},
    {"dependencies", FORM_DEPENDENCIES, .judge = judge_dependent},
    {"dependentRequired", FORM_NAMES_MAP, .judge = judge_dependent},
    {"dependentSchemas", FORM_SCHEMA_MAP, .judge = judge_dependent},
    {"deprecated", .form = FORM_NOTE},
    {"description", .form = FORM_NOTE},
    {"discriminator", .form = FORM_NOTE},
    {"else", .form = FORM_SCHEMA},
    {"enum", FORM_LIST, .judge = judge_enum},
    {"example", .form = FORM_NOTE},
    {"examples", .form = FORM_NOTE},
    {"exclusiveMaximum", FORM_NUMBER, judge_limit, MEASURE_NUMBER, SIDE_BELOW},
    {"exclusiveMinimum", FORM_NUMBER, judge_limit, MEASURE_NUMBER, SIDE_ABOVE},
    {"externalDocs", .form = FORM_NOTE},
    {"format", .form = FORM_NOTE},
    {"id", .form = FORM_NOTE},
    {"if", FORM_SCHEMA, .judge = judge_if},
    {"items", FORM_ITEMS, .judge = judge_items},
    {"maxContains", .form = FORM_COUNT},
    {"maxItems", FORM_COUNT, judge_limit, MEASURE_ITEMS, SIDE_MOST},
    {"maxLength", FORM_COUNT, judge_limit, MEASURE_CHARACTERS, SIDE_MOST},
    {"maxProperties", FORM_COUNT, judge_limit, MEASURE_FIELDS, SIDE_MOST},
    {"maximum", FORM_NUMBER, judge_limit, MEASURE_NUMBER, SIDE_MOST},
    {"minContains", .form = FORM_COUNT},
    {"minItems", FORM_COUNT, judge_limit, MEASURE_ITEMS, SIDE_LEAST},
    {"minLength", FORM_COUNT, judge_limit, MEASURE_CHARACTERS, SIDE_LEAST},
    {"minProperties", FORM_COUNT, judge_limit, MEASURE_FIELDS, SIDE_LEAST},
    {"minimum", FORM_NUMBER, judge_limit, MEASURE_NUMBER, SIDE_LEAST},
    {"multipleOf", FORM_POSITIVE, .judge = judge_multiple},
    {"not", FORM_SCHEMA, .judge = judge_not},
    {"nullable", .form = FORM_NOTE},
    {"oneOf", FORM_SCHEMAS, .judge = judge_one_of},
    {"pattern", FORM_PATTERN, .judge = judge_pattern},
    {"patternProperties", FORM_PATTERN_MAP, .judge = judge_pattern_properties},
    {"prefixItems", FORM_SCHEMAS, .judge = judge_prefix},
    {"properties", FORM_SCHEMA_MAP, .judge = judge_properties},
    {"propertyNames", FORM_SCHEMA, .judge = judge_names},
    {"propertyOrdering", .form = FORM_NOTE},
    {"readOnly", .form = FORM_NOTE},
    {"required", FORM_NAMES, .judge = judge_required},
    {"then", .form = FORM_SCHEMA},
    {"title", .form = FORM_NOTE},
    {"type", FORM_TYPES, .judge = judge_type},
    {"unevaluatedItems", .form = FORM_NOTE},
    {"unevaluatedProperties", FORM_SCHEMA, .judge = judge_unevaluated},
    {"uniqueItems", FORM_FLAG, .judge = judge_unique},
    {"writeOnly", .form = FORM_NOTE},
    {"xml", .form = FORM_NOTE},
};

static const struct schema_word *rule_find(const char *name) {
    size_t low = 0, high = COUNT_OF(words);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(words[middle].name, name);
        if (order == 0) {
            return &words[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

bool json_schema__form_find(const char *name, enum schema_form *ret_form, const char **ret_near) {
    const struct schema_word *word = rule_find(name);
    if (word != NULL) {
        *ret_form = word->form;
        return true;
    }
    struct suggest suggest;
    suggest_begin(&suggest, name);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        suggest_offer(&suggest, words[i].name);
    }
    *ret_near = suggest_best(&suggest);
    return false;
}

/* --- A check ---------------------------------------------------------------------------------- */

/* ERR_NONE, or why it is not known. */
static enum err_code check_run(const struct json_schema *schema, const json_t *part,
                               const json_t *value, struct schema_effort *effort,
                               struct sink *sink) {
    AUTO(mem_release) struct check *check = mem_new(sizeof *check);
    check->schema = schema;
    check->effort = *effort;
    check->sink = sink;
    schema_judge(check, part, value);
    *effort = check->effort;
    for (unsigned i = 0; i < schema->pattern_count; i++) {
        pattern_matcher_free(check->matchers[i]);
    }
    return check->stop;
}

bool json_schema__may_fit(const struct json_schema *schema, const json_t *part, const json_t *value,
                          struct schema_effort *effort) {
    struct sink first = {.faults = NULL};
    return check_run(schema, part, value, effort, &first) != ERR_NONE || first.count == 0;
}

struct err json_schema_check(const struct json_schema *schema, const json_t *value,
                             struct json_faults *ret_faults) {
    struct sink sink = {.faults = ret_faults};
    ret_faults->count = 0;
    ret_faults->more = false;
    struct schema_effort effort = {.steps = 0};
    enum err_code stop = check_run(schema, schema->source, value, &effort, &sink);
    if (stop != ERR_NONE) {
        /* The fault may stand in an alternative that nobody shows. */
        ret_faults->count = 1;
        (void)snprintf(ret_faults->items[0].text, sizeof ret_faults->items[0].text, "%s",
                       "too expensive to check: whether it fits the schema is not known");
        ret_faults->items[0].path[0] = '\0';
        return err_make(stop, "schema: check");
    }
    return sink.count > 0 ? err_make(ERR_BAD_FIELD, "schema: check") : ERR_OK;
}

static void fault_write(const struct json_fault *fault, struct text *text) {
    text_addf(text, "%s%s%s", fault->path, fault->path[0] == '\0' ? "" : ": ", fault->text);
}

void json_faults_write(const struct json_faults *faults, struct text *text) {
    for (unsigned i = 0; i < faults->count; i++) {
        fault_write(&faults->items[i], text);
        text_add_char(text, '\n');
    }
    text_add_str(text, faults->more ? "and more\n" : "");
}

void json_faults_join(const struct json_faults *faults, struct text *text) {
    for (unsigned i = 0; i < faults->count; i++) {
        text_add_str(text, i > 0 ? "; " : "");
        fault_write(&faults->items[i], text);
    }
    text_add_str(text, faults->more ? "; and more" : "");
}

/* Copies a component of a pointer into `buffer`, its escapes undone. */
static bool unescape(struct bytes part, char *buffer, size_t size) {
    size_t len = 0;
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (c == '~' && i + 1 < part.len && (part.data[i + 1] == '0' || part.data[i + 1] == '1')) {
            c = part.data[++i] == '0' ? '~' : '/';
        }
        if (len + 1 == size) {
            return false;
        }
        buffer[len++] = c;
    }
    buffer[len] = '\0';
    return true;
}

static const json_t *follow_part(const json_t *at, struct bytes part) {
    char key[256];
    if (!unescape(part, key, sizeof key)) {
        return NULL;
    }
    if (json_is_object(at)) {
        return json_object_get(at, key);
    }
    struct number_bounds bounds = {0, INT32_MAX};
    int64_t number = 0;
    if (json_is_array(at) && number_parse(bytes_of(key), bounds, &number)) {
        return json_array_get(at, (size_t)number);
    }
    return NULL;
}

const json_t *json_schema__follow(const struct json_schema *schema, const char *reference) {
    if (reference[0] != '#' || (reference[1] != '\0' && reference[1] != '/')) {
        return NULL;
    }
    const json_t *at = schema->source;
    const char *rest = reference + 1;
    while (at != NULL && *rest == '/') {
        rest++;
        size_t len = strcspn(rest, "/");
        at = follow_part(at, (struct bytes){rest, len});
        rest += len;
    }
    return at;
}
