/* exit.c: from exit.json to a struct. Fields that are not known here are of a later version
 * and skipped; one that is known and of another type makes the whole thing unreadable. So does an
 * `end` that is not known: that is what everything else depends on. An unknown `why` does not.
 */
#include <limits.h>
#include <string.h>

#include "base/json/json.h"
#include "proc/spool/spool.h"

enum { EXIT_DEPTH_MAX = 8, SIGNAL_MAX = 127, ERRNO_MAX = 4095, CODE_MAX = 255 };

/* Largest number of a measure. A command can write the file itself; measures within the bound can
 * still be added to each other and to a time. */
#define MEASURE_MAX (INT64_C(1) << 53)

enum need { OPTIONAL, REQUIRED };

struct range {
    int64_t min, max;
};

static bool read_number(const json_t *object, const char *key, enum need need, struct range range,
                        int64_t *into) {
    const json_t *value = json_object_get(object, key);
    if (value == NULL) {
        return need == OPTIONAL;
    }
    if (!json_is_integer(value)) {
        return false;
    }
    int64_t number = json_integer_value(value);
    if (number < range.min || number > range.max) {
        return false;
    }
    *into = number;
    return true;
}

static bool read_int(const json_t *object, const char *key, enum need need, struct range range,
                     int *into) {
    int64_t number = *into;
    if (!read_number(object, key, need, range, &number)) {
        return false;
    }
    *into = (int)number; /* All ranges are those of an int. */
    return true;
}

/* NULL: absent, no text, or one with a NUL in it. */
static const char *text_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return NULL;
    }
    const char *text = json_string_value(value);
    return strlen(text) == json_string_length(value) ? text : NULL;
}

static bool read_end(const json_t *object, enum exit_end *into) {
    static const char *const words[] = {
        [EXIT_EXITED] = "exited",
        [EXIT_SIGNALED] = "signaled",
        [EXIT_NOT_STARTED] = "not_started",
    };
    const char *end = text_of(object, "end");
    for (size_t i = 0; end != NULL && i < COUNT_OF(words); i++) {
        if (strcmp(end, words[i]) == 0) {
            *into = (enum exit_end)i;
            return true;
        }
    }
    return false;
}

static bool read_why(const json_t *object, enum exit_why *into) {
    static const char *const words[] = {
        [EXIT_ITSELF] = "itself",
        [EXIT_STOPPED] = "stopped",
        [EXIT_TIMED_OUT] = "timed_out",
        [EXIT_PROCESSES] = "processes",
    };
    const char *why = text_of(object, "why");
    for (size_t i = 0; why != NULL && i < COUNT_OF(words); i++) {
        if (strcmp(why, words[i]) == 0) {
            *into = (enum exit_why)i;
        }
    }
    return why != NULL;
}

static bool read_step(const json_t *object, enum need need, struct spool_exit *into) {
    const json_t *value = json_object_get(object, "step");
    if (value == NULL) {
        return need == OPTIONAL;
    }
    const char *step = text_of(object, "step");
    size_t len = step == NULL ? sizeof into->step : strlen(step);
    if (len >= sizeof into->step) {
        return false;
    }
    memcpy(into->step, step, len + 1);
    return true;
}

/* What belongs to this kind of end must be there. */
static bool read_outcome(const json_t *object, struct spool_exit *into) {
    if (!read_end(object, &into->end) || !read_why(object, &into->why)) {
        return false;
    }
    enum need code = into->end == EXIT_EXITED ? REQUIRED : OPTIONAL;
    enum need signal = into->end == EXIT_SIGNALED ? REQUIRED : OPTIONAL;
    enum need os = into->end == EXIT_NOT_STARTED ? REQUIRED : OPTIONAL;
    return read_int(object, "code", code, (struct range){0, CODE_MAX}, &into->code) &&
           read_int(object, "signal", signal, (struct range){0, SIGNAL_MAX}, &into->signal) &&
           read_int(object, "errno", os, (struct range){0, ERRNO_MAX}, &into->os) &&
           read_step(object, os, into);
}

static bool read_measures(const json_t *object, struct spool_exit *into) {
    const struct {
        const char *key;
        enum need need;
        int64_t *into;
    } rows[] = {
        {"out", REQUIRED, &into->out},
        {"err", REQUIRED, &into->err},
        {"pty", REQUIRED, &into->pty},
        {"in", REQUIRED, &into->in},
        {"cpu_us", OPTIONAL, &into->cpu_us},
        {"memory_kb", OPTIONAL, &into->memory_kb},
        {"processes", OPTIONAL, &into->processes},
        {"started_ms", OPTIONAL, &into->started_ms},
        {"ended_ms", OPTIONAL, &into->ended_ms},
        {"left", OPTIONAL, &into->left},
        {"sandbox", OPTIONAL, &into->sandbox},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!read_number(object, rows[i].key, rows[i].need, (struct range){0, MEASURE_MAX},
                         rows[i].into)) {
            return false;
        }
    }
    return true;
}

static bool is_of(const json_t *object, const char *name) {
    int64_t version = 0;
    const char *found = text_of(object, "name");
    return found != NULL && (name == NULL || strcmp(found, name) == 0) &&
           read_number(object, "v", REQUIRED, (struct range){1, INT_MAX}, &version);
}

bool spool_exit_parse(struct bytes json, const char *name, struct spool_exit *ret_exit) {
    /* The line feed is the last byte that is written: without it, something is missing. */
    if (json.len == 0 || json.len > PROTOCOL_EXIT_SIZE || json.data[json.len - 1] != '\n') {
        return false;
    }
    AUTO(json_release) json_t *object = NULL;
    struct err err = json_parse(json.data, json.len, EXIT_DEPTH_MAX, &object, NULL /* why */);
    if (err_failed(err) || !json_is_object(object)) {
        return false;
    }
    struct spool_exit found = {.end = EXIT_EXITED, .processes = EXIT_UNCOUNTED};
    if (!is_of(object, name) || !read_outcome(object, &found) || !read_measures(object, &found)) {
        return false;
    }
    *ret_exit = found;
    return true;
}
