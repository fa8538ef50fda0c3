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

#include "base/memory.h"
#include "base/utf8.h"
#include "engine/turn/turns.h"
#include "journal/journal.h"

enum {
    HEAD = 5,
    AWAY_MAX = 128,        /* Writes in the store at once. */
    WRITE_BYTES = 1 << 20, /* Bytes of text that one store function takes, */
    WRITE_EVENTS = 250,    /* and events: each writes its own row and its stream's. */
};

/* The text of one source on its way. Owns copies, since the turn may end while they are written. */
struct delta_write {
    struct deltas *deltas;
    struct link link;            /* In `writes`. */
    struct delta_source *source; /* Borrowed; NULL: the turn is gone. */
    struct delta_place place;    /* Owned: its names. */
    char *records;               /* Owned. */
    size_t len;
    bool cut; /* The source had more text than one store function takes. */
    uint64_t begun_ns;
    struct ask ask;
};

struct deltas {
    struct asker asker;
    struct link sources; /* Borrowed: those with text and no write, oldest first. */
    struct link writes;  /* Owned. */
    struct timer timer;
    struct deltas_stats stats;
};

/* The event of each, and its channel there. */
static const struct {
    struct bytes type, channel;
} kinds[DELTA_CHANNELS] = {
    [DELTA_TEXT] = {BYTES_INIT("delta"), BYTES_INIT("text")},
    [DELTA_THINKING] = {BYTES_INIT("thinking_delta"), BYTES_INIT("thinking")},
    [DELTA_WITHDRAWN] = {BYTES_INIT("output_discarded"), BYTES_INIT("status")},
};

/* --- In the store ----------------------------------------------------------------------------- */

struct record {
    enum delta_channel channel;
    struct bytes text;
};

static struct record record_at(const char *at) {
    uint32_t len = 0;
    memcpy(&len, at + 1, sizeof len);
    return (struct record){.channel = (enum delta_channel)at[0], .text = {at + HEAD, len}};
}

static struct err record_write(struct tx *tx, const struct delta_place *place,
                               const struct record *record) {
    if (record->channel == DELTA_METER) {
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
    if (record->channel == DELTA_PROVIDER) {
        struct provider_wait wait;
        assert(record->text.len == sizeof wait);
        memcpy(&wait, record->text.data, sizeof wait);
        return tx_turn_provider(tx, place->run, place->step, &wait);
    }
    AUTO(text_done) struct text data = text_up_to(EVENT_DATA_MAX);
    text_add_char(&data, '{');
    text_add_member(&data, "run", place->run);
    text_add_member(&data, "message", place->message);
    text_add_member_int(&data, "step", place->step);
    text_add_member(&data, "channel", kinds[record->channel].channel);
    if (record->channel != DELTA_WITHDRAWN) {
        text_add_member(&data, "text", record->text);
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
                                .data = text_bytes(&data)};
    struct appended appended;
    return tx_append(tx, &what, &appended);
}

static struct err write_tx(struct tx *tx, void *ctx) {
    const struct delta_write *write = ctx;
    bool gone = false; /* Cleared or deleted while the text was on its way: it is dropped. */
    struct err err = tx_message_gone(tx, write->place.message, &gone);
    for (size_t at = 0; at < write->len && !gone && !err_failed(err);) {
        struct record record = record_at(write->records + at);
        err = record_write(tx, &write->place, &record);
        at += HEAD + record.text.len;
    }
    return err;
}

/* --- A write ---------------------------------------------------------------------------------- */

static void source_begin_write(struct delta_source *source);

static void write_free(struct delta_write *write) {
    const struct delta_place *place = &write->place;
    const struct bytes names[] = {place->owner, place->stream, place->run, place->message};
    link_remove(&write->link);
    ask_drop(&write->ask);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        mem_free((char *)names[i].data);
    }
    mem_free(write->records);
    mem_free(write);
}

static void on_timer(struct timer *timer) {
    struct deltas *deltas = CONTAINER_OF(timer, struct deltas, timer);
    while (!links_empty(&deltas->sources) && deltas->asker.away < AWAY_MAX) {
        source_begin_write(CONTAINER_OF(deltas->sources.next, struct delta_source, link));
    }
}

static void deltas_arm(struct deltas *deltas, uint64_t wait_ms) {
    if (!timer_runs(&deltas->timer)) {
        timer_start(deltas->asker.loop, &deltas->timer, wait_ms, on_timer);
    }
}

