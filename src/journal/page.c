/* page.c: reads what a subscriber cannot get from a ring.
 *
 *             turn has come          read                      all have pulled, or left
 *   QUEUED ─────────────────> READING ─────────────> DONE ──────────────────> freed
 *     ^  │ nobody waits any more │  │ overloaded          nobody waits any more: freed at once
 *     │  v                       │  │
 *     │ freed                    │  └─> QUEUED, first in line, after a pause
 *     └──────────────────────────┘
 *
 * How a page joins the ring without gap or repeat. The stream's record in the hub exists before
 * the read begins, and lives on while the page does. So each event is either in the snapshot that
 * the read sees, or was committed after it, and then its note comes to that record. An event can
 * be both: committed, seen by the read, and its note still on its way to the loop. It is durable,
 * so it may be sent; when the note arrives, the subscriber's cursor is already there or beyond,
 * and it is not woken (subscriber_pending).
 *
 * A page outlives its subscribers: the reader thread writes into it until its end is reported.
 */
#include "base/memory.h"
#include "journal/buffer.h"
#include "journal/frame.h"
#include "journal/hub_parts.h"
#include "journal/read.h"
#include "journal/snapshot.h"

enum {
    READING_MAX = 8,        /* Pages at once: the readers are few, and others want them too. */
    PIECE_BYTES = 64 << 10, /* What one page may cost a client that does not read. */
    RETRY_MS = 20,
    TRIES_MAX = 250, /* With RETRY_MS: 5 s. */
};

enum page_state { PAGE_QUEUED, PAGE_READING, PAGE_DONE };

struct hub_page {
    struct hub *hub;           /* Borrowed. */
    struct hub_stream *stream; /* One reference, until done. */
    struct hub_page_wish wish;
    bool held; /* The daemon held when the page was asked for. */
    enum page_state state;
    unsigned refs, tries;   /* Subscribers hold one reference each, and so does the store. */
    bool joined;            /* By a subscriber that came after the read was asked for. */
    struct hub_link in_hub; /* In the hub's queue or reading. */
    struct hub_link in_stream;
    struct hub_link waiting; /* Subscribers. */
    struct err err;
    /* The reader's while READING. */
    struct hub_buffer *buffer; /* Owned; NULL: nothing to send. */
    int64_t cursor, head, floor;
    bool ended;
};

/* --- On a reader thread ----------------------------------------------------------------------- */

static struct err add_frame(struct hub_page *page, const struct frame *frame) {
    size_t len = frame_len(page->wish.format, frame);
    char *at = buffer_room(&page->buffer, len);
    if (at == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "hub: page");
    }
    (void)frame_write(page->wish.format, frame, at); /* Its length is known. */
    page->buffer->len += len;
    page->cursor = frame->seq;
    return ERR_OK;
}

static struct err add_event(void *ctx, const struct event *event) {
    struct hub_page *page = ctx;
    const struct frame frame = {.name = page->stream->name,
                                .type = event->type,
                                .data = event->data,
                                .seq = event->seq,
                                .at_ms = event->at_ms};
    return add_frame(page, &frame);
}

static struct err add_snapshot(struct tx *tx, struct hub_page *page,
                               const struct stream_state *state) {
    const struct snapshot_ask ask = {.owner = page->stream->owner,
                                     .name = page->stream->name,
                                     .state = *state,
                                     .held = page->held};
    AUTO(text_done) struct text text = text_up_to(SNAPSHOT_MAX);
    int64_t seq = 0;
    struct err err = tx_snapshot(tx, &page->hub->snapshots, &ask, &text, &seq);
    if (err_failed(err)) {
        return err;
    }
    if (text_failed(&text)) {
        return text_error(&text, "hub: snapshot");
    }
    const struct frame frame = {.name = page->stream->name,
                                .type = BYTES("snapshot"),
                                .data = {text.data, text.len},
                                .seq = seq,
                                .at_ms = tx_now_ms(tx)};
    return add_frame(page, &frame);
}

