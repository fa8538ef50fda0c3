/* exit.c: from exit.json to a struct. Fields that are not known here are of a later version
 * and skipped; one that is known and of another type makes the whole thing unreadable. So does an
 * `end` that is not known: that is what everything else depends on. An unknown `why` does not.
 */
#include <limits.h>

#include "base/json/json.h"
#include "proc/spool/spool.h"

enum { EXIT_DEPTH_MAX = 8, SIGNAL_MAX = 127, ERRNO_MAX = 4095, CODE_MAX = 255 };

/* Largest number of a measure. A command can write the file itself; measures within the bound can
 * still be added to each other and to a time. */
#define MEASURE_MAX (INT64_C(1) << 53)

/* False: absent, no text, or one with a NUL in it. */
static bool exit_text(const json_t *object, const char *key, struct bytes *ret_text) {
    *ret_text = json_bytes(object, key);
    return json_is_string(json_object_get(object, key)) &&
           memchr(ret_text->data, '\0', ret_text->len) == NULL;
}

struct exit_number {
    const char *key;
    bool required;
    int64_t max;
    int64_t *into; /* Borrowed. */
};

static bool exit_numbers(const json_t *object, const struct exit_number *rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, rows[i].key);
        if (value == NULL && !rows[i].required) {
            continue;
        }
        int64_t number = json_is_integer(value) ? json_integer_value(value) : -1;
        if (number < 0 || number > rows[i].max) {
            return false;
        }
        *rows[i].into = number;
    }
    return true;
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

    struct spool_exit exit = {.processes = EXIT_UNCOUNTED};
    struct bytes text;
    unsigned end = 0, why = EXIT_ITSELF;
    if (!exit_text(object, "name", &text) || (name != NULL && !bytes_is(text, name)) ||
        !exit_text(object, "end", &text) || !bytes_find(text, exit_end_words(), &end) ||
        !exit_text(object, "why", &text)) {
        return false;
    }
    (void)bytes_find(text, exit_why_words(), &why); /* As said above. */
    exit.end = (enum exit_end)end;
    exit.why = (enum exit_why)why;

    /* What belongs to this kind of end must be there. */
    bool exited = end == EXIT_EXITED, not_started = end == EXIT_NOT_STARTED;
    int64_t version = 0, code = 0, signal = 0, os = 0;
    const struct exit_number numbers[] = {
        {"v", true, INT_MAX, &version},
        {"code", exited, CODE_MAX, &code},
        {"signal", end == EXIT_SIGNALED, SIGNAL_MAX, &signal},
        {"errno", not_started, ERRNO_MAX, &os},
        {"out", true, MEASURE_MAX, &exit.out},
        {"err", true, MEASURE_MAX, &exit.err},
        {"pty", true, MEASURE_MAX, &exit.pty},
        {"in", true, MEASURE_MAX, &exit.in},
        {"cpu_us", false, MEASURE_MAX, &exit.cpu_us},
        {"memory_kb", false, MEASURE_MAX, &exit.memory_kb},
        {"processes", false, MEASURE_MAX, &exit.processes},
        {"started_ms", false, MEASURE_MAX, &exit.started_ms},
        {"ended_ms", false, MEASURE_MAX, &exit.ended_ms},
        {"left", false, MEASURE_MAX, &exit.left},
        {"sandbox", false, MEASURE_MAX, &exit.sandbox},
    };
    if (!exit_numbers(object, numbers, COUNT_OF(numbers)) || version == 0) {
        return false;
    }
    if (not_started || json_object_get(object, "step") != NULL) {
        if (!exit_text(object, "step", &text) || text.len >= sizeof exit.step) {
            return false;
        }
        memcpy(exit.step, text.data, text.len);
    }
    exit.code = (int)code;
    exit.signal = (int)signal;
    exit.os = (int)os;
    *ret_exit = exit;
    return true;
}
