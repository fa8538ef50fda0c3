/* logs.c: which log is meant. */
#include "api/job/logs.h"

#include <stdio.h>
#include <string.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "journal/journal.h"

/* --- The request ------------------------------------------------------------------------------ */

static struct err stream_read(struct bytes name, struct log_target *target, struct why *why) {
    for (int stream = 0; stream < LOG_STREAMS; stream++) {
        const char *known = log_stream_name((enum log_stream)stream);
        if (bytes_is(name, known)) {
            target->has_stream = true;
            target->stream = (enum log_stream)stream;
            return ERR_OK;
        }
    }
    return err_why(why, ERR_BAD_QUERY, "query parameter 'stream' must be one of out, err, pty");
}

static void copy_text(char *to, size_t size, struct bytes from) {
    assert(from.len < size);
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

bool log_spot_parse(struct bytes id, struct log_spot *ret_spot) {
    static const struct number_bounds attempts = {1, LOGS_ATTEMPT_MAX}, offsets = {0, INT64_MAX};
    struct log_spot spot = {.attempt = LOG_ATTEMPT_LATEST};
    const char *point = id.len == 0 ? NULL : memchr(id.data, '.', id.len);
    if (point != NULL) {
        size_t len = (size_t)(point - id.data);
        if (!number_parse((struct bytes){id.data, len}, attempts, &spot.attempt)) {
            return false;
        }
        id = (struct bytes){point + 1, id.len - len - 1};
    }
    if (!number_parse(id, offsets, &spot.offset)) {
        return false;
    }
    *ret_spot = spot;
    return true;
}

/* `name` is that of what the client sent the id in. */
static struct err spot_take(struct bytes id, const char *name, struct log_target *target,
                            struct why *why) {
    struct log_spot spot;
    if (!log_spot_parse(id, &spot)) {
        return err_why(why, ERR_BAD_CURSOR,
                       "%s: not the id of an event of this log: ATTEMPT.OFFSET, or OFFSET", name);
    }
    if (target->named && spot.attempt != LOG_ATTEMPT_LATEST && spot.attempt != target->attempt) {
        return err_why(why, ERR_BAD_CURSOR, "%s is of attempt %lld, and 'attempt' says %lld", name,
                       (long long)spot.attempt, (long long)target->attempt);
    }
    target->attempt = spot.attempt != LOG_ATTEMPT_LATEST ? spot.attempt : target->attempt;
    target->offset = spot.offset;
    return ERR_OK;
}

/* A browser that reconnects sends its first URL again and the newer cursor in Last-Event-ID. */
static struct err offset_read(const struct exchange *exchange, enum log_way way,
                              struct log_target *target, struct why *why) {
    struct bytes id = {0};
    target->offset = param_number(exchange, "offset");
    if (way == LOG_FOLLOWED && exchange_header(exchange, "last-event-id", &id) && id.len > 0) {
        return spot_take(id, "Last-Event-ID", target, why);
    }
    return param_given(exchange, "after")
               ? spot_take(param_text(exchange, "after"), "after", target, why)
               : ERR_OK;
}

struct err log_target_read(struct request *request, enum log_way way,
                           struct log_target *ret_target) {
    const struct exchange *exchange = request->op.exchange;
    struct why *why = &request->op.why;
    struct log_target target = {.exit_code = LOG_NO_EXIT_CODE, .bounds = request->bounds};
    struct err err = ERR_OK;
    if (param_given(exchange, "stream")) {
        err = stream_read(param_text(exchange, "stream"), &target, why);
    }
    target.named = param_given(exchange, "attempt");
    target.attempt = target.named ? param_number(exchange, "attempt") : LOG_ATTEMPT_LATEST;
    if (!err_failed(err) && way != LOG_SEARCHED) {
        if (param_given(exchange, "encoding") &&
            !bytes_is(param_text(exchange, "encoding"), "base64")) {
            return err_why(why, ERR_BAD_QUERY, "query parameter 'encoding' can only be base64");
        }
        err = offset_read(exchange, way, &target, why);
    }
    copy_text(target.run, sizeof target.run, request->key.id);
    copy_text(target.owner, sizeof target.owner, request->key.owner);
    text_init(&target.spec, RUN_SPEC_MAX);
    *ret_target = target;
    return err;
}

void log_target_done(struct log_target *target) {
    text_done(&target->spec);
}

/* --- The row ---------------------------------------------------------------------------------- */

static struct err head_find(struct tx *tx, struct log_target *target) {
    char name[ID_SIZE + 4];
    int len = snprintf(name, sizeof name, "run:%s", target->run);
    assert(len > 0 && (size_t)len < sizeof name);
    bool found = false;
    struct stream_state state = {0};
    struct err err = tx_stream_find(tx, bytes_of(target->owner), (struct bytes){name, (size_t)len},
                                    &found, &state);
    target->head = found ? state.head : 0;
    return err;
}

/* Whoever was told an offset of one attempt would miss the rest of it in the next. */
static struct err spot_of_one(const struct log_target *target, int64_t attempts, struct why *why) {
    if (target->attempt != LOG_ATTEMPT_LATEST || target->offset <= 0 || attempts <= 1) {
        return ERR_OK;
    }
    return err_why(
        why, ERR_BAD_CURSOR,
        "offset %lld could be of any of %lld attempts: name one with 'attempt', or send the "
        "whole id of an event, ATTEMPT.OFFSET",
        (long long)target->offset, (long long)attempts);
}

struct err log_look(struct tx *tx, struct log_target *target, struct why *why) {
    const struct run_key key = {bytes_of(target->owner), bytes_of(target->run)};
    bool found = false;
    struct run_row row = {0};
    text_clear(&target->spec);
    struct err err = tx_run_find_shown(tx, &key, &found, &row);
    if (err_failed(err)) {
        return err;
    }
    if (!found || row.kind != KIND_JOB) {
        return runs__absent(why);
    }
    if (target->attempt > (row.attempt > 0 ? row.attempt : 1)) {
        return err_why(why, ERR_NOT_FOUND, "attempt: there have been %lld so far",
                       (long long)row.attempt);
    }
    const struct run_output output = {
        .row = &row,
        .attempt = target->attempt == LOG_ATTEMPT_LATEST ? row.attempt : target->attempt};
    err = tx_run_check_output(tx, &output, &target->bounds, why);
    if (!err_failed(err)) {
        err = spot_of_one(target, row.attempt, why);
    }
    if (err_failed(err)) {
        return err;
    }
    target->latest = row.attempt;
    target->state = row.state;
    target->cause = row.cause;
    target->exit_code = row.exit_code;
    target->began = row.attempt > row.unbegun &&
                    !(row.attempt == output.attempt && row.cause == CAUSE_NOT_STARTED);
    if (!target->has_stream) {
        text_add(&target->spec, row.spec.data, row.spec.len);
    }
    return text_failed(&target->spec) ? text_error(&target->spec, "logs: spec")
                                      : head_find(tx, target);
}

static bool wants_terminal(const struct text *spec) {
    AUTO(json_release) json_t *json = NULL;
    struct err err =
        json_parse_wrapped((struct bytes){spec->data, spec->len}, &json, NULL /* no words */);
    if (err_failed(err)) {
        return false; /* It was accepted once; whatever it is now has no terminal. */
    }
    const json_t *pty = json_object_get(json, "pty");
    return pty != NULL && !json_is_false(pty);
}

void log_target_resolve(struct log_target *target) {
    if (target->attempt == LOG_ATTEMPT_LATEST) {
        target->attempt = target->latest > 0 ? target->latest : 1;
    }
}

void log_target_settle(struct log_target *target) {
    log_target_resolve(target);
    if (!target->has_stream) {
        target->stream = target->spec.len > 0 && wants_terminal(&target->spec) ? LOG_PTY : LOG_OUT;
        target->has_stream = true;
    }
    text_done(&target->spec);
    text_init(&target->spec, RUN_SPEC_MAX);
}

struct err log_target_check(const struct log_target *target, const struct spool *spool,
                            struct why *why) {
    char name[PROTOCOL_NAME_MAX];
    int64_t changed_s = 0;
    log_name(target, name);
    bool told = target->cause == CAUSE_OUTPUT_GONE && target->attempt == target->latest;
    bool gone = told || (target->began && log_ended(target) &&
                         spool_changed_s(spool, name, &changed_s).code == ERR_NOT_FOUND);
    if (!gone) {
        return ERR_OK;
    }
    return err_why(why, ERR_OUTPUT_GONE,
                   "the folder spool/%s of the data directory was removed, and the output with it",
                   name);
}

/* A run that waits for its next attempt has ended the one before. */
bool log_ended(const struct log_target *target) {
    return run_state_final(target->state) || target->attempt < target->latest ||
           (target->state == RUN_QUEUED && target->attempt == target->latest);
}

void log_name(const struct log_target *target, char ret_name[PROTOCOL_NAME_MAX]) {
    int len =
        snprintf(ret_name, PROTOCOL_NAME_MAX, "%s.%lld", target->run, (long long)target->attempt);
    assert(len > 0 && len < PROTOCOL_NAME_MAX);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct err log_read_stretch(const struct spool *spool, const struct log_place *place, char *buffer,
                            size_t size, struct log_stretch *ret_stretch) {
    struct log_stretch stretch = {.offset = place->offset, .hole_from = place->offset};
    struct log_place at = *place;
    while (stretch.len < size) {
        struct log_read read = {0};
        struct err err =
            spool_log_read(spool, &at, buffer + stretch.len, size - stretch.len, &read);
        if (err_failed(err)) {
            return err;
        }
        stretch.size = read.size;
        if (stretch.len > 0 && read.offset != at.offset) {
            stretch.hole_after = true;
            break;
        }
        if (stretch.len == 0) {
            stretch.offset = read.offset;
            stretch.hole_from = read.hole_from;
        }
        if (read.len == 0) {
            break;
        }
        stretch.len += read.len;
        at.offset = read.offset + (int64_t)read.len;
    }
    *ret_stretch = stretch;
    return ERR_OK;
}

struct err log_spot_check(struct log_spot spot, int64_t size, struct why *why) {
    if (spot.offset <= size) {
        return ERR_OK;
    }
    return err_why(why, ERR_CURSOR_AHEAD,
                   "offset %lld is ahead of the log of attempt %lld, which has %lld bytes",
                   (long long)spot.offset, (long long)spot.attempt, (long long)size);
}

struct err log_offset_settle(const struct spool *spool, struct log_place *place) {
    if (place->offset >= 0) {
        return ERR_OK;
    }
    char none[1];
    struct log_read read = {0};
    const struct log_place end = {
        .name = place->name, .stream = place->stream, .offset = INT64_MAX};
    struct err err = spool_log_read(spool, &end, none, sizeof none, &read);
    if (!err_failed(err)) {
        place->offset = read.size + place->offset > 0 ? read.size + place->offset : 0;
    }
    return err;
}
