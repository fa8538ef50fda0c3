/* client.c: one request at a time over one connection.
 *
 * llhttp reads the answers, as it reads the requests in the daemon: one parser to trust.
 *
 * Sockets do not block, and each wait is a poll(2), so that it has an end. The Unix socket is
 * reached through its directory's descriptor (/proc/self/fd/N/drover.sock): the address of a Unix
 * socket holds 108 bytes, and a data directory may be deeper than that.
 */
#include "cli/base/client.h"

#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "base/number.h"
#include "store/datadir.h"

enum {
    RECEIVE_SIZE = 64 << 10,
    BODY_SIZE_MAX = 32 << 20,
    HEADER_SIZE = 256,
    CALL_MS = 30 * 1000,
    KEPT_HEADERS_MAX = 9,
    CONNECT_MS = 10 * 1000,
    CONNECT_STEP_MS = 10,
    SEND_MS = 30 * 1000,
};

/* A header that is kept, its name in lower case: "drover-next", "512". */
struct kept_header {
    char name[32], value[96];
};

struct answer {
    bool head_done, message_done;
    bool answered;   /* At least one byte came. */
    bool handed_out; /* The body is in the caller's hands until its next call. */
    int status;
    char field[32], value[HEADER_SIZE]; /* The header that is being read. */
    size_t field_len, value_len;
    struct kept_header kept[KEPT_HEADERS_MAX];
    unsigned kept_count;
    size_t raw_at, raw_len; /* Bytes read after the head of an upgrade. */
};

struct client {
    const struct client_options *options; /* Borrowed. */
    bool tcp;
    struct client_address address;
    int fd;             /* Owned; -1: not connected. */
    bool reused;        /* The connection has carried an answer before. */
    bool was_connected; /* At least one connection was made. */
    llhttp_t parser;
    llhttp_settings_t settings;
    struct answer answer;
    struct text body; /* Owned: decoded bytes that nobody has taken yet. */
    char *in;         /* Owned: RECEIVE_SIZE bytes. */
    json_t *problem;  /* Owned: the last one; NULL: there was none. */
};

/* --- Sockets ---------------------------------------------------------------------------------- */

static void address_info_release(struct addrinfo **info) {
    if (*info != NULL) {
        freeaddrinfo(*info);
    }
}

struct err client_url_parse(const char *url, struct client_address *ret_address, struct why *why) {
    static const char scheme[] = "http://", unix_scheme[] = "unix:/";
    struct client_address address = {.port = "80"};
    if (strncmp(url, unix_scheme, sizeof unix_scheme - 1) == 0) {
        *ret_address = (struct client_address){
            .host = "localhost", .port = "80", .path = url + sizeof unix_scheme - 2};
        return ERR_OK;
    }
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) {
        return err_why(why, ERR_USAGE, "'%s' is not an address like http://127.0.0.1:7433", url);
    }
    const char *host = url + sizeof scheme - 1;
    size_t len = strcspn(host, "/");
    const char *rest = host + len;
    const char *colon = memrchr(host, ':', len);
    if (colon != NULL && memchr(colon, ']', len - (size_t)(colon - host)) == NULL) {
        struct bytes digits = {colon + 1, len - (size_t)(colon + 1 - host)};
        int64_t port = 0;
        if (!number_parse(digits, (struct number_bounds){1, 65535}, &port)) {
            return err_why(why, ERR_USAGE, "'%s': the port is not a number from 1 to 65535", url);
        }
        (void)snprintf(address.port, sizeof address.port, "%d", (int)port); /* 5 digits fit. */
        len = (size_t)(colon - host);
    }
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof address.host || (rest[0] != '\0' && strcmp(rest, "/") != 0)) {
        return err_why(why, ERR_USAGE, "'%s' is not an address like http://127.0.0.1:7433", url);
    }
    memcpy(address.host, host, len);
    *ret_address = address;
    return ERR_OK;
}

