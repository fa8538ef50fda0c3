#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/number.h"
#include "measure.h"

static void parse_unix(const char *path, struct target *target) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        die_saying("the socket's path is too long");
    }
    memcpy(address.sun_path, path, strlen(path));
    memcpy(&target->address, &address, sizeof address);
    target->address_len = sizeof address;
    (void)snprintf(target->host, sizeof target->host, "localhost");
}

void target_parse(const char *url, struct target *ret_target) {
    *ret_target = (struct target){0};
    if (strncmp(url, "unix:", 5) == 0) {
        parse_unix(url + 5, ret_target);
        return;
    }
    if (strncmp(url, "http://", 7) != 0) {
        die_saying("the URL must be http://ADDRESS:PORT or unix:PATH");
    }
    size_t len = strcspn(url + 7, "/");
    const char *colon = memchr(url + 7, ':', len);
    int64_t port = 0;
    if (colon == NULL || len >= sizeof ret_target->host ||
        !number_parse((struct bytes){colon + 1, (size_t)(url + 7 + len - colon - 1)},
                      (struct number_bounds){1, 65535}, &port)) {
        die_saying("the URL has no port");
    }
    memcpy(ret_target->host, url + 7, len);
    char name[64] = "";
    (void)snprintf(name, sizeof name, "%.*s", (int)(colon - url - 7), url + 7);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, strcmp(name, "localhost") == 0 ? "127.0.0.1" : name,
                  &address.sin_addr) != 1) {
        die_saying("the URL's host must be an IPv4 address");
    }
    memcpy(&ret_target->address, &address, sizeof address);
    ret_target->address_len = sizeof address;
}

int target_connect(const struct target *target) {
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        die("socket");
    }
    int rc = -1;
    do { /* A Unix socket whose backlog is full says EAGAIN instead of waiting. */
        rc = connect(fd, (const struct sockaddr *)&target->address, target->address_len);
    } while (rc < 0 && (errno == EINTR || errno == EAGAIN));
    if (rc < 0) {
        die("connect");
    }
    if (target->address.ss_family == AF_INET) {
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* Only slower without. */
    }
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        die("fcntl");
    }
    return fd;
}

void send_all(int fd, const char *bytes, size_t len) {
    ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
    if (sent != (ssize_t)len) {
        die("send"); /* Requests are small; a full socket means that the server stopped reading. */
    }
}

/* The value of a header in the head, or NULL. `name` has its colon. */
static const char *find_header(const char *head, size_t len, const char *name) {
    size_t name_len = strlen(name);
    const char *end = head + len;
    for (const char *line = head; line != NULL && line < end;) {
        if ((size_t)(end - line) > name_len && strncasecmp(line, name, name_len) == 0) {
            return line + name_len + strspn(line + name_len, " ");
        }
        line = memchr(line, '\n', (size_t)(end - line));
        line = line == NULL ? NULL : line + 1;
    }
    return NULL;
}

static size_t digits(const char *text, const char *end, size_t *ret_value) {
    size_t value = 0;
    const char *at = text;
    while (at < end && *at >= '0' && *at <= '9') {
        value = value * 10 + (size_t)(*at - '0');
        at++;
    }
    *ret_value = value;
    return (size_t)(at - text);
}

static int status_of(const char *head, size_t len) {
    size_t status = 0;
    if (len < 12 || memcmp(head, "HTTP/1.1 ", 9) != 0 ||
        digits(head + 9, head + 12, &status) != 3) {
        die_saying("the server's answer is not HTTP/1.1");
    }
    return (int)status;
}

size_t reply_measure(const char *bytes, size_t len, int *ret_status) {
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    if (end == NULL) {
        return 0;
    }
    size_t head_len = (size_t)(end - bytes) + 4;
    const char *length = find_header(bytes, head_len, "Content-Length:");
    size_t body_len = 0;
    if (length == NULL || digits(length, end, &body_len) == 0) {
        die_saying("the server's answer has no Content-Length");
    }
    if (len - head_len < body_len) {
        return 0;
    }
    *ret_status = status_of(bytes, head_len);
    return head_len + body_len;
}

int ask_once(const struct target *target, const char *path, char *ret_body, size_t size) {
    int fd = target_connect(target);
    if (fcntl(fd, F_SETFL, 0) < 0) { /* This one may wait. */
        die("fcntl");
    }
    char text[1 << 18];
    int len =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, target->host);
    send_all(fd, text, (size_t)len);
    size_t got = 0;
    size_t whole = 0;
    int status = 0;
    while (whole == 0) {
        ssize_t n = recv(fd, text + got, sizeof text - 1 - got, 0);
        if (n <= 0) {
            die("recv");
        }
        got += (size_t)n;
        whole = reply_measure(text, got, &status);
    }
    (void)close(fd);
    text[whole] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    (void)snprintf(ret_body, size, "%s", body == NULL ? "" : body + 4);
    return status;
}

