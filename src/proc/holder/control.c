/* control.c: see control.h. What a client may ask, line by line, is in the table of verbs. */
#include "proc/holder/control.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/number.h"
#include "proc/holder/custody.h"
#include "proc/small/small.h"

enum { CHUNK_SIZE = 16 << 10, FAILED_SIZE = 32, NUMBERS_MAX = 2 };

void control_init(struct control *control, int listener, int link) {
    control->listener = listener;
    control->quiet_until = 0;
    control->last_len = 0;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i].fd = -1;
    }
    control->clients[0] = (struct client){.fd = link};
}

static bool client_has_words(const struct control *control, const struct client *client) {
    return client->out_len > client->out_at || client->last_at < control->last_len;
}

/* --- Out -------------------------------------------------------------------------------------- */

/* False: nobody is there any more. */
static bool send_from(int fd, struct bytes bytes, size_t *at) {
    while (*at < bytes.len) {
        ssize_t put = send(fd, bytes.data + *at, bytes.len - *at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0) {
            return errno == EAGAIN;
        }
        *at += (size_t)put;
    }
    return true;
}

void control_tell_link(struct control *control, const char *text) {
    const struct client *link = &control->clients[0];
    if (link->fd >= 0) {
        size_t at = 0;
        (void)send_from(link->fd, bytes_of(text), &at); /* Its loss is seen. */
    }
}

void control_tell_failed(int link, int os) {
    char text[FAILED_SIZE];
    (void)line_make(text, sizeof text, "failed %d\n", os); /* It fits. */
    size_t at = 0;
    (void)send_from(link, bytes_of(text), &at); /* The link's end says it, too. */
}

void control_set_last(struct control *control, struct bytes result) {
    struct line line = line_in(control->last, sizeof control->last);
    line_addf(&line, "exited %d\n", (int)result.len);
    line_add_bytes(&line, result);
    assert(!line.failed);
    control->last_len = line.len;
}

bool control_is_done(const struct control *control) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *client = &control->clients[i];
        if (client->fd >= 0 && (client->keeps || client_has_words(control, client))) {
            return false;
        }
    }
    return true;
}

static bool sizes_differ(const struct client *client, const struct news *news) {
    return memcmp(client->told.size, news->size, sizeof news->size) != 0;
}

/* Lines for an empty buffer, so that all of one turn's fit. */
static void client_add_news(struct client *client, const struct news *news, struct custody *custody,
                            bool quiet) {
    struct news *told = &client->told;
    struct line line = line_in(client->out, sizeof client->out);
    if (told->disk_full != news->disk_full) {
        line_addf(&line, "disk_full %d\n", news->disk_full);
        told->disk_full = news->disk_full;
    }
    if (told->accepted != news->accepted) {
        line_addf(&line, "accepted %lld\n", (long long)news->accepted);
        told->accepted = news->accepted;
    }
    for (unsigned i = 0; i < LOG_STREAMS && !quiet; i++) {
        if (told->size[i] != news->size[i]) {
            line_addf(&line, "grown %s %lld\n", log_stream_name(i), (long long)news->size[i]);
            told->size[i] = news->size[i];
        }
    }
    if (client->wants_gap && input_has_room(&custody->input)) {
        line_addf(&line, "input_gap %lld\n", (long long)custody->input.have);
        client->wants_gap = false;
    }
    if (client->wants_status) {
        line_addf(&line, "status");
        for (unsigned i = 0; i < LOG_STREAMS; i++) {
            line_addf(&line, " %s=%lld", log_stream_name(i), (long long)news->size[i]);
        }
        line_addf(&line, " in=%lld alive=%d disk_full=%d processes=%lld\n",
                  (long long)news->accepted, custody->phase == CUSTODY_RUNNING, news->disk_full,
                  (long long)custody_count(custody));
        client->wants_status = false;
    }
    assert(!line.failed);
    client->out_at = 0;
    client->out_len = line.len;
}

static struct news control_news(const struct custody *custody) {
    struct news news = {.accepted = custody->input.accepted, .disk_full = custody->logs.full};
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        news.size[i] = custody->logs.files[i].size;
    }
    return news;
}

int64_t control_tell(struct control *control, struct custody *custody, int64_t now) {
    const struct news news = control_news(custody);
    bool quiet = now < control->quiet_until && control->last_len == 0;
    bool grown = false, waits = false;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd < 0) {
            continue;
        }
        if (client->out_len == 0) {
            bool differed = sizes_differ(client, &news);
            client_add_news(client, &news, custody, quiet);
            bool differs = sizes_differ(client, &news);
            grown = grown || (differed && !differs);
            waits = waits || differs;
        }
        if (!client_has_words(control, client)) {
            continue;
        }
        bool there =
            send_from(client->fd, (struct bytes){client->out, client->out_len}, &client->out_at);
        if (there && client->out_at == client->out_len) {
            client->out_at = client->out_len = 0;
            there = send_from(client->fd, (struct bytes){control->last, control->last_len},
                              &client->last_at);
        }
        if (!there) {
            fd_release(&client->fd);
        }
    }
    if (grown) {
        control->quiet_until = clock_after(now, CONTROL_GROWN_MS);
    }
    return waits ? control->quiet_until : CLOCK_NEVER;
}