/* The text is written with what comes within `wait_ms`. */
static void source_enlist(struct delta_source *source, uint64_t wait_ms) {
    if (!link_listed(&source->link)) {
        link_add_last(&source->deltas->sources, &source->link);
    }
    deltas_arm(source->deltas, wait_ms);
}

static void source_tell_flushed(struct delta_source *source) {
    void (*flushed)(struct delta_source *) = source->flushed;
    if (flushed != NULL && source->writing == NULL && source->text.len == 0) {
        source->flushed = NULL;
        flushed(source);
    }
}

static void write_end(struct delta_write *write) {
    struct deltas *deltas = write->deltas;
    struct delta_source *source = write->source;
    /* From the begin of one write to that of the next: text that came meanwhile has waited. */
    uint64_t took_ms = (world_mono_ns(loop_world(deltas->asker.loop)) - write->begun_ns) / 1000000;
    bool at_once = write->cut;
    write_free(write);
    if (source != NULL) {
        source->writing = NULL;
        if (source->text.len == 0) {
            source_tell_flushed(source);
        } else if (at_once || source->flushed != NULL) {
            source_begin_write(source);
        } else {
            source_enlist(source, took_ms >= DELTAS_WAIT_MS ? 0 : DELTAS_WAIT_MS - took_ms);
        }
    }
    if (!links_empty(&deltas->sources)) { /* There is room for a source that found none. */
        deltas_arm(deltas, DELTAS_WAIT_MS);
    }
}

static void write_done(void *ctx) {
    struct delta_write *write = ctx;
    write->deltas->stats.commits++;
    write_end(write);
}

/* The message gets the whole text with the end of its call; where that fails too, the turn ends. */
static void write_refused(void *ctx, struct err err) {
    struct delta_write *write = ctx;
    if (write->source != NULL) {
        asker_report(&write->deltas->asker,
                     "the text of a turn could not be stored: its stream lacks a piece",
                     write->place.run, err);
    }
    write_end(write);
}

static enum ask_verdict write_judge(void *ctx, unsigned tries, struct err err) {
    const struct delta_write *write = ctx;
    return write->source == NULL ? ASK_REFUSED : ask_usual(tries, EFFECT_TRIES_MAX, err);
}

/* Takes as much of the pending text as one store function may: whole records, and one at least. A
 * failure keeps only this turn waiting: the writes of the others are store functions of their own.
 */
static void source_begin_write(struct delta_source *source) {
    static const struct ask_rules rules = {
        .words = {.effect = "store the text of a turn",
                  .again = "the text of a turn could not be stored; it is tried again"},
        .judge = write_judge,
        .refused = write_refused};
    struct deltas *deltas = source->deltas;
    struct delta_write *write = mem_new(sizeof *write);
    size_t len = 0, whole = 0;
    for (size_t events = 0; len < source->text.len && len < WRITE_BYTES && events < WRITE_EVENTS;
         events++) {
        len += HEAD + record_at(source->text.data + len).text.len;
    }
    write->deltas = deltas;
    link_add_first(&deltas->writes, &write->link);
    write->source = source;
    write->records = text_take(&source->text, &whole);
    write->len = len;
    write->cut = len < whole;
    write->place = source->place;
    struct bytes *const names[] = {&write->place.owner, &write->place.stream, &write->place.run,
                                   &write->place.message};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        names[i]->data = mem_copy(names[i]->data, names[i]->len);
    }
    ask_init(&write->ask, &deltas->asker, &rules, write);
    write->ask.run = write->place.run;
    write->begun_ns = world_mono_ns(loop_world(deltas->asker.loop));
    link_remove(&source->link);
    source->writing = write;
    text_init(&source->text, DELTAS_HELD_MAX);
    if (write->cut) {
        text_add(&source->text, write->records + len, whole - len);
        source->last -= len;
    }
    ask_write(&write->ask, write_tx, write_done);
}

/* --- Collecting ------------------------------------------------------------------------------- */

void deltas_begin(struct deltas *deltas, struct delta_source *source,
                  const struct delta_place *place) {
    *source = (struct delta_source){.deltas = deltas, .place = *place};
    text_init(&source->text, DELTAS_HELD_MAX);
}

static void source_collect(struct delta_source *source) {
    if (source->writing == NULL) {
        source_enlist(source, DELTAS_WAIT_MS);
    }
}

static void record_add(struct delta_source *source, enum delta_channel channel,
                       struct bytes piece) {
    struct text *text = &source->text;
    source->last = text->len;
    const char head = (char)channel;
    const uint32_t len = (uint32_t)piece.len;
    text_add(text, &head, 1);
    text_add(text, (const char *)&len, sizeof len);
    text_add(text, piece.data, piece.len);
}

