/* verbs.c: see verbs.h. */
#include "proc/holder/verbs.h"

#include <string.h>

#include "base/number.h"
#include "proc/holder/custody.h"

enum { WORDS_MAX = 3 };

struct call {
    struct custody *custody;
    struct client *client;
    int64_t numbers[WORDS_MAX - 1];
};

struct verb {
    struct bytes name;
    unsigned numbers; /* Wanted behind the name; more words are a newer daemon's, and skipped. */
    bool (*run)(const struct call *call);
};

static bool run_status(const struct call *call) {
    call->client->wants_status = true;
    return true;
}

static bool run_stop(const struct call *call) {
    custody_stop(call->custody, call->numbers[0], WHY_STOPPED);
    return true;
}

static bool run_signal(const struct call *call) {
    custody_signal(call->custody, call->numbers[0]);
    return true;
}

static bool run_input(const struct call *call) {
    int64_t end;
    if (call->numbers[1] > PROTOCOL_INPUT_MAX ||
        __builtin_add_overflow(call->numbers[0], call->numbers[1], &end)) {
        return false;
    }
    call->client->payload_at = call->numbers[0];
    call->client->payload_left = call->numbers[1];
    return true;
}

static bool run_input_end(const struct call *call) {
    input_finish(&call->custody->input, call->numbers[0]);
    return true;
}

static bool run_resize(const struct call *call) {
    if (call->numbers[0] > UINT16_MAX || call->numbers[1] > UINT16_MAX) {
        return false;
    }
    custody_resize(call->custody, (struct order_size){(unsigned short)call->numbers[0],
                                                      (unsigned short)call->numbers[1]});
    return true;
}

static bool run_keep(const struct call *call) {
    call->client->keeps = true;
    return true;
}

static bool run_bye(const struct call *call) {
    call->client->keeps = false;
    return true;
}

static const struct verb verbs[] = {
    {BYTES_INIT("status"), 0, run_status},       {BYTES_INIT("stop"), 1, run_stop},
    {BYTES_INIT("signal"), 1, run_signal},       {BYTES_INIT("input"), 2, run_input},
    {BYTES_INIT("input_end"), 1, run_input_end}, {BYTES_INIT("resize"), 2, run_resize},
    {BYTES_INIT("keep"), 0, run_keep},           {BYTES_INIT("bye"), 0, run_bye},
};

static const struct verb *find_verb(struct bytes name) {
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (bytes_equal(verbs[i].name, name)) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* The first word of *line, which goes on behind the blank. */
static struct bytes next_word(struct bytes *line) {
    const char *blank = memchr(line->data, ' ', line->len);
    size_t len = blank == NULL ? line->len : (size_t)(blank - line->data);
    struct bytes word = {line->data, len};
    size_t used = blank == NULL ? len : len + 1;
    *line = (struct bytes){line->data + used, line->len - used};
    return word;
}

bool verbs_line(struct custody *custody, struct client *client, struct bytes line) {
    const struct verb *verb = find_verb(next_word(&line));
    if (verb == NULL) {
        return true;
    }
    struct call call = {.custody = custody, .client = client};
    for (unsigned i = 0; i < verb->numbers; i++) {
        const struct number_bounds natural = {0, INT64_MAX};
        if (!number_parse(next_word(&line), natural, &call.numbers[i])) {
            return false;
        }
    }
    return verb->run(&call);
}

void verbs_payload(struct custody *custody, struct client *client, struct bytes bytes) {
    /* After a gap, the rest of this one is a gap, too: it is skipped, and asked for again. */
    if (input_take(&custody->input, client->payload_at, bytes) == INPUT_GAP) {
        client->wants_gap = true;
    }
    client->payload_at += (int64_t)bytes.len;
    client->payload_left -= (int64_t)bytes.len;
}
