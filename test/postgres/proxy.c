/* proxy.c: see proxy.h. PostgreSQL's messages are a type byte, a length that counts itself (4
 * bytes, big-endian) and a body; only the first message of a client has no type. */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    PAIRS_MAX = 32,
    PARSED_MAX = 64, /* Statements remembered for each connection. */
    NAME_SIZE = 32,
    SQL_SIZE = 256,
    READ_SIZE = 64 << 10,
    PATH_SIZE = 80,
};

struct side {
    int fd;
    char *bytes; /* Owned: the beginning of a message that is not whole yet. */
    size_t len;
};

struct parsed {
    char name[NAME_SIZE], sql[SQL_SIZE];
};

struct pair {
    struct side client, server;
    bool started; /* The message without a type has passed. */
    bool firing;  /* The armed statement has passed; waiting for its end. */
    struct parsed parsed[PARSED_MAX];
    size_t parsed_count;
};

struct proxy {
    pthread_t thread;
    int listener, wake;
    char dir[PATH_SIZE], socket[PATH_SIZE + 20], server[PATH_SIZE + 20];
    struct pair pairs[PAIRS_MAX];

    pthread_mutex_t mutex; /* Guards what follows. */
    char sql[SQL_SIZE];
    enum proxy_cut cut;
    unsigned skip, connections;
    bool armed, has_cut, stop, refuse, mute;
};

static void must(bool condition, const char *what) {
    if (!condition) {
        perror(what);
        abort();
    }
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    must(len > 0 && (size_t)len < sizeof address.sun_path, "proxy: path");
    return address;
}

static void side_close(struct side *side) {
    if (side->fd >= 0) {
        (void)close(side->fd); /* Nothing is left to be written. */
    }
    mem_free(side->bytes);
    *side = (struct side){.fd = -1};
}

static void pair_close(struct pair *pair) {
    side_close(&pair->client);
    side_close(&pair->server);
    pair->started = pair->firing = false;
    pair->parsed_count = 0;
}

/* False: the other side is gone. */
static bool send_all(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0) {
            return false;
        }
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static size_t message_len(const struct side *side, bool typed) {
    size_t at = typed ? 1 : 0;
    if (side->len < at + 4) {
        return 0;
    }
    uint32_t len = 0;
    memcpy(&len, side->bytes + at, sizeof len);
    size_t whole = at + ntohl(len);
    return side->len >= whole ? whole : 0;
}

/* --- What is armed ---------------------------------------------------------------------------- */

/* Parse: name, text. */
static void note_parsed(struct pair *pair, const char *message) {
    const char *name = message + 5, *sql = name + strlen(name) + 1;
    struct parsed *parsed = &pair->parsed[pair->parsed_count % PARSED_MAX];
    (void)snprintf(parsed->name, sizeof parsed->name, "%s", name);
    (void)snprintf(parsed->sql, sizeof parsed->sql, "%s", sql);
    pair->parsed_count++;
}

static const char *sql_of(const struct pair *pair, const char *name) {
    for (size_t i = 0; i < pair->parsed_count && i < PARSED_MAX; i++) {
        if (strcmp(pair->parsed[i].name, name) == 0) {
            return pair->parsed[i].sql;
        }
    }
    return "";
}

/* Bind: portal, name. Is this the execution to cut at? */
static bool fires(struct proxy *proxy, const struct pair *pair, const char *message) {
    const char *portal = message + 5, *name = portal + strlen(portal) + 1;
    pthread_mutex_lock(&proxy->mutex);
    bool matches = proxy->armed && strcmp(sql_of(pair, name), proxy->sql) == 0;
    bool fired = matches && proxy->skip == 0;
    if (fired) {
        proxy->armed = false;
    } else if (matches) {
        proxy->skip--;
    }
    pthread_mutex_unlock(&proxy->mutex);
    return fired;
}

static enum proxy_cut cut_of(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    enum proxy_cut cut = proxy->cut;
    pthread_mutex_unlock(&proxy->mutex);
    return cut;
}

static void note_cut(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    proxy->has_cut = true;
    pthread_mutex_unlock(&proxy->mutex);
}