static void take_line(struct sse *sse, const char *line, size_t len,
                      void (*take)(void *ctx, const struct event *event), void *ctx) {
    if (len > 0 && line[len - 1] == '\r') {
        len--;
    }
    size_t value = 0;
    if (len == 0) {
        if (sse->has_seq) {
            take(ctx, &sse->event);
        }
        sse->has_seq = false;
        sse->event = (struct event){0};
    } else if (len > 4 && memcmp(line, "id: ", 4) == 0 &&
               digits(line + 4, line + len, &value) > 0) {
        sse->event.seq = value;
        sse->has_seq = true;
    } else if (len > 5 && memcmp(line, "data:", 5) == 0) {
        const char *stamp = memmem(line, len, "\"t\":", 4);
        if (stamp != NULL && digits(stamp + 4, line + len, &value) > 0) {
            sse->event.stamp = value;
        }
    }
}

static void carry(struct sse *sse, const char *bytes, size_t len) {
    if (len > sizeof sse->carry - sse->carried) {
        die_saying("a line of the event stream is too long");
    }
    memcpy(sse->carry + sse->carried, bytes, len);
    sse->carried += len;
}

static void feed_body(struct sse *sse, const char *bytes, size_t len,
                      void (*take)(void *ctx, const struct event *event), void *ctx) {
    const char *end = bytes + len;
    while (bytes < end) {
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        if (newline == NULL) {
            carry(sse, bytes, (size_t)(end - bytes));
            return;
        }
        if (sse->carried > 0) {
            carry(sse, bytes, (size_t)(newline - bytes));
            take_line(sse, sse->carry, sse->carried, take, ctx);
            sse->carried = 0;
        } else {
            take_line(sse, bytes, (size_t)(newline - bytes), take, ctx);
        }
        bytes = newline + 1;
    }
}

/* Collects up to and with `mark`; answers how many of the bytes were used, and sets *ret_whole. */
static size_t collect(struct sse *sse, struct bytes bytes, const char *mark, bool *ret_whole) {
    size_t before = sse->carried;
    size_t room = sizeof sse->carry - before;
    size_t added = bytes.len < room ? bytes.len : room;
    memcpy(sse->carry + before, bytes.data, added);
    const char *found = memmem(sse->carry, before + added, mark, strlen(mark));
    if (found == NULL) {
        if (added == room) {
            die_saying("the head of the event stream is too long");
        }
        sse->carried += added;
        *ret_whole = false;
        return added;
    }
    sse->carried = (size_t)(found - sse->carry) + strlen(mark);
    *ret_whole = true;
    return sse->carried - before;
}

static size_t feed_head(struct sse *sse, struct bytes bytes) {
    bool whole = false;
    size_t used = collect(sse, bytes, "\r\n\r\n", &whole);
    if (whole) {
        if (status_of(sse->carry, sse->carried) != 200) {
            die_saying("the event stream was refused");
        }
        bool chunked = find_header(sse->carry, sse->carried, "Transfer-Encoding:") != NULL;
        sse->state = chunked ? SSE_CHUNK_SIZE : SSE_RAW;
        sse->carried = 0;
    }
    return used;
}

/* The size's line may be cut in the middle while a line of events is being carried too: so the
 * digits are added up as they come, and no byte of them is kept. */
static size_t feed_chunk_size(struct sse *sse, struct bytes bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.data[i];
        if (c == '\n') {
            sse->chunk_left += 2; /* The line end behind the data. */
            sse->state = SSE_CHUNK_DATA;
            return i + 1;
        }
        if (c >= '0' && c <= '9') {
            sse->chunk_left = sse->chunk_left * 16 + (size_t)(c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            sse->chunk_left = sse->chunk_left * 16 + (size_t)((c | 32) - 'a') + 10;
        } else if (c != '\r') {
            die_saying("a chunk has no size");
        }
    }
    return bytes.len;
}

void sse_feed(struct sse *sse, const char *bytes, size_t len,
              void (*take)(void *ctx, const struct event *event), void *ctx) {
    while (len > 0) {
        size_t used = len;
        switch (sse->state) {
        case SSE_HEAD:
            used = feed_head(sse, (struct bytes){bytes, len});
            break;
        case SSE_RAW:
            feed_body(sse, bytes, len, take, ctx);
            break;
        case SSE_CHUNK_SIZE:
            used = feed_chunk_size(sse, (struct bytes){bytes, len});
            break;
        case SSE_CHUNK_DATA: {
            used = len < sse->chunk_left ? len : sse->chunk_left;
            /* Of what is left, the last two bytes are the chunk's own line end. */
            size_t data_left = sse->chunk_left > 2 ? sse->chunk_left - 2 : 0;
            feed_body(sse, bytes, used < data_left ? used : data_left, take, ctx);
            sse->chunk_left -= used;
            if (sse->chunk_left == 0) {
                sse->state = SSE_CHUNK_SIZE;
            }
            break;
        }
        }
        bytes += used;
        len -= used;
    }
}