/* May run more than once: whatever it fills is filled again from its beginning. */
static void begin(struct hub_page *page) {
    hub_buffer_unref(page->buffer);
    page->buffer = NULL;
    page->head = page->floor = 0;
    page->ended = false;
    page->cursor = page->wish.after;
}

static struct err read_page(struct tx *tx, void *ctx) {
    struct hub_page *page = ctx;
    begin(page);
    bool found = false;
    struct stream_state state = {0}; /* A stream that does not exist yet is an empty one. */
    struct err err = tx_stream_find(tx, page->stream->owner, page->stream->name, &found, &state);
    if (err_failed(err)) {
        return err;
    }
    page->head = state.head;
    page->floor = state.floor;
    page->ended = state.ended;
    bool from_end = page->wish.after < 0 && !page->wish.snapshot;
    if (page->wish.format == HUB_SILENT || from_end || page->wish.after > state.head) {
        return ERR_OK;
    }
    if (page->wish.snapshot || page->wish.after < state.floor) {
        err = add_snapshot(tx, page, &state);
        if (err_failed(err)) {
            return err;
        }
    }
    const struct journal__page rows = {.stream = state.stream,
                                       .after = page->cursor,
                                       .events_max = JOURNAL_PAGE_EVENTS,
                                       .bytes_max = PIECE_BYTES};
    return journal__read(tx, &rows, add_event, page);
}

/* --- On the loop ------------------------------------------------------------------------------ */

static void pages_go(struct hub *hub);

static void page_free(struct hub_page *page) {
    hub_buffer_unref(page->buffer);
    mem_free(page);
}

void page_unref(struct hub_page *page) {
    assert(page->refs > 0);
    if (--page->refs == 0) {
        page_free(page);
    }
}

static void let_stream_go(struct hub_page *page) {
    link_remove(&page->in_hub);
    link_remove(&page->in_stream);
    stream_unref(page->stream);
    page->stream = NULL;
}

static void tell_stream(const struct hub_page *page) {
    stream_heard(page->stream, page->head, page->floor);
    if (page->ended) {
        page->stream->last = page->head;
    }
}

/* What was read stays true; what the hub has heard meanwhile may be more. */
static void judge(struct hub_page *page, struct err result) {
    page->err = result;
    if (err_failed(result)) {
        return;
    }
    tell_stream(page);
    int64_t head = page->stream->head;
    if (page->wish.after > head) {
        page->err = err_make(ERR_CURSOR_AHEAD, "hub: subscribe");
    } else if (page->wish.after < 0 && !page->wish.snapshot) {
        page->cursor = head;
    }
}

static void finish(struct hub_page *page, struct err result) {
    page->hub->stats.pages_read++;
    judge(page, result);
    page->state = PAGE_DONE;
    while (!links_empty(&page->waiting)) {
        struct hub_subscriber *subscriber =
            CONTAINER_OF(page->waiting.next, struct hub_subscriber, link);
        link_remove(&subscriber->link);
        subscriber_page_done(subscriber);
    }
    let_stream_go(page);
    page_unref(page);
}

static void try_again_later(struct hub_page *page) {
    struct hub *hub = page->hub;
    page->state = PAGE_QUEUED;
    page->tries++;
    link_remove(&page->in_hub);
    link_add_first(&hub->queue, &page->in_hub);
    if (!hub->retrying) {
        hub->retrying = true;
        timer_start(hub->loop, &hub->retry, RETRY_MS, pages_retry);
    }
}

/* Whoever joined while the read was under way may know of events that it could not see yet. Such a
 * cursor only looks ahead, so it is judged by a read that began after it came. */
static bool judged_too_early(struct hub_page *page) {
    tell_stream(page);
    return page->joined && page->wish.after > page->stream->head;
}

static void read_again(struct hub_page *page) {
    page->state = PAGE_QUEUED;
    page->joined = false;
    link_remove(&page->in_hub);
    link_add_first(&page->hub->queue, &page->in_hub);
}