/* Until `fd` has one of `events`, for at most timeout_ms. */
static struct err wait_for(const struct client_options *options, int fd, short events,
                           int64_t timeout_ms) {
    struct pollfd polls[] = {{.fd = fd, .events = events},
                             {.fd = options->interrupt_fd, .events = POLLIN}};
    const struct client_tick *tick = options->tick;
    for (int64_t left_ms = timeout_ms;;) {
        int64_t slice_ms = tick != NULL && tick->every_ms < left_ms ? tick->every_ms : left_ms;
        int ready = poll(polls, COUNT_OF(polls), (int)slice_ms);
        if (ready < 0 && errno != EINTR) {
            return err_from_errno(errno, "client: poll");
        }
        if (ready > 0) {
            bool left = (polls[1].revents & POLLIN) != 0;
            return left ? err_make(ERR_INTERRUPTED, "client: wait") : ERR_OK;
        }
        left_ms -= ready == 0 ? slice_ms : 0;
        if (ready == 0 && left_ms <= 0) {
            return err_from_errno(ETIMEDOUT, "client: wait");
        }
        if (ready == 0) {
            tick->run(tick->ctx); /* Slices are only cut for it. */
        }
    }
}

struct err client_pause(const struct client_options *options, int64_t pause_ms) {
    if (options->before_wait != NULL) {
        options->before_wait(options->ctx);
    }
    struct err err = wait_for(options, -1, 0, pause_ms);
    return err.os == ETIMEDOUT ? ERR_OK : err;
}

/* Finishes a connect that may still be under way. */
static struct err connect_finish(const struct client_options *options, int fd, int result) {
    if (result == 0) {
        return ERR_OK;
    }
    if (errno != EINPROGRESS) {
        return (struct err){.code = ERR_UNREACHABLE, .os = errno, .step = "client: connect"};
    }
    struct err err = wait_for(options, fd, POLLOUT, CONNECT_MS);
    if (err_failed(err)) {
        return err.code == ERR_INTERRUPTED ? err : err_make(ERR_UNREACHABLE, "client: connect");
    }
    int failure = 0;
    socklen_t len = sizeof failure;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &len) < 0 || failure != 0) {
        return err_make(ERR_UNREACHABLE, "client: connect");
    }
    return ERR_OK;
}

/* EAGAIN of a Unix socket is no connect under way: the queue of the listener is full, and nothing
 * reports when it has room. */
static struct err connect_queue(const struct client_options *options, int fd,
                                const struct sockaddr_un *address, struct why *why) {
    for (unsigned waited_ms = 0;; waited_ms += CONNECT_STEP_MS) {
        int result = connect(fd, (const struct sockaddr *)address, sizeof *address);
        if (result == 0 || errno != EAGAIN) {
            return connect_finish(options, fd, result);
        }
        if (waited_ms >= CONNECT_MS) {
            return err_why(why, ERR_OVERLOADED,
                           "the daemon of %s accepts no connection for %d s; is it stopped?",
                           options->data, CONNECT_MS / 1000);
        }
        struct err err = wait_for(options, -1, 0, CONNECT_STEP_MS);
        if (err.os != ETIMEDOUT) {
            return err;
        }
    }
}

/* A user namespace shows the users that it does not map as one. */
static bool user_is_hidden(uid_t user) {
    enum { HIDDEN_USER = 65534, MAP_MAX = 256 };
    char map[MAP_MAX] = "";
    if (user != HIDDEN_USER) {
        return false;
    }
    AUTO(fd_release) int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
    const ssize_t len = fd < 0 ? 0 : read(fd, map, sizeof map - 1);
    return len > 0 && strstr(map, "4294967295") == NULL; /* Else all users are mapped. */
}

bool client_may_be_own(uid_t user) {
    return user == geteuid() || user_is_hidden(user);
}

