/* deltas.c: the text that models send, one store function per turn at a time.
 *
 * The pending text of a source is a run of records, in order: a byte for the channel, four bytes
 * for the length, the text. Neighbours of one channel become one record while they fit one event,
 * so a thousand tokens that come while the disk syncs are one row.
 *
 * Each source has at most one write of its own under way. Several writes share one commit because
 * the store groups what is queued, never because one function holds the text of several turns: a
 * function fails as a whole, and one session that cannot be written would stop all others (P10). */
#include "dispatch/turn/deltas.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/turn/turns.h"
#include "journal/journal.h"

enum {
    HEAD = 5,
    RETRY_FIRST_MS = 100,
    RETRY_MAX_MS = 5000,
    AWAY_MAX = 128,        /* Writes in the store at once. */
    WRITE_BYTES = 1 << 20, /* Bytes of text that one store function takes, */
    WRITE_EVENTS = 250,    /* and events: each writes its own row and its stream's. */
};

enum write_state { WRITE_AWAY, WRITE_PAUSING };

/* The text of one source on its way. Owns copies, since the turn may end while they are written. */
struct delta_write {
    struct deltas *deltas;
    struct delta_write *prev, *next; /* In `writes`. */
    struct delta_source *source;     /* Borrowed; NULL: the turn is gone. */
    struct delta_place place;        /* Borrows `names`. */
    char *names;                     /* Owned. */
    char *records;                   /* Owned. */
    size_t len;
    bool cut; /* The source had more text than one store function takes. */
    uint64_t begun_ns;
    enum write_state state;
    unsigned tries; /* Failed ones, in a row. */
    struct effect effect;
    struct timer timer;
};

struct deltas {
    struct deltas_options options;
    struct delta_source *first, *last; /* Borrowed: those with text and no write, oldest first. */
    struct delta_write *writes;        /* Owned. */
    size_t away;                       /* Writes in the store. */
    struct timer timer;
    bool waiting, stopping;
    struct deltas_stats stats;
};

/* The event of each, and what it says of its channel. */
static const struct {
    struct bytes type;
    const char *channel;
} kinds[DELTA_CHANNELS] = {
    [DELTA_TEXT] = {BYTES_INIT("delta"), "text"},
    [DELTA_THINKING] = {BYTES_INIT("thinking_delta"), "thinking"},
    [DELTA_WITHDRAWN] = {BYTES_INIT("output_discarded"), "status"},
};

/* --- Writing ---------------------------------------------------------------------------------- */

struct record {
    enum delta_channel channel;
    struct bytes text;
};

static struct record record_at(const char *at) {
    uint32_t len = 0;
    memcpy(&len, at + 1, sizeof len);
    return (struct record){.channel = (enum delta_channel)at[0], .text = {at + HEAD, len}};
}

static void add_text(struct text *text, const char *name, struct bytes value) {
    text_add_str(text, name);
    text_add_json(text, value.data, value.len);
}

static struct err append(struct tx *tx, const struct delta_place *place,
                         const struct record *record) {
    AUTO(text_done) struct text data;
    text_init(&data, EVENT_DATA_MAX);
    add_text(&data, "{\"run\":", place->run);
    add_text(&data, ",\"message\":", place->message);
    text_add_str(&data, ",\"step\":");
    text_add_int(&data, place->step);
    text_add_str(&data, ",\"channel\":\"");
    text_add_str(&data, kinds[record->channel].channel);
    text_add_char(&data, '"');
    if (record->channel != DELTA_WITHDRAWN) {
        add_text(&data, ",\"text\":", record->text);
    } else if (record->text.len > 0) {
        text_add_char(&data, ',');
        text_add(&data, record->text.data, record->text.len);
    }
    text_add_char(&data, '}');
    if (text_failed(&data)) {
        return text_error(&data, "deltas: event");
    }
    const struct append what = {.owner = place->owner,
                                .stream = place->stream,
                                .type = kinds[record->channel].type,
                                .data = {data.data, data.len}};
    struct appended appended;
    return tx_append(tx, &what, &appended);
}

static struct err tell_meter(struct tx *tx, const struct delta_place *place,
                             const struct record *record) {
    struct delta_meter meter;
    assert(record->text.len == sizeof meter);
    memcpy(&meter, record->text.data, sizeof meter);
    const struct turn_meter what = {.run = place->run,
                                    .step = place->step,
                                    .usage = meter.usage,
                                    .cost = meter.cost,
                                    .window = meter.window};
    return tx_turn_meter(tx, &what);
}

