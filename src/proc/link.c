/* link.c: see link.h. A holder's end of the socket is in the hands of the same user as any command
 * that it runs, so nothing it says is believed without a look.
 */
#include "proc/link.h"

#include <string.h>

#include "base/memory.h"
#include "base/number.h"

enum { WORDS_MAX = 32, ERRNO_MAX = 4095, KEPT_SIZE = PROTOCOL_LINE_MAX + PROTOCOL_EXIT_SIZE };

/* --- One line --------------------------------------------------------------------------------- */

struct line {
    struct bytes words[WORDS_MAX];
    size_t count;
};

static bool is_plain(struct bytes text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~') {
            return false;
        }
    }
    return text.len > 0;
}

/* Words behind the last that we could use are not looked at. */
static void split(struct bytes text, struct line *ret_line) {
    ret_line->count = 0;
    while (text.len > 0 && ret_line->count < WORDS_MAX) {
        const char *blank = memchr(text.data, ' ', text.len);
        size_t len = blank == NULL ? text.len : (size_t)(blank - text.data);
        ret_line->words[ret_line->count++] = (struct bytes){text.data, len};
        size_t step = blank == NULL ? len : len + 1;
        text.data += step;
        text.len -= step;
    }
}

static bool size_at(const struct line *line, size_t at, int64_t max, int64_t *ret_size) {
    return at < line->count &&
           number_parse(line->words[at], (struct number_bounds){0, max}, ret_size);
}

static bool stream_of(struct bytes word, enum log_stream *ret_stream) {
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        if (bytes_is(word, log_stream_name((enum log_stream)i))) {
            *ret_stream = (enum log_stream)i;
            return true;
        }
    }
    return false;
}

static bool read_grown(const struct line *line, struct link_message *message) {
    return line->count >= 3 && stream_of(line->words[1], &message->stream) &&
           size_at(line, 2, INT64_MAX, &message->size);
}

/* One KEY=NUMBER; a key that is not known is skipped, whatever its value. */
static bool read_status_word(struct bytes word, struct link_message *message) {
    const char *equals = memchr(word.data, '=', word.len);
    if (equals == NULL) {
        return false;
    }
    struct bytes key = {word.data, (size_t)(equals - word.data)};
    struct bytes value = {equals + 1, word.len - key.len - 1};
    enum log_stream stream = LOG_OUT;
    int64_t number = 0;
    bool is_size = stream_of(key, &stream), is_in = bytes_is(key, "in");
    bool is_full = bytes_is(key, "disk_full");
    if (!is_size && !is_in && !is_full) {
        return true;
    }
    if (!number_parse(value, (struct number_bounds){0, is_full ? 1 : INT64_MAX}, &number)) {
        return false;
    }
    if (is_size) {
        message->sizes[stream] = number;
    } else if (is_in) {
        message->accepted = number;
    } else {
        message->disk_full = number == 1;
    }
    return true;
}

static bool read_status(const struct line *line, struct link_message *message) {
    for (size_t i = 1; i < line->count; i++) {
        if (!read_status_word(line->words[i], message)) {
            return false;
        }
    }
    return true;
}

static bool read_nothing(const struct line *line, struct link_message *message) {
    (void)line; /* What follows such a word is of a later version. */
    (void)message;
    return true;
}

static bool read_size(const struct line *line, struct link_message *message) {
    return size_at(line, 1, INT64_MAX, &message->size);
}

static bool read_flag(const struct line *line, struct link_message *message) {
    return size_at(line, 1, 1, &message->size);
}

static bool read_errno(const struct line *line, struct link_message *message) {
    return size_at(line, 1, ERRNO_MAX, &message->size);
}

static bool read_exited(const struct line *line, struct link_message *message) {
    int64_t len = 0;
    if (!size_at(line, 1, PROTOCOL_EXIT_SIZE, &len)) {
        return false;
    }
    message->body.len = (size_t)len;
    return true;
}

static const struct {
    const char *word;
    bool (*read)(const struct line *line, struct link_message *message);
} words[] = {
    [LINK_CLAIMED] = {"claimed", read_nothing},  [LINK_VOID] = {"void", read_nothing},
    [LINK_STATUS] = {"status", read_status},     [LINK_GROWN] = {"grown", read_grown},
    [LINK_ACCEPTED] = {"accepted", read_size},   [LINK_INPUT_GAP] = {"input_gap", read_size},
    [LINK_DISK_FULL] = {"disk_full", read_flag}, [LINK_EXITED] = {"exited", read_exited},
    [LINK_FAILED] = {"failed", read_errno},
};

/* --- The stream ------------------------------------------------------------------------------- */

enum parsed { PARSED_WAIT, PARSED_SKIP, PARSED_MESSAGE, PARSED_NONSENSE };

/* The first message of `view`; *ret_used is how much of it that was. Of a body that is not all
 * there yet, nothing is used. */
static enum parsed parse_line(struct bytes text, struct link_message *message) {
    if (!is_plain(text)) {
        return PARSED_NONSENSE;
    }
    struct line line;
    split(text, &line);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (bytes_is(line.words[0], words[i].word)) {
            message->word = (enum link_word)i;
            return words[i].read(&line, message) ? PARSED_MESSAGE : PARSED_NONSENSE;
        }
    }
    return PARSED_SKIP;
}

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

struct taker {
    bool (*take)(void *ctx, const struct link_message *message);
    void *ctx; /* Borrowed. */
};

/* Takes all whole messages off the front of *view. */
static enum link_fed take_all(struct bytes *view, const struct taker *taker) {
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
        view->data += used;
        view->len -= used;
        if (parsed == PARSED_MESSAGE && !taker->take(taker->ctx, &message)) {
            return LINK_ENDED;
        }
    }
}

/* Fills what is kept from the front of *bytes. It always has room for one more byte, since a whole
 * message fits and would have been taken. */
static void fill_kept(struct link_reader *reader, struct bytes *bytes) {
    if (reader->kept == NULL) {
        reader->kept = mem_new(KEPT_SIZE);
        reader->len = 0;
    }
    assert(reader->len < KEPT_SIZE);
    size_t room = KEPT_SIZE - reader->len;
    size_t taken = bytes->len < room ? bytes->len : room;
    memcpy(reader->kept + reader->len, bytes->data, taken);
    reader->len += taken;
    bytes->data += taken;
    bytes->len -= taken;
}

void link_done(struct link_reader *reader) {
    mem_free(reader->kept);
    *reader = (struct link_reader){0};
}

enum link_fed link_feed(struct link_reader *reader, struct bytes bytes,
                        bool (*take)(void *ctx, const struct link_message *message), void *ctx) {
    const struct taker taker = {take, ctx};
    while (bytes.len > 0) {
        /* Almost always nothing is kept, and the messages are taken where they arrived. */
        if (reader->kept == NULL) {
            enum link_fed fed = take_all(&bytes, &taker);
            if (fed != LINK_MORE || bytes.len == 0) {
                return fed;
            }
        }
        fill_kept(reader, &bytes);
        struct bytes view = {reader->kept, reader->len};
        enum link_fed fed = take_all(&view, &taker);
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