/* Sentence about a socket, or a directory, that cannot be reached; `os` is the cause. */
static struct err unix_why(const struct client_options *options, int os, struct why *why) {
    struct stat about;
    const char *data = options->data;
    AUTO(mem_release) char *socket = datadir_path(data, "drover.sock");
    switch (os) {
    case EACCES:
    case EPERM:
        if (stat(socket, &about) == 0 || stat(data, &about) == 0) {
            const struct passwd *owner = getpwuid(about.st_uid);
            if (client_may_be_own(about.st_uid)) {
                return err_why(why, ERR_NO_PERMISSION,
                               "a sandbox around this command forbids it to reach the socket of the"
                               " daemon of %s (%s); run it outside, or let the sandbox allow that",
                               data, strerror(os));
            }
            return err_why(
                why, ERR_NO_PERMISSION,
                "the daemon of %s belongs to user %s (uid %u), and its socket is for that"
                " user alone; reach it with --url and a token instead",
                data, owner != NULL ? owner->pw_name : "unknown", about.st_uid);
        }
        return err_why(why, ERR_NO_PERMISSION, "%s cannot be read: %s", data, strerror(os));
    case ENOTDIR:
        return err_why(why, ERR_USAGE, "%s is not a directory, and no data directory can be in it",
                       data);
    case ECONNREFUSED:
        why_set(why,
                "the daemon of %s is gone without a shutdown, and left its socket; start one"
                " with 'drover serve --data %s'",
                data, data);
        break;
    default:
        why_set(why, "no daemon serves %s; start one with 'drover serve --data %s'", data, data);
    }
    return (struct err){.code = ERR_UNREACHABLE, .os = os, .step = "client: connect"};
}

static struct err socket_connect(const struct client_options *options, const char *path,
                                 int *ret_fd, struct why *why) {
    AUTO(fd_release) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (fd < 0) {
        return err_from_errno(errno, "client: socket");
    }
    int len = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (len < 0 || (size_t)len >= sizeof address.sun_path) {
        return err_why(why, ERR_USAGE, "the path of a socket has at most %zu bytes: %s",
                       sizeof address.sun_path - 1, path);
    }
    TRY(connect_queue(options, fd, &address, why));
    *ret_fd = fd_take(&fd);
    return ERR_OK;
}

