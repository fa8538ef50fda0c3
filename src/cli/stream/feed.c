/* feed.c: see feed.h. */
#include "cli/stream/feed.h"

#define NS_PER_MS UINT64_C(1000000)

struct feed_outage feed_outage_of(const struct talk *talk, int64_t retry_ms) {
    return (struct feed_outage){
        .world = talk->world, .retry_ms = retry_ms, .alive_ns = world_mono_ns(talk->world)};
}

bool feed_outage_end(struct feed_outage *outage) {
    const bool was_away = outage->pause_ms > 0;
    outage->pause_ms = 0;
    outage->alive_ns = world_mono_ns(outage->world);
    return was_away;
}

/* The time since the last byte, or since the beginning, decides. */
struct err feed_outage_wait(struct feed_outage *outage, struct client *client, struct err err,
                            int64_t *ret_pause_ms) {
    const uint64_t away_ns = world_mono_ns(outage->world) - outage->alive_ns;
    client_hang_up(client);
    if (!client_may_pass(err) || outage->retry_ms == 0 ||
        (outage->retry_ms > 0 && away_ns > (uint64_t)outage->retry_ms * NS_PER_MS)) {
        return err;
    }
    *ret_pause_ms = talk_pause_next(outage->world, &outage->pause_ms);
    return ERR_OK;
}

static uint64_t feed_in_ns(const struct feed *feed, int64_t ms) {
    return world_mono_ns(feed->talk->world) + (uint64_t)ms * NS_PER_MS;
}

static struct err on_frame(void *ctx, const struct sse_frame *frame, struct why *why) {
    struct feed *feed = ctx;
    if (feed->state == FEED_ENDED) {
        return ERR_OK;
    }
    if (sse_is(frame, "closing")) {
        return err_why(why, ERR_CLOSING, "the daemon ended the connection");
    }
    const struct err err = feed->on_frame(feed->ctx, frame, why);
    feed->state = !err_failed(err) && sse_is(frame, "done") ? FEED_ENDED : feed->state;
    return err;
}

struct err feed_open(struct feed *feed, struct why *why) {
    sse_reader_init(&feed->reader);
    feed->reader.frame = on_frame;
    feed->reader.ctx = feed;
    feed->outage = feed_outage_of(feed->talk, feed->retry_ms);
    return client_open(&feed->talk->options, &feed->client, why);
}

void feed_done(struct feed *feed) {
    client_close(feed->client);
    sse_reader_done(&feed->reader);
}

int feed_wait_ms(const struct feed *feed) {
    const uint64_t now_ns = world_mono_ns(feed->talk->world);
    return feed->due_ns > now_ns ? (int)((feed->due_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

int feed_fd(const struct feed *feed) {
    return feed->state == FEED_READING ? client_fd(feed->client) : -1;
}

void feed_restart(struct feed *feed) {
    client_hang_up(feed->client);
    feed->state = FEED_AWAY;
    feed->due_ns = 0;
}

struct err feed_break(struct feed *feed, struct err err, struct why *why) {
    int64_t pause_ms = 0;
    feed_restart(feed);
    const struct err end = feed_outage_wait(&feed->outage, feed->client, err, &pause_ms);
    if (err_failed(end)) {
        return end;
    }
    if (feed->on_away != NULL) {
        feed->on_away(feed->ctx, err, why);
    }
    why->text[0] = '\0';
    feed->due_ns = feed_in_ns(feed, pause_ms);
    return ERR_OK;
}

static struct err feed_ask(struct feed *feed, struct why *why) {
    AUTO(text_done) struct text target = {0};
    if (!feed->on_connect(feed->ctx, &target)) {
        return err_make(ERR_NOT_FOUND, "feed: target");
    }
    const struct client_request request = {
        .method = "GET", .target = target.data, .accept = "text/event-stream"};
    sse_reader_clear(&feed->reader);
    feed->state = FEED_READING;
    feed->due_ns = feed_in_ns(feed, FEED_SILENCE_MS);
    return client_ask(feed->client, &request, why);
}

static struct err feed_read(struct feed *feed, struct why *why) {
    struct bytes piece = {0};
    enum client_more more = CLIENT_MORE;
    struct err err = client_read_now(feed->client, &piece, &more, why);
    if (!err_failed(err) && piece.len > 0) {
        feed->due_ns = feed_in_ns(feed, FEED_SILENCE_MS);
        feed->on_alive(feed->ctx, feed_outage_end(&feed->outage));
        err = sse_reader_feed(&feed->reader, piece, why);
    }
    return err_failed(err) || more != CLIENT_OVER || feed->state == FEED_ENDED
               ? err
               : err_why(why, ERR_CLOSING, "the daemon closed the connection");
}

struct err feed_turn(struct feed *feed, bool ready, struct why *why) {
    struct err err = ERR_OK;
    if (feed->state == FEED_ENDED || (!ready && feed_wait_ms(feed) > 0)) {
        return err;
    }
    err = feed->state == FEED_AWAY ? feed_ask(feed, why)
          : ready                  ? feed_read(feed, why)
                  : err_why(why, ERR_IO, "the daemon was silent for %d s", FEED_SILENCE_MS / 1000);
    if (feed->state == FEED_ENDED) {
        client_hang_up(feed->client);
        return ERR_OK;
    }
    return err_failed(err) ? feed_break(feed, err, why) : ERR_OK;
}
