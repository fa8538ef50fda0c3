/* lines.c: "word: what follows" into an action. */
#include "model/scripted/lines.h"

#include <string.h>
#include <strings.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "model/model.h"

static bool is(struct bytes text, const char *word) {
    return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

static struct bytes trimmed(struct bytes text) {
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    return text;
}

/* The next word, and `rest` behind it. */
static struct bytes next_word(struct bytes *rest) {
    *rest = trimmed(*rest);
    size_t len = 0;
    while (len < rest->len && rest->data[len] != ' ' && rest->data[len] != '\t') {
        len++;
    }
    struct bytes word = {rest->data, len};
    *rest = trimmed((struct bytes){rest->data + len, rest->len - len});
    return word;
}

static char *unescaped(struct bytes text) {
    char *out = mem_copy(text.data, text.len);
    size_t to = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\\' && i + 1 < text.len && strchr("nt\\", text.data[i + 1]) != NULL) {
            i++;
            c = text.data[i] == 'n' ? '\n' : (text.data[i] == 't' ? '\t' : '\\');
        }
        out[to++] = c;
    }
    out[to] = '\0';
    return out;
}

/* "50ms", "2s", "50": milliseconds. */
static bool read_time(struct bytes word, int64_t *ret_ms) {
    int64_t unit = 1;
    if (word.len > 2 && memcmp(word.data + word.len - 2, "ms", 2) == 0) {
        word.len -= 2;
    } else if (word.len > 1 && word.data[word.len - 1] == 's') {
        word.len -= 1;
        unit = 1000;
    }
    struct number_bounds bounds = {0, SCRIPT_DELAY_MAX_MS / unit};
    if (!number_parse(word, bounds, ret_ms)) {
        return false;
    }
    *ret_ms *= unit;
    return true;
}

static bool read_call(struct bytes rest, struct script_action *action, struct why *why) {
    struct bytes name = next_word(&rest);
    if (name.len == 0) {
        why_set(why, "call: TOOL {arguments}");
        return false;
    }
    AUTO(json_release) json_t *json = NULL;
    struct why inner = {""};
    if (rest.len > 0 &&
        (err_failed(json_parse(rest.data, rest.len, JSON_DEPTH_MAX, &json, &inner)) ||
         !json_is_object(json))) {
        why_set(why, "the arguments of \"call: %.*s\" must be a JSON object: %s",
                (int)(name.len < 60 ? name.len : 60), name.data, inner.text);
        return false;
    }
    action->name = mem_copy(name.data, name.len);
    action->text = rest.len > 0 ? mem_copy(rest.data, rest.len) : mem_copy("{}", 2);
    return true;
}

static bool read_tokens(struct bytes rest, struct script_action *action, struct why *why) {
    const struct number_bounds bounds = {1, SCRIPT_TOKENS_MAX};
    struct bytes count = next_word(&rest), at = next_word(&rest), rate = next_word(&rest);
    bool fine = number_parse(count, bounds, &action->number);
    if (fine && at.len > 0) {
        fine = is(at, "at") && rate.len > 2 && memcmp(rate.data + rate.len - 2, "/s", 2) == 0;
        rate.len -= fine ? 2 : 0;
        fine = fine && number_parse(rate, bounds, &action->rate);
    }
    if (!fine) {
        why_set(why, "tokens: N, or tokens: N at R/s");
    }
    return fine;
}

static const struct {
    const char *name;
    enum model_cause cause;
    int status;
} faults[] = {
#define X(word, its_cause, its_status) {(word), MODEL_##its_cause, (its_status)},
    SCRIPT_FAULTS(X)
#undef X
};

static bool read_fault(struct bytes word, struct script_action *action) {
    int64_t status;
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        if (is(word, faults[i].name)) {
            action->cause = faults[i].cause;
            action->status = faults[i].status;
            return true;
        }
    }
    if (!number_parse(word, (struct number_bounds){400, 599}, &status)) {
        return false;
    }
    action->status = (int)status; /* What it means is asked where it fails. */
    return true;
}

