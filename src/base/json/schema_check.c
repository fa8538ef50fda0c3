/* schema_check.c: the walk over schema and value, and what it keeps of it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json/schema_inside.h"
#include "base/memory.h"
#include "base/utf8.h"

enum {
    PATTERN_SUBJECT_MAX = 64 << 10,
    PATTERN_STEPS = 200,     /* What one match counts for, however soon it is over. */
    PATTERN_WORK_MAX = 8192, /* In 1,024 callouts; on long subjects each counts for more. */
    SUBJECT_UNIT = 256,
};

/* --- Where ------------------------------------------------------------------------------------ */

static struct schema_step enter(struct schema_check *check, struct bytes name) {
    struct schema_step step = {check->path_len};
    size_t left = sizeof check->path - 1 - check->path_len;
    check->path_depth++;
    if (name.len + 1 > left) {
        return step; /* The path ends above: still true, only less exact. */
    }
    check->path[check->path_len++] = '/';
    memcpy(check->path + check->path_len, name.data, name.len);
    check->path_len += name.len;
    check->path[check->path_len] = '\0';
    return step;
}

struct schema_step json_schema__enter_key(struct schema_check *check, struct bytes key) {
    return enter(check, key);
}

struct schema_step json_schema__enter_item(struct schema_check *check, size_t at) {
    char number[24];
    int len = snprintf(number, sizeof number, "%zu", at);
    assert(len > 0);
    return enter(check, (struct bytes){number, (size_t)len});
}

void json_schema__leave(struct schema_check *check, struct schema_step step) {
    check->path_depth--;
    check->path_len = step.path_len;
    check->path[check->path_len] = '\0';
}

/* --- Faults ----------------------------------------------------------------------------------- */

static void keep(const struct schema_check *check, struct json_fault *fault, const char *format,
                 va_list args) PRINTF_LIKE(3, 0);
static void keep(const struct schema_check *check, struct json_fault *fault, const char *format,
                 va_list args) {
    memcpy(fault->path, check->path, sizeof fault->path);
    utf8_make_plain(fault->path, strlen(fault->path));
    int len = vsnprintf(fault->text, sizeof fault->text, format, args);
    if (len >= (int)sizeof fault->text) {
        struct bytes text = {fault->text, sizeof fault->text - 1};
        fault->text[utf8_cut(text, text.len)] = '\0';
    }
}

void json_schema__fault(struct schema_check *check, const char *format, ...) {
    struct schema_sink *sink = check->sink;
    struct json_faults *faults = sink->faults;
    sink->count++;
    if (faults != NULL && faults->count == JSON_SCHEMA_FAULTS_MAX) {
        faults->more = true;
        return;
    }
    if (faults == NULL && sink->count > 1) {
        return;
    }
    va_list args;
    va_start(args, format);
    keep(check, faults != NULL ? &faults->items[faults->count++] : &sink->first, format, args);
    va_end(args);
    sink->first_depth = check->path_depth;
}

static void give_up(struct schema_check *check, enum err_code code, const char *words) {
    if (check->stop == ERR_NONE) {
        json_schema__fault(check, "%s", words);
        check->stop = code;
    }
}

void json_schema__exhaust(struct schema_check *check) {
    give_up(check, ERR_TOO_EXPENSIVE, "too expensive: this asks for more steps than are made");
}

/* --- Patterns --------------------------------------------------------------------------------- */

/* A count and no clock: the same value fits, or is too expensive, on every machine. */
static enum err_code watch(void *ctx) {
    struct schema_check *check = ctx;
    if (!check->fresh) {
        check->watched += 1 + check->subject_len / SUBJECT_UNIT;
    }
    check->fresh = false;
    return check->watched > PATTERN_WORK_MAX ? ERR_TOO_EXPENSIVE : ERR_NONE;
}