static void cut_now(struct proxy *proxy, struct pair *pair) {
    note_cut(proxy); /* First: whoever sees the line end may ask at once. */
    pair_close(pair);
}

/* --- One message ------------------------------------------------------------------------------ */

/* False: the pair is gone. */
static bool from_client(struct proxy *proxy, struct pair *pair, const char *message, size_t len) {
    if (!pair->started) {
        pair->started = true;
    } else if (message[0] == 'P') {
        note_parsed(pair, message);
    } else if (message[0] == 'B' && fires(proxy, pair, message)) {
        pair->firing = true;
        if (cut_of(proxy) == PROXY_CUT_REQUEST) {
            cut_now(proxy, pair);
            return false;
        }
    }
    bool sent = send_all(pair->server.fd, message, len);
    if (sent && pair->firing && message[0] == 'S' && cut_of(proxy) == PROXY_CUT_RACE) {
        cut_now(proxy, pair); /* The server has the whole round, up to its Sync. */
        return false;
    }
    return sent;
}

static bool from_server(struct proxy *proxy, struct pair *pair, const char *message, size_t len) {
    bool ready = message[0] == 'Z';
    enum proxy_cut cut = cut_of(proxy);
    bool withheld = pair->firing && (cut == PROXY_CUT_ANSWER || cut == PROXY_CUT_SILENT);
    bool sent = withheld || send_all(pair->client.fd, message, len);
    if (pair->firing && ready && cut == PROXY_CUT_SILENT) {
        note_cut(proxy);
        return true;
    }
    if (sent && pair->firing && ready) {
        cut_now(proxy, pair);
        return false;
    }
    return sent;
}

/* Reads what there is and passes on the whole messages. False: the pair is gone. */
static bool pump(struct proxy *proxy, struct pair *pair, bool is_client) {
    struct side *side = is_client ? &pair->client : &pair->server;
    side->bytes = mem_grow(side->bytes, side->len + READ_SIZE);
    ssize_t got = recv(side->fd, side->bytes + side->len, READ_SIZE, 0);
    if (got <= 0) {
        return false;
    }
    side->len += (size_t)got;
    for (size_t len = message_len(side, !is_client || pair->started); len > 0;
         len = message_len(side, !is_client || pair->started)) {
        bool there = is_client ? from_client(proxy, pair, side->bytes, len)
                               : from_server(proxy, pair, side->bytes, len);
        if (!there) {
            return false;
        }
        side->len -= len;
        memmove(side->bytes, side->bytes + len, side->len);
    }
    return true;
}

/* --- The thread ------------------------------------------------------------------------------- */

static struct pair *free_pair(struct proxy *proxy) {
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        if (proxy->pairs[i].client.fd < 0) {
            return &proxy->pairs[i];
        }
    }
    return NULL;
}

static void admit(struct proxy *proxy) {
    int fd = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    must(fd >= 0, "proxy: accept");
    pthread_mutex_lock(&proxy->mutex);
    proxy->connections++;
    bool refuse = proxy->refuse;
    pthread_mutex_unlock(&proxy->mutex);
    struct pair *pair = free_pair(proxy);
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(server >= 0 && pair != NULL, "proxy: socket");
    struct sockaddr_un address = address_of(proxy->server);
    pair->client.fd = fd;
    pair->server.fd = server;
    if (refuse || connect(server, (struct sockaddr *)&address, sizeof address) != 0) {
        pair_close(pair);
    }
}

static bool stopped(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    bool stop = proxy->stop;
    pthread_mutex_unlock(&proxy->mutex);
    return stop;
}

static bool muted(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    bool mute = proxy->mute;
    pthread_mutex_unlock(&proxy->mutex);
    return mute;
}