void deltas_add(struct delta_source *source, enum delta_channel channel, struct bytes piece) {
    struct deltas *deltas = source->deltas;
    struct text *text = &source->text;
    if (deltas->asker.stopping) {
        return;
    }
    deltas->stats.pieces++;
    while (piece.len > 0) {
        size_t len = piece.len <= DELTAS_EVENT_MAX ? piece.len : utf8_cut(piece, DELTAS_EVENT_MAX);
        struct record last = {.channel = DELTA_CHANNELS};
        if (text->len > 0) {
            last = record_at(text->data + source->last);
        }
        if (last.channel == channel && last.text.len + len <= DELTAS_EVENT_MAX) {
            const uint32_t merged = (uint32_t)(last.text.len + len);
            text_add(text, piece.data, len);
            if (!text_failed(text)) {
                memcpy(text->data + source->last + 1, &merged, sizeof merged);
            }
        } else {
            record_add(source, channel, (struct bytes){piece.data, len});
            deltas->stats.events++;
        }
        piece = (struct bytes){piece.data + len, piece.len - len};
    }
    source_collect(source);
}

static void deltas_add_struct(struct delta_source *source, enum delta_channel channel,
                              struct bytes piece) {
    if (!source->deltas->asker.stopping) {
        record_add(source, channel, piece);
        source->deltas->stats.events++;
        source_collect(source);
    }
}

void deltas_meter(struct delta_source *source, const struct delta_meter *meter) {
    deltas_add_struct(source, DELTA_METER, (struct bytes){(const char *)meter, sizeof *meter});
}

void deltas_provider(struct delta_source *source, const struct provider_wait *wait) {
    deltas_add_struct(source, DELTA_PROVIDER, (struct bytes){(const char *)wait, sizeof *wait});
    source->waits = true;
}

void deltas_resumed(struct delta_source *source) {
    const struct provider_wait none = {.resume_at_ms = 0};
    if (source->waits) {
        deltas_provider(source, &none);
        source->waits = false;
    }
}

void deltas_withdraw(struct delta_source *source, struct bytes members) {
    struct text *text = &source->text;
    size_t kept = 0;
    if (source->deltas->asker.stopping) {
        return;
    }
    /* Text that was not sent needs no event. Changes of the run's row are kept. */
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
    record_add(source, DELTA_WITHDRAWN, members);
    source_collect(source);
}

void deltas_flush(struct delta_source *source, void (*flushed)(struct delta_source *source)) {
    source->flushed = flushed;
    if (source->text.len > 0 && source->writing == NULL && !source->deltas->asker.stopping) {
        source_begin_write(source); /* No more text will come: there is nothing to merge. */
    }
    source_tell_flushed(source);
}

void deltas_drop(struct delta_source *source) {
    if (source->deltas == NULL) {
        return;
    }
    link_remove(&source->link);
    if (source->writing != NULL) {
        source->writing->source = NULL;
        if (source->writing->ask.state != ASK_AWAY) {
            write_free(source->writing);
        }
    }
    text_done(&source->text);
    *source = (struct delta_source){0};
}

/* --- Life ------------------------------------------------------------------------------------- */

struct deltas *deltas_open(const struct asker *asker) {
    struct deltas *deltas = mem_new(sizeof *deltas);
    deltas->asker = *asker;
    links_init(&deltas->sources);
    links_init(&deltas->writes);
    return deltas;
}

void deltas_stop(struct deltas *deltas) {
    deltas->asker.stopping = true;
    timer_stop(deltas->asker.loop, &deltas->timer);
    for (struct link *at = deltas->writes.next; at != &deltas->writes; at = at->next) {
        struct delta_write *write = CONTAINER_OF(at, struct delta_write, link);
        if (write->ask.state == ASK_PAUSING) {
            ask_drop(&write->ask);
        }
    }
}

void deltas_close(struct deltas *deltas) {
    if (deltas == NULL) {
        return;
    }
    assert(deltas->asker.away == 0);
    while (links_take(&deltas->sources) != NULL) {
    }
    while (!links_empty(&deltas->writes)) {
        write_free(CONTAINER_OF(deltas->writes.next, struct delta_write, link));
    }
    mem_free(deltas);
}

void deltas_get_stats(const struct deltas *deltas, struct deltas_stats *ret_stats) {
    *ret_stats = deltas->stats;
    ret_stats->retries = deltas->asker.retries;
}