/* --- Verbs ------------------------------------------------------------------------------------ */

struct call {
    struct custody *custody;
    struct client *client;
    int64_t numbers[NUMBERS_MAX];
};

static bool run_status(const struct call *call) {
    call->client->wants_status = true;
    return true;
}

static bool run_stop(const struct call *call) {
    custody_stop(call->custody, call->numbers[0], EXIT_STOPPED);
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
    const struct custody *custody = call->custody;
    if (call->numbers[0] > UINT16_MAX || call->numbers[1] > UINT16_MAX) {
        return false;
    }
    if (order_has(&custody->order, ORDER_PTY) && custody->child.out >= 0) {
        /* A wish; the terminal may just be gone. */
        (void)child_resize(custody->child.out,
                           (struct order_size){call->numbers[0], call->numbers[1]});
    }
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

static const struct verb {
    const char *name;
    unsigned numbers; /* Wanted after the name; more words are a newer daemon's, and skipped. */
    bool (*run)(const struct call *call); /* False: this is not our protocol. */
} verbs[] = {
    {"status", 0, run_status}, {"stop", 1, run_stop}, {"input", 2, run_input},
    {"keep", 0, run_keep},     {"bye", 0, run_bye},   {"input_end", 1, run_input_end},
    {"resize", 2, run_resize},
};

/* Without its line feed; a line of an unknown word is skipped. False: this is not our protocol. */
static bool client_run_line(struct client *client, struct bytes line, struct custody *custody) {
    static const struct number_bounds natural = {0, INT64_MAX};
    struct bytes word = BYTES("");
    (void)bytes_next(&line, ' ', &word); /* An empty line has an unknown word. */
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (!bytes_is(word, verbs[i].name)) {
            continue;
        }
        struct call call = {.custody = custody, .client = client};
        for (unsigned n = 0; n < verbs[i].numbers; n++) {
            if (!bytes_next(&line, ' ', &word) || !number_parse(word, natural, &call.numbers[n])) {
                return false;
            }
        }
        return verbs[i].run(&call);
    }
    return true;
}

/* --- In --------------------------------------------------------------------------------------- */

/* Takes one piece: raw bytes of an `input`, or what belongs to one line. Returns its length; 0: not
 * our protocol. */
static size_t client_take(struct client *client, struct bytes bytes, struct custody *custody) {
    if (client->payload_left > 0) {
        size_t left = (size_t)client->payload_left;
        bytes.len = bytes.len < left ? bytes.len : left;
        /* After a gap, the rest of this one is a gap, too: it is skipped, and asked for again. */
        if (input_take(&custody->input, client->payload_at, bytes) == INPUT_GAP) {
            client->wants_gap = true;
        }
        client->payload_at += (int64_t)bytes.len;
        client->payload_left -= (int64_t)bytes.len;
        return bytes.len;
    }
    const char *feed = memchr(bytes.data, '\n', bytes.len);
    size_t len = feed == NULL ? bytes.len : (size_t)(feed - bytes.data);
    if (len >= sizeof client->line - client->line_len) {
        return 0;
    }
    memcpy(client->line + client->line_len, bytes.data, len);
    client->line_len += len;
    if (feed == NULL) {
        return len;
    }
    struct bytes line = {client->line, client->line_len};
    client->line_len = 0;
    return client_run_line(client, line, custody) ? len + 1 : 0;
}

static void client_receive(struct client *client, struct custody *custody) {
    char chunk[CHUNK_SIZE];
    ssize_t got = recv(client->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    bool ours = got > 0;
    for (size_t at = 0; ours && at < (size_t)got;) {
        size_t len = client_take(client, (struct bytes){chunk + at, (size_t)got - at}, custody);
        ours = len > 0;
        at += len;
    }
    if (!ours) {
        fd_release(&client->fd);
    }
}

static struct client *control_free_client(struct control *control) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        if (control->clients[i].fd < 0) {
            return &control->clients[i];
        }
    }
    return NULL;
}

void control_poll(struct control *control, struct pollfd *polls) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *client = &control->clients[i];
        short events = client_has_words(control, client) ? POLLIN | POLLOUT : POLLIN;
        polls[1 + i] = (struct pollfd){.fd = client->fd, .events = events};
    }
    bool has_place = control_free_client(control) != NULL;
    polls[0] = (struct pollfd){.fd = has_place ? control->listener : -1, .events = POLLIN};
}

void control_serve(struct control *control, const struct pollfd *polls, struct custody *custody) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd >= 0 && (polls[1 + i].revents & ~POLLOUT) != 0) {
            client_receive(client, custody);
        }
    }
    struct client *place = polls[0].revents == 0 ? NULL : control_free_client(control);
    int fd = place == NULL ? -1
                           : accept4(control->listener, /* address */ NULL, /* len */ NULL,
                                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        /* The client learns by `status` how things stand, and hears of changes from now on. */
        *place = (struct client){.fd = fd, .told = control_news(custody)};
    }
}
