/* deltas.c: pieces collect per turn, and go together.
 *
 * What waits of a source is a run of records, in order: a byte for the channel, four bytes for the
 * length, the text. Neighbours of one channel become one record while they fit one event, so a
 * thousand tokens that come while the disk syncs are one row. */
#include "dispatch/deltas.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/turns.h"
#include "journal/journal.h"

enum {
    HEAD = 5,
    RETRY_FIRST_MS = 100,
    RETRY_MAX_MS = 5000,
    SOURCES_MAX = 128,     /* Turns whose pieces one transaction takes, */
    BATCH_BYTES = 1 << 20, /* and nothing more when it has this much, */
    BATCH_EVENTS = 250,    /* or so many: each writes its own row and its stream's. */
};

/* One source's part of a batch; owns copies, since a turn may go while its text is written. */
struct delta_part {
    struct delta_source *source; /* Borrowed; NULL: gone. */
    struct delta_place place;    /* Borrows `names`. */
    char *names;                 /* Owned. */
    char *records;               /* Owned. */
    size_t len;
};

struct delta_batch {
    struct deltas *deltas;
    uint64_t begun_ns;
    bool full; /* More waited than it took. */
    size_t count;
    struct delta_part parts[SOURCES_MAX];
};

struct deltas {
    struct deltas_options options;
    struct delta_source *first, *last; /* Borrowed: those with something to write, oldest first. */
    struct timer timer;
    struct delta_batch *batch; /* Owned; on its way, or to be tried again. */
    unsigned tries;
    bool away, waiting, stopping;
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
        return err_make(ERR_OUT_OF_MEMORY, "deltas: event");
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

static struct err batch_tx(struct tx *tx, void *ctx) {
    const struct delta_batch *batch = ctx;
    for (size_t i = 0; i < batch->count; i++) {
        const struct delta_part *part = &batch->parts[i];
        bool gone = false; /* The conversation was cleared while this was on its way. */
        struct err err = tx_message_gone(tx, part->place.message, &gone);
        if (err_failed(err)) {
            return err;
        }
        for (size_t at = 0; at < part->len && !gone;) {
            struct record record = record_at(part->records + at);
            err = record.channel == DELTA_METER ? tell_meter(tx, &part->place, &record)
                                                : append(tx, &part->place, &record);
            if (err_failed(err)) {
                return err;
            }
            at += HEAD + record.text.len;
        }
    }
    return ERR_OK;
}

static void batch_free(struct delta_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        mem_free(batch->parts[i].names);
        mem_free(batch->parts[i].records);
    }
    mem_free(batch);
}

static void arm(struct deltas *deltas, uint64_t wait_ms);

static void tell_flushed(struct delta_source *source) {
    void (*flushed)(struct delta_source *) = source->flushed;
    if (flushed != NULL && source->writing == NULL && source->text.len == 0) {
        source->flushed = NULL;
        flushed(source);
    }
}

/* What is told may drop any source, so each is looked up in the batch when its turn comes. */
static void batch_written(struct delta_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        struct delta_source *source = batch->parts[i].source;
        if (source != NULL) {
            source->writing = NULL;
        }
    }
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->parts[i].source != NULL) {
            tell_flushed(batch->parts[i].source);
        }
    }
}

/* From one batch's begin to the next one's: what came while it was written has waited already. */
static uint64_t rest_of_wait(const struct delta_batch *batch) {
    const struct world *world = loop_world(batch->deltas->options.loop);
    uint64_t took_ms = (world_mono_ns(world) - batch->begun_ns) / 1000000;
    return batch->full || took_ms >= DELTAS_WAIT_MS ? 0 : DELTAS_WAIT_MS - took_ms;
}

