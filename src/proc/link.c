/* link.c: see link.h. A holder's end of the socket is in the hands of the same user as any command
 * that it runs, so nothing it says is believed without a look.
 */
#include "proc/link.h"

#include "base/memory.h"
#include "base/number.h"

enum { WORDS_MAX = 32, ERRNO_MAX = 4095, KEPT_SIZE = PROTOCOL_LINE_MAX + PROTOCOL_EXIT_SIZE };

/* --- One line --------------------------------------------------------------------------------- */

/* Arguments after a word. Words after those are from a later version, and ignored. */
enum shape { SHAPE_BARE, SHAPE_SIZE, SHAPE_STREAM_SIZE, SHAPE_BODY, SHAPE_STATUS };

static const struct {
    const char *word;
    enum shape shape;
    int64_t max; /* Largest number. */
} words[] = {
    [LINK_CLAIMED] = {"claimed", SHAPE_BARE, 0},
    [LINK_VOID] = {"void", SHAPE_BARE, 0},
    [LINK_STATUS] = {"status", SHAPE_STATUS, 0},
    [LINK_GROWN] = {"grown", SHAPE_STREAM_SIZE, INT64_MAX},
    [LINK_ACCEPTED] = {"accepted", SHAPE_SIZE, INT64_MAX},
    [LINK_INPUT_GAP] = {"input_gap", SHAPE_SIZE, INT64_MAX},
    [LINK_DISK_FULL] = {"disk_full", SHAPE_SIZE, 1},
    [LINK_EXITED] = {"exited", SHAPE_BODY, PROTOCOL_EXIT_SIZE},
    [LINK_FAILED] = {"failed", SHAPE_SIZE, ERRNO_MAX},
};

static bool read_number(struct bytes text, int64_t max, int64_t *ret_number) {
    return number_parse(text, (struct number_bounds){0, max}, ret_number);
}

/* KEY=NUMBER words; a key that is not known is skipped, whatever its value. */
static bool read_status(struct bytes rest, struct link_message *message) {
    struct bytes value, key = BYTES("");
    for (unsigned count = 1; count < WORDS_MAX && bytes_next(&rest, ' ', &value); count++) {
        unsigned stream = 0;
        int64_t full = 0;
        bool fine = memchr(value.data, '=', value.len) != NULL && bytes_next(&value, '=', &key);
        if (!fine) {
            return false;
        }
        if (bytes_find(key, log_stream_words(), &stream)) {
            fine = read_number(value, INT64_MAX, &message->sizes[stream]);
        } else if (bytes_is(key, "in")) {
            fine = read_number(value, INT64_MAX, &message->accepted);
        } else if (bytes_is(key, "disk_full")) {
            fine = read_number(value, 1, &full);
            message->disk_full = full == 1;
        }
        if (!fine) {
            return false;
        }
    }
    return true;
}

/* Words after those of a shape are of a later version. */
static bool read_words(struct bytes rest, struct link_message *message) {
    struct bytes word = BYTES("");
    unsigned stream = 0;
    int64_t max = words[message->word].max, len = 0;
    switch (words[message->word].shape) {
    case SHAPE_STATUS:
        return read_status(rest, message);
    case SHAPE_STREAM_SIZE:
        if (!bytes_next(&rest, ' ', &word) || !bytes_find(word, log_stream_words(), &stream)) {
            return false;
        }
        message->stream = (enum log_stream)stream;
        return bytes_next(&rest, ' ', &word) && read_number(word, max, &message->size);
    case SHAPE_SIZE:
        return bytes_next(&rest, ' ', &word) && read_number(word, max, &message->size);
    case SHAPE_BODY:
        if (!bytes_next(&rest, ' ', &word) || !read_number(word, max, &len)) {
            return false;
        }
        message->body.len = (size_t)len;
        return true;
    case SHAPE_BARE:
    default:
        return true;
    }
}

/* --- The stream ------------------------------------------------------------------------------- */