static struct err connect_unix(const struct client_options *options, int *ret_fd, struct why *why) {
    AUTO(fd_release) int directory = open(options->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char path[64];
    if (directory < 0) {
        return unix_why(options, errno, why);
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/drover.sock", directory); /* Fits. */
    struct err err = socket_connect(options, path, ret_fd, why);
    return err.code == ERR_UNREACHABLE ? unix_why(options, err.os, why) : err;
}

/* The socket that a daemon listens on beside the one of its data directory. */
static struct err connect_path(const struct client_options *options, const char *path, int *ret_fd,
                               struct why *why) {
    struct err err = socket_connect(options, path, ret_fd, why);
    if (err.code == ERR_UNREACHABLE) {
        why_set(why, "no daemon answers at %s, or this user may not connect to it", path);
    }
    return err;
}

static struct err connect_tcp(const struct client_options *options, const struct client_address *to,
                              int *ret_fd, struct why *why) {
    if (to->path != NULL) {
        return connect_path(options, to->path, ret_fd, why);
    }
    AUTO(address_info_release) struct addrinfo *list = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    int failure = getaddrinfo(to->host, to->port, &hints, &list);
    struct err err = err_make(ERR_UNREACHABLE, "client: connect");
    why_set(why, "no server answers at %s port %s%s%s", to->host, to->port,
            failure != 0 ? ": " : "", failure != 0 ? gai_strerror(failure) : "");
    for (struct addrinfo *at = failure == 0 ? list : NULL; at != NULL; at = at->ai_next) {
        AUTO(fd_release)
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            continue;
        }
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* Only slower without. */
        err = connect_finish(options, fd, connect(fd, at->ai_addr, at->ai_addrlen));
        if (!err_failed(err)) {
            *ret_fd = fd_take(&fd);
            return ERR_OK;
        }
        if (err.code == ERR_INTERRUPTED) {
            return err;
        }
    }
    return err;
}

static struct err socket_send(const struct client_options *options, int fd, struct bytes bytes,
                              struct why *why) {
    size_t sent = 0;
    while (sent < bytes.len) {
        ssize_t n = send(fd, bytes.data + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno == EAGAIN) {
            TRY(wait_for(options, fd, POLLOUT, SEND_MS));
        } else if (errno != EINTR) {
            struct err err = {.code = ERR_IO, .os = errno, .step = "client: send"};
            why_set(why, "the connection broke while sending: %s", strerror(err.os));
            return err;
        }
    }
    return ERR_OK;
}

static struct err socket_receive(const struct client_options *options, int fd, int64_t timeout_ms,
                                 char *bytes, size_t size, size_t *ret_len, struct why *why) {
    /* A stream that never pauses never waits, and Ctrl-C must end that too. */
    struct pollfd interrupt = {.fd = options->interrupt_fd, .events = POLLIN};
    if (poll(&interrupt, 1, 0 /* just a look */) > 0) {
        return err_make(ERR_INTERRUPTED, "client: receive");
    }
    for (;;) {
        ssize_t n = recv(fd, bytes, size, 0);
        if (n >= 0) {
            *ret_len = (size_t)n;
            return ERR_OK;
        }
        if (errno == EAGAIN) {
            if (options->before_wait != NULL) {
                options->before_wait(options->ctx);
            }
            struct err err = wait_for(options, fd, POLLIN, timeout_ms);
            if (err.os == ETIMEDOUT) {
                why_set(why, "the daemon was silent for %lld s", (long long)timeout_ms / 1000);
                return (struct err){.code = ERR_IO, .os = ETIMEDOUT, .step = "client: receive"};
            }
            if (err_failed(err)) {
                return err;
            }
        } else if (errno != EINTR) {
            struct err err = {.code = ERR_IO, .os = errno, .step = "client: receive"};
            why_set(why, "the connection broke: %s", strerror(err.os));
            return err;
        }
    }
}

/* --- Reading an answer ------------------------------------------------------------------------ */

static void header_piece(char *room, size_t size, size_t *len, struct bytes piece) {
    size_t more = piece.len < size - 1 - *len ? piece.len : size - 1 - *len; /* The rest is cut. */
    memcpy(room + *len, piece.data, more);
    *len += more;
    room[*len] = '\0';
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
    struct answer *answer = &((struct client *)parser->data)->answer;
    header_piece(answer->field, sizeof answer->field, &answer->field_len, (struct bytes){at, len});
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
    struct answer *answer = &((struct client *)parser->data)->answer;
    header_piece(answer->value, sizeof answer->value, &answer->value_len, (struct bytes){at, len});
    return 0;
}

static int on_value_complete(llhttp_t *parser) {
    struct answer *answer = &((struct client *)parser->data)->answer;
    struct kept_header *kept = &answer->kept[answer->kept_count];
    bool wanted = strncasecmp(answer->field, "drover-", strlen("drover-")) == 0 ||
                  strcasecmp(answer->field, "sec-websocket-accept") == 0;
    if (wanted && answer->kept_count < KEPT_HEADERS_MAX && answer->value_len < sizeof kept->value) {
        for (size_t i = 0; i <= answer->field_len; i++) {
            char c = answer->field[i];
            kept->name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        memcpy(kept->value, answer->value, answer->value_len + 1);
        answer->kept_count++;
    }
    answer->field_len = 0;
    answer->value_len = 0;
    return 0;
}

static int on_head(llhttp_t *parser) {
    struct answer *answer = &((struct client *)parser->data)->answer;
    answer->head_done = true;
    answer->status = parser->status_code;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
    struct client *client = parser->data;
    text_add(&client->body, at, len);
    return text_failed(&client->body) ? HPE_USER : 0;
}

static int on_complete(llhttp_t *parser) {
    struct client *client = parser->data;
    if (client->answer.status >= 200 || client->answer.status == 101) {
        client->answer.message_done = true;
        return HPE_PAUSED;
    }
    client->answer.head_done = false; /* 100 Continue: the answer is still to come. */
    return 0;
}

/* More of the answer, or its end. */
static struct err receive(struct client *client, int64_t timeout_ms, struct why *why) {
    size_t len = 0;
    TRY(socket_receive(client->options, client->fd, timeout_ms, client->in, RECEIVE_SIZE, &len,
                       why));
    client->answer.answered = client->answer.answered || len > 0;
    if (len == 0) {
        /* An answer without a length ends with its connection; any other was cut off. */
        (void)llhttp_finish(&client->parser);
        if (!client->answer.message_done) {
            return err_why(why, ERR_IO, "the daemon closed the connection");
        }
        return ERR_OK;
    }
    enum llhttp_errno code = llhttp_execute(&client->parser, client->in, len);
    if (code == HPE_PAUSED || code == HPE_PAUSED_UPGRADE) {
        client->answer.raw_at = (size_t)(llhttp_get_error_pos(&client->parser) - client->in);
        client->answer.raw_len = len;
    } else if (code != HPE_OK) {
        return err_why(why, ERR_INTERNAL, "the daemon's answer is not HTTP: %s",
                       llhttp_errno_name(code));
    }
    return ERR_OK;
}

/* --- Sending a request ------------------------------------------------------------------------ */

static void request_write(const struct client *client, const struct client_request *request,
                          struct text *text) {
    text_addf(text, "%s %s HTTP/1.1\r\n", request->method, request->target);
    if (client->tcp) {
        bool six = strchr(client->address.host, ':') != NULL;
        text_addf(text, "Host: %s%s%s:%s\r\n", six ? "[" : "", client->address.host, six ? "]" : "",
                  client->address.port);
    } else {
        text_add_str(text, "Host: localhost\r\n");
    }
    if (client->options->token != NULL) {
        text_addf(text, "Authorization: Bearer %s\r\n", client->options->token);
    }
    if (client->options->environment != NULL && !client->tcp) {
        text_addf(text, "Drover-Environment: %s\r\n", client->options->environment);
    }
    const char *json = "application/json";
    text_addf(text, "Accept: %s\r\n", request->accept != NULL ? request->accept : json);
    if (request->key != NULL) {
        text_addf(text, "Idempotency-Key: %s\r\n", request->key);
    }
    if (request->websocket_key != NULL) {
        text_addf(text,
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: %s\r\n",
                  request->websocket_key);
    }
    if (request->body.len > 0) {
        text_addf(text, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                  request->type != NULL ? request->type : json, request->body.len);
    }
    text_add_str(text, "\r\n");
    text_add(text, request->body.data, request->body.len);
}

/* A line break would begin a header of its own. */
static bool is_one_line(const char *value) {
    for (; value != NULL && *value != '\0'; value++) {
        if ((unsigned char)*value < 0x20 || *value == 0x7f) {
            return false;
        }
    }
    return true;
}

/* The daemon has closed an idle connection: it was restarted, killed, or ended because it was idle.
 * Nothing was sent over it yet, so that any request may take a new one. */
static bool connection_is_stale(int fd) {
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

struct err client_ask(struct client *client, const struct client_request *request,
                      struct why *why) {
    llhttp_settings_init(&client->settings);
    client->settings.on_header_field = on_field;
    client->settings.on_header_value = on_value;
    client->settings.on_header_value_complete = on_value_complete;
    client->settings.on_headers_complete = on_head;
    client->settings.on_body = on_body;
    client->settings.on_message_complete = on_complete;
    llhttp_init(&client->parser, HTTP_RESPONSE, &client->settings);
    client->parser.data = client;
    client->answer = (struct answer){.status = 0};
    text_clear(&client->body);

    if (!is_one_line(client->options->token) || !is_one_line(request->key)) {
        return err_why(why, ERR_USAGE, "%s must not contain control characters",
                       is_one_line(request->key) ? "DROVER_TOKEN" : "--key");
    }
    AUTO(text_done) struct text text = {0};
    text_init(&text, BODY_SIZE_MAX);
    request_write(client, request, &text);
    if (text_failed(&text)) {
        return err_make(ERR_OUT_OF_MEMORY, "client: request");
    }
    if (client->fd >= 0 && client->reused && connection_is_stale(client->fd)) {
        fd_release(&client->fd);
    }
    if (client->fd < 0) {
        client->reused = false;
        const struct client_options *options = client->options;
        struct err err = client->tcp ? connect_tcp(options, &client->address, &client->fd, why)
                                     : connect_unix(options, &client->fd, why);
        if (err.code == ERR_UNREACHABLE && !client->tcp && options->start != NULL) {
            err = options->start(options->start_ctx, client->was_connected, why);
            err = err_failed(err) ? err : connect_unix(options, &client->fd, why);
        }
        if (err_failed(err)) {
            return err;
        }
        client->was_connected = true;
    }
    return socket_send(client->options, client->fd, text_bytes(&text), why);
}

/* --- Problems --------------------------------------------------------------------------------- */

/* {"code","title","status","detail"} in the body becomes an error like our own. */
static struct err problem_read(struct client *client, struct why *why) {
    json_release(&client->problem);
    struct err err =
        json_parse_wrapped(text_bytes(&client->body), &client->problem, NULL /* no why */);
    const json_t *json = client->problem;
    const char *code = err_failed(err) ? NULL : json_str(json, "code", NULL);
    bool from_daemon = code != NULL && (client_error_code(code) != ERR_INTERNAL ||
                                        strcmp(code, err_name(ERR_INTERNAL)) == 0);
    if (client->answer.status >= 502 && client->answer.status <= 504 && !from_daemon) {
        /* A proxy before the daemon answers with these while the daemon restarts. */
        return err_why(why, ERR_IO, "a proxy answered with status %d", client->answer.status);
    }
    if (code == NULL) {
        return err_why(why, ERR_INTERNAL, "the daemon answered with status %d",
                       client->answer.status);
    }
    if (client->answer.status == 401 && client->options->token == NULL) {
        return err_why(
            why, ERR_UNAUTHORIZED,
            "the daemon needs a token in DROVER_TOKEN; 'drover token create', run beside "
            "it, makes one");
    }
    return err_why(why, client_error_code(code), "%s",
                   json_str(json, "detail", json_str(json, "title", code)));
}

static struct err body_finish(struct client *client, int64_t timeout_ms, struct why *why) {
    struct err err = ERR_OK;
    while (!err_failed(err) && !client->answer.message_done) {
        err = receive(client, timeout_ms > 0 ? timeout_ms : CALL_MS, why);
    }
    if (err_failed(err) || llhttp_should_keep_alive(&client->parser) == 0) {
        fd_release(&client->fd);
    }
    client->reused = client->fd >= 0;
    return err;
}

/* --- The rest of the contract ----------------------------------------------------------------- */

struct err client_open(const struct client_options *options, struct client **ret_client,
                       struct why *why) {
    struct client_address address = {.host = ""};
    if (options->url != NULL) {
        TRY(client_url_parse(options->url, &address, why));
    }
    struct client *client = mem_new(sizeof *client);
    client->options = options;
    client->tcp = options->url != NULL;
    client->address = address;
    client->fd = -1;
    client->in = mem_new(RECEIVE_SIZE);
    text_init(&client->body, BODY_SIZE_MAX);
    *ret_client = client;
    return ERR_OK;
}

void client_hang_up(struct client *client) {
    fd_release(&client->fd);
}

const json_t *client_problem(const struct client *client, const char *member) {
    return json_object_get(client->problem, member);
}

void client_close(struct client *client) {
    if (client != NULL) {
        fd_release(&client->fd);
        text_done(&client->body);
        mem_free(client->in);
        json_release(&client->problem);
        mem_free(client);
    }
}

struct err client_begin(struct client *client, const struct client_request *request,
                        struct why *why) {
    /* A kept connection may have been closed by the daemon in the meantime; so may a new one, of a
     * daemon that ends because it is idle, and then another is started. Where carrying the request
     * out twice cannot hurt, it is sent again over a new one. */
    bool again = ((client->fd >= 0 && client->reused) || client->options->start != NULL) &&
                 (strcmp(request->method, "GET") == 0 || request->key != NULL);
    for (;; again = false) {
        struct err err = client_ask(client, request, why);
        while (!err_failed(err) && !client->answer.head_done) {
            err = receive(client, request->timeout_ms > 0 ? request->timeout_ms : CALL_MS, why);
        }
        if (!err_failed(err)) {
            break;
        }
        fd_release(&client->fd);
        if (err.code != ERR_IO || !again || client->answer.answered) {
            return err;
        }
    }
    if (client->answer.status < 400) {
        return ERR_OK;
    }
    TRY(body_finish(client, request->timeout_ms, why));
    return problem_read(client, why);
}

struct err client_call(struct client *client, const struct client_request *request,
                       struct text *ret_body, struct why *why) {
    struct err err = client_begin(client, request, why);
    if (!err_failed(err)) {
        err = body_finish(client, request->timeout_ms, why);
    }
    if (!err_failed(err) && ret_body != NULL) {
        text_done(ret_body);
        *ret_body = client->body;
        text_init(&client->body, BODY_SIZE_MAX);
    }
    return err;
}

struct err client_read(struct client *client, int64_t timeout_ms, struct bytes *ret_piece,
                       struct why *why) {
    struct err err = ERR_OK;
    if (client->answer.handed_out) {
        text_clear(&client->body); /* The caller is done with the last piece. */
    }
    while (!err_failed(err) && client->body.len == 0 && !client->answer.message_done) {
        err = receive(client, timeout_ms, why);
    }
    if (err_failed(err)) {
        fd_release(&client->fd);
        return err;
    }
    *ret_piece = (struct bytes){client->body.data, client->body.len};
    client->answer.handed_out = true;
    return ERR_OK;
}

struct err client_read_now(struct client *client, struct bytes *ret_piece,
                           enum client_more *ret_more, struct why *why) {
    if (client->answer.handed_out) {
        text_clear(&client->body);
        client->answer.handed_out = false;
    }
    struct err err = ERR_OK;
    if (client->body.len == 0 && !client->answer.message_done) {
        err = receive(client, 0 /* only a look */, why);
    }
    if (err_failed(err) && err.os != ETIMEDOUT) {
        fd_release(&client->fd);
        return err;
    }
    if (err_failed(err)) {
        why->text[0] = '\0'; /* That nothing came is no news here. */
    }
    if (client->answer.status >= 400) {
        *ret_piece = (struct bytes){NULL, 0};
        *ret_more = CLIENT_MORE;
        return client->answer.message_done ? problem_read(client, why) : ERR_OK;
    }
    *ret_piece = (struct bytes){client->body.data, client->body.len};
    *ret_more = client->body.len == 0 && client->answer.message_done ? CLIENT_OVER : CLIENT_MORE;
    client->answer.handed_out = client->body.len > 0;
    return ERR_OK;
}

bool client_was_connected(const struct client *client) {
    return client->was_connected;
}

int client_fd(const struct client *client) {
    return client->fd;
}

const char *client_header(const struct client *client, const char *name) {
    for (unsigned i = 0; i < client->answer.kept_count; i++) {
        if (strcmp(client->answer.kept[i].name, name) == 0) {
            return client->answer.kept[i].value;
        }
    }
    return NULL;
}

struct err client_raw_read(struct client *client, int64_t timeout_ms, char *bytes, size_t size,
                           size_t *ret_len, struct why *why) {
    size_t left = client->answer.raw_len - client->answer.raw_at;
    if (left > 0) {
        size_t len = left < size ? left : size;
        memcpy(bytes, client->in + client->answer.raw_at, len);
        client->answer.raw_at += len;
        *ret_len = len;
        return ERR_OK;
    }
    return socket_receive(client->options, client->fd, timeout_ms, bytes, size, ret_len, why);
}

struct err client_raw_write(struct client *client, const char *bytes, size_t len, struct why *why) {
    return socket_send(client->options, client->fd, (struct bytes){bytes, len}, why);
}

/* --- Parts that need no connection ------------------------------------------------------------ */

enum err_code client_error_code(const char *name) {
    for (int code = ERR_NONE + 1; name != NULL && code < ERR_CODES; code++) {
        if (strcmp(err_name((enum err_code)code), name) == 0) {
            return (enum err_code)code;
        }
    }
    return ERR_INTERNAL;
}

bool client_may_pass(struct err err) {
    switch (err.code) {
    case ERR_UNREACHABLE:
    case ERR_IO:
    case ERR_CLOSING:
    case ERR_OVERLOADED:
    case ERR_BUSY:
    case ERR_TOO_MANY:
    case ERR_STORE_IO:
    case ERR_STORE_DOWN:
    case ERR_DISK_FULL:
    case ERR_OUT_OF_MEMORY:
        return true;
    default:
        return false;
    }
}

void client_add_escaped(struct text *target, const char *text) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:@";
    for (; *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            text_add_char(target, *text);
        } else {
            text_addf(target, "%%%02X", (unsigned)(unsigned char)*text);
        }
    }
}