static bool read_fail(struct bytes rest, struct script_action *action, struct why *why) {
    bool fine = read_fault(next_word(&rest), action);
    while (fine && rest.len > 0) {
        struct bytes word = next_word(&rest);
        int64_t number;
        if (word.len > 1 && word.data[0] == 'x') {
            word = (struct bytes){word.data + 1, word.len - 1};
            fine = number_parse(word, (struct number_bounds){1, 1000}, &number);
            action->times = fine ? (unsigned)number : 0;
        } else {
            fine = is(word, "after") && read_time(next_word(&rest), &number);
            action->after_ms = fine ? (uint64_t)number : 0;
        }
    }
    if (!fine) {
        why_set(why, "fail: a status from 400 to 599, auth, quota, overflow, refused, empty, cut, "
                     "error, json, unreachable, timeout or unknown; then xN, after 2s");
    }
    return fine;
}

static bool read_stop(struct bytes rest, struct script_action *action, struct why *why) {
    bool length = is(rest, "length");
    action->number = length ? MODEL_STOP_LENGTH : MODEL_STOP_REFUSED;
    if (!length && !is(rest, "refused")) {
        why_set(why, "stop: length, or stop: refused");
        return false;
    }
    return true;
}

static bool read_usage(struct bytes rest, struct script_action *action, struct why *why) {
    struct usage *usage = &action->usage;
    const struct {
        const char *name;
        int64_t *into;
    } counts[] = {{"fresh", &usage->fresh},
                  {"cache_read", &usage->cache_read},
                  {"cache_write", &usage->cache_write},
                  {"output", &usage->output},
                  {"reasoning", &usage->reasoning}};
    while (rest.len > 0) {
        struct bytes word = next_word(&rest);
        const char *sign = memchr(word.data, '=', word.len);
        size_t name_len = sign != NULL ? (size_t)(sign - word.data) : word.len;
        bool fine = false;
        for (size_t i = 0; i < COUNT_OF(counts) && sign != NULL; i++) {
            if (is((struct bytes){word.data, name_len}, counts[i].name)) {
                struct bytes value = {sign + 1, word.len - name_len - 1};
                const struct number_bounds bounds = {0, USAGE_TOKENS_MAX};
                fine = number_parse(value, bounds, counts[i].into);
            }
        }
        if (!fine) {
            why_set(why, "usage: fresh=N cache_read=N cache_write=N output=N reasoning=N");
            return false;
        }
    }
    return true;
}

static bool read_text(struct bytes rest, struct script_action *action, struct why *why) {
    (void)why; /* Any text is one. */
    action->text = unescaped(rest);
    return true;
}

static bool read_delay(struct bytes rest, struct script_action *action, struct why *why) {
    if (read_time(rest, &action->number)) {
        return true;
    }
    why_set(why, "delay: a time like 50ms or 2s, an hour at most");
    return false;
}

static const struct {
    const char *word;
    enum script_kind kind;
    bool (*read)(struct bytes rest, struct script_action *action, struct why *why);
} words[] = {
    {"say", SCRIPT_SAY, read_text},         {"think", SCRIPT_THINK, read_text},
    {"call", SCRIPT_CALL, read_call},       {"delay", SCRIPT_DELAY, read_delay},
    {"tokens", SCRIPT_TOKENS, read_tokens}, {"fail", SCRIPT_FAIL, read_fail},
    {"stop", SCRIPT_STOP, read_stop},       {"usage", SCRIPT_USAGE, read_usage},
};

enum script_line script_line_read(struct bytes line, struct script_action *ret_action,
                                  struct why *why) {
    line = trimmed(line);
    const char *colon = memchr(line.data, ':', line.len < 8 ? line.len : 8);
    if (colon == NULL) {
        return SCRIPT_NO_ACTION;
    }
    struct bytes word = {line.data, (size_t)(colon - line.data)};
    struct bytes rest = trimmed((struct bytes){colon + 1, line.len - word.len - 1});
    if (is(word, "step") && rest.len == 0) {
        return SCRIPT_NEXT_STEP;
    }
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (is(word, words[i].word)) {
            struct script_action action = {.kind = words[i].kind};
            if (!words[i].read(rest, &action, why)) {
                script_action_done(&action);
                return SCRIPT_BAD_LINE;
            }
            *ret_action = action;
            return SCRIPT_ACTION;
        }
    }
    return SCRIPT_NO_ACTION;
}

void script_action_done(struct script_action *action) {
    mem_free(action->text);
    mem_free(action->name);
    *action = (struct script_action){.kind = SCRIPT_SAY};
}