static struct pattern_matcher *matcher_of(struct schema_check *check, const char *source) {
    const struct json_schema *schema = check->schema;
    unsigned at = 0;
    while (schema->patterns[at].source != source) {
        at++;
        assert(at < schema->pattern_count);
    }
    if (check->matchers[at] == NULL) {
        struct pattern_watch watching = {.over = watch, .ctx = check};
        struct err err =
            pattern_matcher_new(schema->patterns[at].pattern, &watching, &check->matchers[at]);
        if (err_failed(err)) {
            give_up(check, err.code, "there was no memory for a pattern");
        }
    }
    return check->matchers[at];
}

bool json_schema__pattern(struct schema_check *check, const char *source, struct bytes subject) {
    struct pattern_matcher *matcher = matcher_of(check, source);
    bool matches = false;
    if (matcher == NULL) {
        return true;
    }
    check->steps += PATTERN_STEPS;
    check->subject_len = subject.len;
    check->fresh = true;
    if (subject.len > PATTERN_SUBJECT_MAX ||
        err_failed(pattern_matches(matcher, subject, &matches))) {
        give_up(check, ERR_TOO_EXPENSIVE, "pattern too expensive: whether it matches is not known");
        return true;
    }
    return matches;
}

/* --- The walk --------------------------------------------------------------------------------- */

/* Nothing more will be learnt: the check is over, or an alternative is known not to fit. */
static bool is_settled(const struct schema_check *check) {
    return check->stop != ERR_NONE || (check->sink->faults == NULL && check->sink->count > 0);
}

static void judge_words(struct schema_check *check, const json_t *schema, const json_t *value) {
    /* A value of a wrong type would only get more of the same from the other words. */
    const json_t *type = json_object_get(schema, "type");
    unsigned before = check->sink->count;
    if (type != NULL) {
        json_schema__word("type")->judge(check, schema, type, value);
    }
    if (check->sink->count > before) {
        return;
    }
    json_t *object = (json_t *)schema; /* jansson's iterator takes no const. */
    for (void *at = json_object_iter(object); at != NULL && !is_settled(check);
         at = json_object_iter_next(object, at)) {
        const struct schema_word *word = json_schema__word(json_object_iter_key(at));
        if (word != NULL && word->judge != NULL && json_object_iter_value(at) != type) {
            word->judge(check, schema, json_object_iter_value(at), value);
        }
    }
}

void json_schema__judge(struct schema_check *check, const json_t *schema, const json_t *value) {
    if (is_settled(check)) {
        return;
    }
    if (++check->steps > JSON_SCHEMA_STEPS_MAX || check->depth == JSON_SCHEMA_DEPTH_MAX) {
        json_schema__exhaust(check);
        return;
    }
    check->depth++;
    if (json_is_false(schema)) {
        json_schema__fault(check, "nothing is allowed here");
    } else if (json_is_object(schema)) {
        judge_words(check, schema, value);
    }
    check->depth--;
}

bool json_schema__fits(struct schema_check *check, const json_t *schema, const json_t *value,
                       struct schema_sink *ret_sink) {
    struct schema_sink *outer = check->sink;
    ret_sink->faults = NULL;
    ret_sink->count = 0;
    check->sink = ret_sink;
    json_schema__judge(check, schema, value);
    check->sink = outer;
    return ret_sink->count == 0;
}

struct err json_schema_check(const struct json_schema *schema, const json_t *value,
                             struct json_faults *ret_faults) {
    AUTO(mem_release) struct schema_check *check = mem_new(sizeof *check);
    ret_faults->count = 0;
    ret_faults->more = false;
    struct schema_sink sink = {.faults = ret_faults};
    check->schema = schema;
    check->sink = &sink;
    json_schema__judge(check, schema->source, value);
    for (unsigned i = 0; i < schema->pattern_count; i++) {
        pattern_matcher_free(check->matchers[i]);
    }
    if (check->stop != ERR_NONE) {
        /* Its fault may stand in an alternative that nobody shows. */
        ret_faults->count = 1;
        (void)snprintf(ret_faults->items[0].text, sizeof ret_faults->items[0].text, "%s",
                       "too expensive to check: whether it fits the schema is not known");
        ret_faults->items[0].path[0] = '\0';
        return err_make(check->stop, "schema: check");
    }
    return sink.count > 0 ? err_make(ERR_BAD_FIELD, "schema: check") : ERR_OK;
}