static void *run(void *ctx) {
    struct proxy *proxy = ctx;
    while (!stopped(proxy)) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {{.fd = proxy->listener, .events = POLLIN},
                                                {.fd = proxy->wake, .events = POLLIN}};
        bool mute = muted(proxy);
        for (size_t i = 0; i < PAIRS_MAX && !mute; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].client.fd, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = proxy->pairs[i].server.fd, .events = POLLIN};
        }
        must(poll(fds, COUNT_OF(fds), -1) >= 0 || errno == EINTR, "proxy: poll");
        eventfd_t wakes = 0;
        if (fds[1].revents != 0) {
            must(eventfd_read(proxy->wake, &wakes) == 0, "proxy: wake");
        }
        for (size_t i = 0; i < PAIRS_MAX && !mute; i++) {
            struct pair *pair = &proxy->pairs[i];
            bool there = fds[2 + 2 * i].revents == 0 || pump(proxy, pair, /* is_client */ true);
            there =
                there && (fds[3 + 2 * i].revents == 0 || pump(proxy, pair, /* is_client */ false));
            if (!there) {
                pair_close(pair);
            }
        }
        if (fds[0].revents != 0) {
            admit(proxy);
        }
    }
    return NULL;
}

struct proxy *proxy_open(const char *server_socket) {
    struct proxy *proxy = mem_new(sizeof *proxy);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        proxy->pairs[i].client.fd = proxy->pairs[i].server.fd = -1;
    }
    (void)snprintf(proxy->server, sizeof proxy->server, "%s", server_socket);
    /* Beside the server's socket, so that it goes with the server even when a test fails. */
    int len = (int)(strrchr(server_socket, '/') - server_socket);
    (void)snprintf(proxy->dir, sizeof proxy->dir, "%.*s/px.XXXXXX", len, server_socket);
    must(mkdtemp(proxy->dir) != NULL, "proxy: mkdtemp");
    (void)snprintf(proxy->socket, sizeof proxy->socket, "%s/.s.PGSQL.5432", proxy->dir);
    struct sockaddr_un address = address_of(proxy->socket);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(proxy->listener, (struct sockaddr *)&address, sizeof address) == 0, "proxy: bind");
    must(listen(proxy->listener, PAIRS_MAX) == 0, "proxy: listen");
    proxy->wake = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&proxy->mutex, NULL);
    must(pthread_create(&proxy->thread, NULL, run, proxy) == 0, "proxy: thread");
    return proxy;
}

void proxy_close(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    proxy->stop = true;
    pthread_mutex_unlock(&proxy->mutex);
    must(eventfd_write(proxy->wake, 1) == 0, "proxy: wake");
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < PAIRS_MAX; i++) {
        pair_close(&proxy->pairs[i]);
    }
    must(close(proxy->listener) == 0 && close(proxy->wake) == 0, "proxy: close");
    must(unlink(proxy->socket) == 0 && rmdir(proxy->dir) == 0, "proxy: remove");
    pthread_mutex_destroy(&proxy->mutex);
    mem_free(proxy);
}

const char *proxy_dir(const struct proxy *proxy) {
    return proxy->dir;
}

void proxy_arm(struct proxy *proxy, const char *sql, enum proxy_cut cut, unsigned skip) {
    pthread_mutex_lock(&proxy->mutex);
    (void)snprintf(proxy->sql, sizeof proxy->sql, "%s", sql);
    proxy->cut = cut;
    proxy->skip = skip;
    proxy->armed = true;
    proxy->has_cut = false;
    pthread_mutex_unlock(&proxy->mutex);
}

bool proxy_has_cut(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    bool has_cut = proxy->has_cut;
    pthread_mutex_unlock(&proxy->mutex);
    return has_cut;
}

unsigned proxy_connections(struct proxy *proxy) {
    pthread_mutex_lock(&proxy->mutex);
    unsigned connections = proxy->connections;
    pthread_mutex_unlock(&proxy->mutex);
    return connections;
}

void proxy_refuse(struct proxy *proxy, bool refuse) {
    pthread_mutex_lock(&proxy->mutex);
    proxy->refuse = refuse;
    pthread_mutex_unlock(&proxy->mutex);
}

void proxy_mute(struct proxy *proxy, bool mute) {
    pthread_mutex_lock(&proxy->mutex);
    proxy->mute = mute;
    pthread_mutex_unlock(&proxy->mutex);
    must(eventfd_write(proxy->wake, 1) == 0, "proxy: wake");
}