static void batch_done(struct err err, void *ctx) {
    struct delta_batch *batch = ctx;
    struct deltas *deltas = batch->deltas;
    deltas->away = false;
    if (deltas->stopping) {
        return; /* deltas_close ends it. */
    }
    if (err_failed(err)) {
        if (deltas->tries == 0 && deltas->options.failed != NULL) {
            deltas->options.failed(deltas->options.ctx,
                                   "what models say could not be stored; it is tried again", err);
        }
        uint64_t wait_ms = (uint64_t)RETRY_FIRST_MS << (deltas->tries < 6 ? deltas->tries : 6);
        deltas->tries++;
        deltas->stats.retries++;
        arm(deltas, wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
        return;
    }
    deltas->tries = 0;
    deltas->stats.commits++;
    batch_written(batch);
    uint64_t wait_ms = rest_of_wait(batch);
    deltas->batch = NULL;
    batch_free(batch);
    if (deltas->first != NULL && !deltas->waiting) {
        arm(deltas, wait_ms);
    }
}

/* --- Collecting ------------------------------------------------------------------------------- */

static void unlist(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    if (!source->listed) {
        return;
    }
    *(source->prev == NULL ? &deltas->first : &source->prev->next) = source->next;
    *(source->next == NULL ? &deltas->last : &source->next->prev) = source->prev;
    source->prev = source->next = NULL;
    source->listed = false;
}

static void enlist(struct delta_source *source) {
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
static void place_copy(struct delta_part *part, const struct delta_place *place) {
    const struct bytes *const from[] = {&place->owner, &place->stream, &place->run,
                                        &place->message};
    struct bytes *const to[] = {&part->place.owner, &part->place.stream, &part->place.run,
                                &part->place.message};
    size_t len = 1;
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        len += from[i]->len;
    }
    part->names = mem_new(len);
    part->place.step = place->step;
    char *at = part->names;
    for (size_t i = 0; i < COUNT_OF(from); i++) {
        memcpy(at, from[i]->data, from[i]->len);
        *to[i] = (struct bytes){at, from[i]->len};
        at += from[i]->len;
    }
}

/* What a batch has in it. */
struct load {
    size_t bytes, events;
};

static bool is_full(const struct load *load) {
    return load->bytes >= BATCH_BYTES || load->events >= BATCH_EVENTS;
}

/* How much of what waits still goes: whole records, and one at least. */
static size_t fitting(const struct delta_source *source, struct load *load) {
    size_t at = 0;
    while (at < source->text.len && !is_full(load)) {
        size_t len = HEAD + record_at(source->text.data + at).text.len;
        at += len;
        load->bytes += len;
        load->events++;
    }
    return at;
}

/* Its first `len` bytes go; what is left waits for the next batch, at the head of the line. */
static void take(struct delta_source *source, size_t len, struct delta_batch *batch) {
    struct delta_part *part = &batch->parts[batch->count++];
    size_t whole = 0;
    char *records = text_take(&source->text, &whole);
    part->source = source;
    place_copy(part, &source->place);
    part->records = records;
    part->len = len;
    source->writing = batch;
    text_init(&source->text, DELTAS_HELD_MAX);
    if (len == whole) {
        unlist(source);
        return;
    }
    text_add(&source->text, records + len, whole - len);
    source->last -= len;
}

static struct delta_batch *batch_make(struct deltas *deltas) {
    struct delta_batch *batch = mem_new(sizeof *batch);
    struct load load = {0};
    batch->deltas = deltas;
    while (deltas->first != NULL && batch->count < SOURCES_MAX && !is_full(&load)) {
        struct delta_source *source = deltas->first;
        take(source, fitting(source, &load), batch);
    }
    batch->full = deltas->first != NULL;
    return batch;
}

static void on_timer(struct timer *timer) {
    struct deltas *deltas = CONTAINER_OF(timer, struct deltas, timer);
    deltas->waiting = false;
    if (deltas->away || (deltas->batch == NULL && deltas->first == NULL)) {
        return;
    }
    if (deltas->batch == NULL) {
        deltas->batch = batch_make(deltas);
    }
    deltas->away = true;
    deltas->batch->begun_ns = world_mono_ns(loop_world(deltas->options.loop));
    store_write(deltas->options.store, batch_tx, batch_done, deltas->batch);
}

static void arm(struct deltas *deltas, uint64_t wait_ms) {
    deltas->waiting = true;
    timer_start(deltas->options.loop, &deltas->timer, wait_ms, on_timer);
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

static void wait_for_company(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    enlist(source);
    if (!deltas->away && !deltas->waiting && deltas->batch == NULL) {
        arm(deltas, DELTAS_WAIT_MS);
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
    wait_for_company(source);
}

void deltas_meter(struct delta_source *source, const struct delta_meter *meter) {
    if (!source->deltas->stopping) {
        add_record(source, DELTA_METER, (struct bytes){(const char *)meter, sizeof *meter});
        source->deltas->stats.events++;
        wait_for_company(source);
    }
}

void deltas_withdraw(struct delta_source *source, struct bytes members) {
    struct deltas *deltas = source->deltas;
    if (deltas->stopping) {
        return;
    }
    text_clear(&source->text); /* What nobody has seen need not be taken back. */
    add_record(source, DELTA_WITHDRAWN, members);
    wait_for_company(source);
}

void deltas_flush(struct delta_source *source, void (*flushed)(struct delta_source *source)) {
    struct deltas *deltas = source->deltas;
    source->flushed = flushed;
    if (source->text.len > 0 && !deltas->away && deltas->tries == 0) {
        timer_stop(deltas->options.loop, &deltas->timer);
        on_timer(&deltas->timer); /* Nobody is to come any more: it need not wait for company. */
    }
    tell_flushed(source);
}

void deltas_drop(struct delta_source *source) {
    struct deltas *deltas = source->deltas;
    if (deltas == NULL) {
        return;
    }
    unlist(source);
    for (size_t i = 0; source->writing != NULL && i < source->writing->count; i++) {
        if (source->writing->parts[i].source == source) {
            source->writing->parts[i].source = NULL;
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
}

void deltas_close(struct deltas *deltas) {
    if (deltas == NULL) {
        return;
    }
    assert(!deltas->away);
    while (deltas->first != NULL) {
        unlist(deltas->first);
    }
    if (deltas->batch != NULL) {
        batch_free(deltas->batch);
    }
    mem_free(deltas);
}

void deltas_get_stats(const struct deltas *deltas, struct deltas_stats *ret_stats) {
    *ret_stats = deltas->stats;
}