static struct err tell_provider(struct tx *tx, const struct delta_place *place,
                                const struct record *record) {
    struct provider_wait wait;
    assert(record->text.len == sizeof wait);
    memcpy(&wait, record->text.data, sizeof wait);
    return tx_turn_provider(tx, place->run, place->step, &wait);
}

static struct err write_record(struct tx *tx, const struct delta_place *place,
                               const struct record *record) {
    switch (record->channel) {
    case DELTA_METER:
        return tell_meter(tx, place, record);
    case DELTA_PROVIDER:
        return tell_provider(tx, place, record);
    default:
        return append(tx, place, record);
    }
}

static struct err write_tx(struct tx *tx, void *ctx) {
    const struct delta_write *write = ctx;
    bool gone = false; /* Cleared or deleted while the text was on its way: it is dropped. */
    struct err err = tx_message_gone(tx, write->place.message, &gone);
    for (size_t at = 0; at < write->len && !gone && !err_failed(err);) {
        struct record record = record_at(write->records + at);
        err = write_record(tx, &write->place, &record);
        at += HEAD + record.text.len;
    }
    return err;
}

static void write_free(struct delta_write *write) {
    struct deltas *deltas = write->deltas;
    *(write->prev == NULL ? &deltas->writes : &write->prev->next) = write->next;
    if (write->next != NULL) {
        write->next->prev = write->prev;
    }
    timer_stop(deltas->options.loop, &write->timer);
    effect_done(&write->effect);
    mem_free(write->names);
    mem_free(write->records);
    mem_free(write);
}

static void deltas_arm(struct deltas *deltas, uint64_t wait_ms);
static void source_begin_write(struct delta_source *source);
static void source_enlist(struct delta_source *source);

static void source_tell_flushed(struct delta_source *source) {
    void (*flushed)(struct delta_source *) = source->flushed;
    if (flushed != NULL && source->writing == NULL && source->text.len == 0) {
        source->flushed = NULL;
        flushed(source);
    }
}

/* From the begin of one write to that of the next: text that came meanwhile has waited already. */
static uint64_t write_rest_ms(const struct delta_write *write) {
    const struct world *world = loop_world(write->deltas->options.loop);
    uint64_t took_ms = (world_mono_ns(world) - write->begun_ns) / 1000000;
    return took_ms >= DELTAS_WAIT_MS ? 0 : DELTAS_WAIT_MS - took_ms;
}

/* `cut`: the write had no room for all that was there. */
static void source_written(struct delta_source *source, uint64_t rest_ms, bool cut) {
    struct deltas *deltas = source->deltas;
    source->writing = NULL;
    if (source->text.len == 0) {
        source_tell_flushed(source);
    } else if (cut || source->flushed != NULL) {
        source_begin_write(source);
    } else {
        source_enlist(source);
        deltas_arm(deltas, rest_ms);
    }
}

static void write_send(struct delta_write *write);

static void write_again(struct timer *timer) {
    write_send(CONTAINER_OF(timer, struct delta_write, timer));
}

/* Only this turn waits: the writes of the others are store functions of their own. */
static void write_failed(struct delta_write *write, struct err err) {
    struct deltas *deltas = write->deltas;
    if (write->tries == 0 && deltas->options.failed != NULL) {
        deltas->options.failed(deltas->options.ctx,
                               "the text of a turn could not be stored; it is tried again",
                               write->place.run, err);
    }
    uint64_t wait_ms = (uint64_t)RETRY_FIRST_MS << (write->tries < 6 ? write->tries : 6);
    write->tries++;
    effect_failed(&write->effect, err);
    deltas->stats.retries++;
    timer_start(deltas->options.loop, &write->timer,
                wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS, write_again);
}

/* The message gets the whole text with the end of its call; where that fails too, the turn ends. */
static void write_give_up(struct delta_write *write, struct err err) {
    struct deltas *deltas = write->deltas;
    if (write->source != NULL && deltas->options.failed != NULL) {
        deltas->options.failed(deltas->options.ctx,
                               "the text of a turn could not be stored: its stream lacks a piece",
                               write->place.run, err);
    }
}