enum parsed { PARSED_WAIT, PARSED_SKIP, PARSED_MESSAGE, PARSED_NONSENSE };

static enum parsed parse_line(struct bytes text, struct link_message *message) {
    bool plain = text.len > 0;
    for (size_t i = 0; i < text.len; i++) {
        plain = plain && text.data[i] >= ' ' && text.data[i] <= '~';
    }
    if (!plain) {
        return PARSED_NONSENSE;
    }
    struct bytes word = BYTES("");
    (void)bytes_next(&text, ' ', &word); /* There is one. */
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (bytes_is(word, words[i].word)) {
            message->word = (enum link_word)i;
            return read_words(text, message) ? PARSED_MESSAGE : PARSED_NONSENSE;
        }
    }
    return PARSED_SKIP;
}

/* The first message of `view`; *ret_used is how much of it that was. Of a body that is not all
 * there yet, nothing is used. */
static enum parsed parse_first(struct bytes view, struct link_message *ret_message,
                               size_t *ret_used) {
    size_t within = view.len < PROTOCOL_LINE_MAX ? view.len : PROTOCOL_LINE_MAX;
    const char *feed = within == 0 ? NULL : memchr(view.data, '\n', within);
    if (feed == NULL) {
        return within == PROTOCOL_LINE_MAX ? PARSED_NONSENSE : PARSED_WAIT;
    }
    size_t len = (size_t)(feed - view.data);
    struct link_message message = {.word = LINK_VOID};
    enum parsed parsed = parse_line((struct bytes){view.data, len}, &message);
    if (message.body.len > view.len - len - 1) {
        return PARSED_WAIT;
    }
    message.body.data = feed + 1;
    *ret_used = len + 1 + message.body.len;
    *ret_message = message;
    return parsed;
}

/* Takes all whole messages off the front of *view. */
static enum link_fed take_all(struct bytes *view,
                              bool (*take)(void *ctx, const struct link_message *message),
                              void *ctx) {
    for (;;) {
        struct link_message message;
        size_t used = 0;
        enum parsed parsed = parse_first(*view, &message, &used);
        if (parsed == PARSED_WAIT) {
            return LINK_MORE;
        }
        if (parsed == PARSED_NONSENSE) {
            return LINK_NONSENSE;
        }
        *view = (struct bytes){view->data + used, view->len - used};
        if (parsed == PARSED_MESSAGE && !take(ctx, &message)) {
            return LINK_ENDED;
        }
    }
}

void link_done(struct link_reader *reader) {
    mem_free(reader->kept);
    *reader = (struct link_reader){0};
}

enum link_fed link_feed(struct link_reader *reader, struct bytes bytes,
                        bool (*take)(void *ctx, const struct link_message *message), void *ctx) {
    while (bytes.len > 0) {
        /* Almost always nothing is kept, and the messages are taken where they arrived. */
        if (reader->kept == NULL) {
            enum link_fed fed = take_all(&bytes, take, ctx);
            if (fed != LINK_MORE || bytes.len == 0) {
                return fed;
            }
            reader->kept = mem_new(KEPT_SIZE);
            reader->len = 0;
        }
        /* There is always room for one more byte, since a whole message fits and would have been
         * taken. */
        assert(reader->len < KEPT_SIZE);
        size_t room = KEPT_SIZE - reader->len;
        size_t taken = bytes.len < room ? bytes.len : room;
        memcpy(reader->kept + reader->len, bytes.data, taken);
        reader->len += taken;
        bytes = (struct bytes){bytes.data + taken, bytes.len - taken};
        struct bytes view = {reader->kept, reader->len};
        enum link_fed fed = take_all(&view, take, ctx);
        if (fed != LINK_MORE) {
            return fed;
        }
        memmove(reader->kept, view.data, view.len);
        reader->len = view.len;
        if (view.len == 0) {
            link_done(reader);
        }
    }
    return LINK_MORE;
}
