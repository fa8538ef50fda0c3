/* control.c: see control.h. */
#include "proc/holder/control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/holder/clock.h"
#include "proc/holder/custody.h"
#include "proc/holder/verbs.h"
#include "proc/holder/words.h"

enum { CHUNK_SIZE = 16 << 10, FAILED_SIZE = 32 };

void control_init(struct control *control, struct control_ends ends) {
    control->listener = ends.listener;
    control->quiet_until = 0;
    control->last_len = 0;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        control->clients[i].fd = -1;
    }
    control->clients[0] = (struct client){.fd = ends.link};
}

static struct client *find_place(struct control *control) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        if (control->clients[i].fd < 0) {
            return &control->clients[i];
        }
    }
    return NULL;
}

static bool has_words(const struct control *control, const struct client *client) {
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

static void send_words(struct control *control, struct client *client) {
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

void control_tell_link(struct control *control, const char *line) {
    struct client *link = &control->clients[0];
    if (link->fd >= 0) {
        size_t at = 0;
        (void)send_from(link->fd, bytes_of(line), &at); /* Its loss is seen. */
    }
}

void control_tell_failed(int link, int os) {
    char text[FAILED_SIZE];
    struct words line;
    words_init(&line, text, sizeof text);
    words_add(&line, "failed ");
    words_add_number(&line, os);
    words_add(&line, "\n");
    size_t at = 0;
    (void)send_from(link, (struct bytes){line.at, line.len},
                    &at); /* The link's end says it, too. */
}

void control_set_last(struct control *control, struct bytes result) {
    struct words words;
    words_init(&words, control->last, sizeof control->last);
    words_add(&words, "exited ");
    words_add_number(&words, (int64_t)result.len);
    words_add(&words, "\n");
    words_add_bytes(&words, result);
    assert(!words.failed);
    control->last_len = words.len;
}

bool control_is_done(const struct control *control) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *client = &control->clients[i];
        if (client->fd >= 0 && (client->keeps || has_words(control, client))) {
            return false;
        }
    }
    return true;
}

static void add_line(struct words *words, const char *word, int64_t number) {
    words_add(words, word);
    words_add(words, " ");
    words_add_number(words, number);
    words_add(words, "\n");
}

static void add_grown(struct words *words, struct news *told, const struct news *now) {
    for (unsigned i = 0; i < LOGS_STREAMS; i++) {
        if (told->size[i] != now->size[i]) {
            words_add(words, "grown ");
            add_line(words, logs_name(i), now->size[i]);
            told->size[i] = now->size[i];
        }
    }
}

static void add_pair(struct words *words, const char *key, int64_t number) {
    words_add(words, " ");
    words_add(words, key);
    words_add(words, "=");
    words_add_number(words, number);
}

static void add_status(struct words *words, const struct news *now, struct custody *custody) {
    words_add(words, "status");
    for (unsigned i = 0; i < LOGS_STREAMS; i++) {
        add_pair(words, logs_name(i), now->size[i]);
    }
    add_pair(words, "in", now->accepted);
    add_pair(words, "alive", now->alive);
    add_pair(words, "disk_full", now->disk_full);
    add_pair(words, "processes", custody_count(custody));
    words_add(words, "\n");
}

static bool is_quiet(const struct control *control, int64_t now) {
    return now < control->quiet_until && control->last_len == 0;
}

static bool sizes_differ(const struct client *client, const struct news *now) {
    return memcmp(client->told.size, now->size, sizeof now->size) != 0;
}

/* Only into an empty buffer, so that all of one turn's lines fit. */
static void add_news(struct control *control, struct client *client, const struct news *news,
                     struct custody *custody, int64_t now) {
    struct words words;
    words_init(&words, client->out, sizeof client->out);
    if (client->told.disk_full != news->disk_full) {
        add_line(&words, "disk_full", news->disk_full);
        client->told.disk_full = news->disk_full;
    }
    if (client->told.accepted != news->accepted) {
        add_line(&words, "accepted", news->accepted);
        client->told.accepted = news->accepted;
    }
    if (!is_quiet(control, now)) {
        add_grown(&words, &client->told, news);
    }
    if (client->wants_gap && news->has_room) {
        add_line(&words, "input_gap", custody->input.have);
        client->wants_gap = false;
    }
    if (client->wants_status) {
        add_status(&words, news, custody);
        client->wants_status = false;
    }
    assert(!words.failed);
    client->out_at = 0;
    client->out_len = words.len;
}

int64_t control_tell(struct control *control, struct custody *custody, int64_t now) {
    const struct news news = custody_news(custody);
    bool grown = false, waits = false;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd < 0) {
            continue;
        }
        if (client->out_len == 0) {
            bool differed = sizes_differ(client, &news);
            add_news(control, client, &news, custody, now);
            bool differs = sizes_differ(client, &news);
            grown = grown || (differed && !differs);
            waits = waits || differs;
        }
        if (has_words(control, client)) {
            send_words(control, client);
        }
    }
    if (grown) {
        control->quiet_until = clock_after(now, CONTROL_GROWN_MS);
    }
    return waits ? control->quiet_until : CLOCK_NEVER;
}

/* --- In --------------------------------------------------------------------------------------- */

/* One piece: raw bytes, or what belongs to one line. Returns its length; 0: not our protocol. */
static size_t take_piece(struct client *client, struct bytes bytes, struct custody *custody) {
    if (client->payload_left > 0) {
        size_t left = (size_t)client->payload_left;
        size_t len = bytes.len < left ? bytes.len : left;
        verbs_payload(custody, client, (struct bytes){bytes.data, len});
        return len;
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
    return verbs_line(custody, client, line) ? len + 1 : 0;
}

static void receive(struct client *client, struct custody *custody) {
    char chunk[CHUNK_SIZE];
    ssize_t got = recv(client->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) {
        return;
    }
    bool ours = got > 0;
    for (size_t at = 0; ours && at < (size_t)got;) {
        size_t len = take_piece(client, (struct bytes){chunk + at, (size_t)got - at}, custody);
        ours = len > 0;
        at += len;
    }
    if (!ours) {
        fd_release(&client->fd);
    }
}

static void admit(struct control *control, struct custody *custody) {
    struct client *place = find_place(control);
    if (place == NULL) {
        return;
    }
    int fd = accept4(control->listener, /* address */ NULL, /* len */ NULL,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        /* What it was not told by us it learns by `status`; from now on it hears what changes. */
        *place = (struct client){.fd = fd, .told = custody_news(custody)};
    }
}

void control_poll(const struct control *control, struct pollfd *polls) {
    bool has_place = false;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *client = &control->clients[i];
        short events = has_words(control, client) ? POLLIN | POLLOUT : POLLIN;
        polls[1 + i] = (struct pollfd){.fd = client->fd, .events = events};
        has_place = has_place || client->fd < 0;
    }
    polls[0] = (struct pollfd){.fd = has_place ? control->listener : -1, .events = POLLIN};
}

void control_serve(struct control *control, const struct pollfd *polls, struct custody *custody) {
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *client = &control->clients[i];
        if (client->fd >= 0 && (polls[1 + i].revents & ~POLLOUT) != 0) {
            receive(client, custody);
        }
    }
    if (polls[0].revents != 0) {
        admit(control, custody);
    }
}