static void write_done(struct err err, void *ctx) {
    struct delta_write *write = ctx;
    struct deltas *deltas = write->deltas;
    struct delta_source *source = write->source;
    write->state = WRITE_PAUSING;
    assert(deltas->away > 0);
    deltas->away--;
    if (deltas->stopping) {
        return; /* deltas_close frees it. */
    }
    if (err_failed(err) && source != NULL && !effect_is_hopeless(write->tries + 1, err)) {
        write_failed(write, err);
    } else {
        uint64_t rest_ms = write_rest_ms(write);
        bool cut = write->cut;
        deltas->stats.commits += !err_failed(err);
        if (err_failed(err)) {
            write_give_up(write, err);
        }
        write_free(write);
        if (source != NULL) {
            source_written(source, rest_ms, cut);
        }
    }
    if (deltas->first != NULL) { /* There is room for a source that found none. */
        deltas_arm(deltas, DELTAS_WAIT_MS);
    }
}

static void write_send(struct delta_write *write) {
    struct deltas *deltas = write->deltas;
    write->state = WRITE_AWAY;
    deltas->away++;
    effect_begin(deltas->options.effects, &write->effect, "store the text of a turn");
    write->begun_ns = world_mono_ns(loop_world(deltas->options.loop));
    store_write(deltas->options.store, write_tx, write_done, write);
}

/* --- Collecting ------------------------------------------------------------------------------- */

static void source_unlist(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    if (!source->listed) {
        return;
    }
    *(source->prev == NULL ? &deltas->first : &source->prev->next) = source->next;
    *(source->next == NULL ? &deltas->last : &source->next->prev) = source->prev;
    source->prev = source->next = NULL;
    source->listed = false;
}

static void source_enlist(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    if (source->listed) {
        return;
    }
    source->prev = deltas->last;
    *(deltas->last == NULL ? &deltas->first : &deltas->last->next) = source;
    deltas->last = source;
    source->listed = true;
}

/* The names of a place in memory of their own. */
static void place_copy(struct delta_write *write, const struct delta_place *place) {
    const struct bytes *const from[] = {&place->owner, &place->stream, &place->run,
                                        &place->message};
    struct bytes *const to[] = {&write->place.owner, &write->place.stream, &write->place.run,
                                &write->place.message};
    size_t len = 1;
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        len += from[i]->len;
    }
    write->names = mem_new(len);
    write->place.step = place->step;
    char *at = write->names;
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        memcpy(at, from[i]->data, from[i]->len);
        *to[i] = (struct bytes){at, from[i]->len};
        at += from[i]->len;
    }
}

/* Bytes of the pending text that one store function takes: whole records, and one at least. */
static size_t source_fitting(const struct delta_source *source) {
    size_t at = 0, bytes = 0, events = 0;
    while (at < source->text.len && bytes < WRITE_BYTES && events < WRITE_EVENTS) {
        size_t len = HEAD + record_at(source->text.data + at).text.len;
        at += len;
        bytes += len;
        events++;
    }
    return at;
}

/* The text that has no room in the write stays pending. */
static void source_begin_write(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    struct delta_write *write = mem_new(sizeof *write);
    size_t len = source_fitting(source), whole = 0;
    write->deltas = deltas;
    write->next = deltas->writes;
    if (write->next != NULL) {
        write->next->prev = write;
    }
    deltas->writes = write;
    write->source = source;
    write->records = text_take(&source->text, &whole);
    write->len = len;
    write->cut = len < whole;
    place_copy(write, &source->place);
    source_unlist(source);
    source->writing = write;
    text_init(&source->text, DELTAS_HELD_MAX);
    if (write->cut) {
        text_add(&source->text, write->records + len, whole - len);
        source->last -= len;
    }
    write_send(write);
}

static void on_timer(struct timer *timer) {
    struct deltas *deltas = CONTAINER_OF(timer, struct deltas, timer);
    deltas->waiting = false;
    while (deltas->first != NULL && deltas->away < AWAY_MAX) {
        source_begin_write(deltas->first);
    }
}

static void deltas_arm(struct deltas *deltas, uint64_t wait_ms) {
    if (!deltas->waiting) {
        deltas->waiting = true;
        timer_start(deltas->options.loop, &deltas->timer, wait_ms, on_timer);
    }
}

void deltas_begin(struct deltas *deltas, struct delta_source *source,
                  const struct delta_place *place) {
    *source = (struct delta_source){.deltas = deltas, .place = *place};
    text_init(&source->text, DELTAS_HELD_MAX);
}

static void add_record(struct delta_source *source, enum delta_channel channel,
                       struct bytes piece) {
    struct text *text = &source->text;
    source->last = text->len;
    const char head = (char)channel;
    const uint32_t len = (uint32_t)piece.len;
    text_add(text, &head, 1);
    text_add(text, (const char *)&len, sizeof len);
    text_add(text, piece.data, piece.len);
}