static void page_done(struct err result, void *ctx) {
    struct hub_page *page = ctx;
    struct hub *hub = page->hub;
    assert(page->state == PAGE_READING);
    hub->reading_count--;
    bool wanted = !links_empty(&page->waiting);
    if (wanted && result.code == ERR_OVERLOADED && page->tries < TRIES_MAX) {
        try_again_later(page);
    } else if (wanted && !err_failed(result) && judged_too_early(page)) {
        read_again(page);
    } else {
        finish(page, result);
    }
    pages_go(hub);
}

static void pages_go(struct hub *hub) {
    while (!hub->retrying && hub->reading_count < READING_MAX && !links_empty(&hub->queue)) {
        struct hub_page *page = CONTAINER_OF(hub->queue.next, struct hub_page, in_hub);
        link_remove(&page->in_hub);
        link_add_last(&hub->reading, &page->in_hub);
        page->state = PAGE_READING;
        hub->reading_count++;
        store_read(hub->store, read_page, page_done, page);
    }
}

void pages_retry(struct timer *timer) {
    struct hub *hub = CONTAINER_OF(timer, struct hub, retry);
    hub->retrying = false;
    pages_go(hub);
}

static struct hub_page *find_same(struct hub_stream *stream, const struct hub_page_wish *wish) {
    for (struct hub_link *at = stream->pages.next; at != &stream->pages; at = at->next) {
        struct hub_page *page = CONTAINER_OF(at, struct hub_page, in_stream);
        if (page->wish.format == wish->format && page->wish.after == wish->after &&
            page->wish.snapshot == wish->snapshot) {
            return page;
        }
    }
    return NULL;
}

static struct hub_page *make(struct hub *hub, struct hub_stream *stream,
                             const struct hub_page_wish *wish) {
    struct hub_page *page = mem_new(sizeof *page);
    page->hub = hub;
    page->stream = stream_ref(hub, stream->owner, stream->name);
    page->wish = *wish;
    page->held = snapshots_held(&hub->snapshots);
    page->refs = 1;
    links_init(&page->waiting);
    link_add_last(&stream->pages, &page->in_stream);
    link_add_last(&hub->queue, &page->in_hub);
    return page;
}

/* After a restart, all the followers of a stream come back with nearly the same cursor: they share
 * one read and one buffer. */
void page_wish(struct hub *hub, struct hub_stream *stream, const struct hub_page_wish *wish,
               struct hub_subscriber *subscriber) {
    struct hub_page *page = find_same(stream, wish);
    if (page == NULL) {
        page = make(hub, stream, wish);
    }
    page->joined = page->joined || page->state == PAGE_READING;
    page->refs++;
    subscriber->page = page;
    link_add_last(&page->waiting, &subscriber->link);
    pages_go(hub);
}

void page_leave(struct hub_page *page, struct hub_subscriber *subscriber) {
    link_remove(&subscriber->link);
    subscriber->page = NULL;
    page_unref(page);
    if (page->state == PAGE_QUEUED && links_empty(&page->waiting)) {
        let_stream_go(page);
        page_unref(page);
    }
}

struct err page_result(const struct hub_page *page, int64_t *ret_cursor) {
    assert(page->state == PAGE_DONE);
    if (!err_failed(page->err)) {
        *ret_cursor = page->cursor;
    }
    return page->err;
}

struct hub_piece page_take(const struct hub_page *page) {
    assert(page->state == PAGE_DONE);
    if (page->buffer == NULL) {
        return (struct hub_piece){0};
    }
    hub_buffer_ref(page->buffer);
    return (struct hub_piece){.buffer = page->buffer,
                              .bytes = {page->buffer->data, page->buffer->len},
                              .last_seq = page->cursor};
}

void pages_forget(struct hub *hub) {
    while (!links_empty(&hub->reading)) {
        struct hub_page *page = CONTAINER_OF(hub->reading.next, struct hub_page, in_hub);
        assert(links_empty(&page->waiting));
        let_stream_go(page);
        page_unref(page);
    }
}