static bool merge(struct delta_source *source, enum delta_channel channel, struct bytes piece) {
    struct text *text = &source->text;
    size_t at = source->last;
    if (text->len == 0) {
        return false;
    }
    struct record last = record_at(text->data + at);
    if (last.channel != channel || last.text.len + piece.len > DELTAS_EVENT_MAX) {
        return false;
    }
    const uint32_t len = (uint32_t)(last.text.len + piece.len);
    text_add(text, piece.data, piece.len);
    if (!text_failed(text)) {
        memcpy(text->data + at + 1, &len, sizeof len);
    }
    return true;
}

static void source_collect(struct delta_source *source) {
    if (source->writing == NULL) {
        source_enlist(source);
        deltas_arm(source->deltas, DELTAS_WAIT_MS);
    }
}

void deltas_add(struct delta_source *source, enum delta_channel channel, struct bytes piece) {
    struct deltas *deltas = source->deltas;
    if (deltas->stopping) {
        return;
    }
    deltas->stats.pieces++;
    while (piece.len > 0) {
        size_t len = piece.len <= DELTAS_EVENT_MAX ? piece.len : utf8_cut(piece, DELTAS_EVENT_MAX);
        const struct bytes part = {piece.data, len};
        if (!merge(source, channel, part)) {
            add_record(source, channel, part);
            deltas->stats.events++;
        }
        piece = (struct bytes){piece.data + len, piece.len - len};
    }
    source_collect(source);
}

void deltas_meter(struct delta_source *source, const struct delta_meter *meter) {
    if (!source->deltas->stopping) {
        add_record(source, DELTA_METER, (struct bytes){(const char *)meter, sizeof *meter});
        source->deltas->stats.events++;
        source_collect(source);
    }
}

void deltas_provider(struct delta_source *source, const struct provider_wait *wait) {
    if (!source->deltas->stopping) {
        add_record(source, DELTA_PROVIDER, (struct bytes){(const char *)wait, sizeof *wait});
        source->deltas->stats.events++;
        source_collect(source);
    }
}

/* Drops text that was not sent, which needs no event. Changes of the run's row are kept. */
static void source_forget_unseen(struct delta_source *source) {
    struct text *text = &source->text;
    size_t kept = 0;
    for (size_t at = 0; at < text->len;) {
        struct record record = record_at(text->data + at);
        size_t len = HEAD + record.text.len;
        if (record.channel == DELTA_PROVIDER) {
            memmove(text->data + kept, text->data + at, len);
            kept += len;
        }
        at += len;
    }
    text->len = kept;
}

void deltas_withdraw(struct delta_source *source, struct bytes members) {
    struct deltas *deltas = source->deltas;
    if (deltas->stopping) {
        return;
    }
    source_forget_unseen(source);
    add_record(source, DELTA_WITHDRAWN, members);
    source_collect(source);
}

void deltas_flush(struct delta_source *source, void (*flushed)(struct delta_source *source)) {
    source->flushed = flushed;
    if (source->text.len > 0 && source->writing == NULL && !source->deltas->stopping) {
        source_begin_write(source); /* No more text will come: there is nothing to merge. */
    }
    source_tell_flushed(source);
}

void deltas_drop(struct delta_source *source) {
    if (source->deltas == NULL) {
        return;
    }
    source_unlist(source);
    if (source->writing != NULL) {
        source->writing->source = NULL;
        if (source->writing->state == WRITE_PAUSING) {
            write_free(source->writing);
        }
    }
    text_done(&source->text);
    *source = (struct delta_source){0};
}

/* --- Life ------------------------------------------------------------------------------------- */

struct deltas *deltas_open(const struct deltas_options *options) {
    struct deltas *deltas = mem_new(sizeof *deltas);
    deltas->options = *options;
    return deltas;
}

void deltas_stop(struct deltas *deltas) {
    deltas->stopping = true;
    timer_stop(deltas->options.loop, &deltas->timer);
    for (struct delta_write *write = deltas->writes; write != NULL; write = write->next) {
        timer_stop(deltas->options.loop, &write->timer);
    }
}

void deltas_close(struct deltas *deltas) {
    if (deltas == NULL) {
        return;
    }
    assert(deltas->away == 0);
    while (deltas->first != NULL) {
        source_unlist(deltas->first);
    }
    while (deltas->writes != NULL) {
        write_free(deltas->writes);
    }
    mem_free(deltas);
}

void deltas_get_stats(const struct deltas *deltas, struct deltas_stats *ret_stats) {
    *ret_stats = deltas->stats;
}
