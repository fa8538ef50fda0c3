/* daemon_log.c: see daemon_log.h. */
#include "cli/system/daemon_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "store/datadir.h"
#include "store/log_file.h"

enum { TEXT_MAX = 8 << 20, LOOK_MS = 200, PIECE = 64 << 10 };

/* "{"at":…,"level":…,"what":…,KEY:VALUE}" as "AT LEVEL WHAT KEY=VALUE". */
static void event_add(const json_t *event, struct text *text) {
    text_addf(text, "%s %-5s %s", talk_text(event, "at"), talk_text(event, "level"),
              talk_text(event, "what"));
    for (struct json_member at = json_first(event); at.value != NULL; at = json_next(at)) {
        if (bytes_is(at.key, "at") || bytes_is(at.key, "level") || bytes_is(at.key, "what")) {
            continue;
        }
        text_addf(text, " %s=", at.key.data);
        if (json_is_string(at.value)) {
            text_add_str(text, json_string_value(at.value));
        } else if (err_failed(json_write(at.value, text))) {
            return; /* The text is full, and the caller sees it. */
        }
    }
}

/* A line that is no event (the last words of a crash) is printed as it stands. */
static void line_print(const struct invocation *invocation, struct bytes line) {
    AUTO(json_release) json_t *event = NULL;
    AUTO(text_done) struct text text = text_up_to(TEXT_MAX);
    if (!invocation->json && !err_failed(json_parse_wrapped(line, &event, NULL /* no why */)) &&
        json_is_string(json_object_get(event, "what"))) {
        event_add(event, &text);
    } else {
        text_add(&text, line.data, line.len);
    }
    if (!text_failed(&text) && text.len > 0) {
        utf8_make_plain(text.data, text.len);
        fwrite(text.data, 1, text.len, stdout);
    }
    putchar('\n');
}

/* Prints the whole lines and leaves the rest. */
static void lines_print(const struct invocation *invocation, struct text *text) {
    struct bytes left = text_bytes(text);
    for (const char *end = NULL; (end = memchr(left.data, '\n', left.len)) != NULL;) {
        size_t len = (size_t)(end - left.data);
        line_print(invocation, (struct bytes){left.data, len});
        left.data += len + 1;
        left.len -= len + 1;
    }
    AUTO(text_done) struct text rest = text_up_to(TEXT_MAX);
    text_add(&rest, left.data, left.len);
    text_done(text);
    *text = rest;
    rest = (struct text){0};
}

struct follower {
    const char *path;
    int fd;           /* Owned; -1: none is open. */
    int64_t at;       /* The next byte of it. */
    struct text rest; /* Owned: a line that has not ended. */
};

static void follower_done(struct follower *follower) {
    fd_release(&follower->fd);
    text_done(&follower->rest);
}

static void follower_read(struct follower *follower) {
    char piece[PIECE];
    for (ssize_t got = 0; (got = pread(follower->fd, piece, sizeof piece, follower->at)) > 0;) {
        follower->at += got;
        text_add(&follower->rest, piece, (size_t)got);
    }
}

/* A file of the same name with another inode is the next one. The old file has its last lines by
 * then, but for those that a thread wrote in the moment of the change; so it is read again. */
static void follower_look(struct follower *follower) {
    struct stat ours, named;
    follower_read(follower);
    if (fstat(follower->fd, &ours) == 0 && stat(follower->path, &named) == 0 &&
        ours.st_ino != named.st_ino) {
        follower_read(follower);
        fd_release(&follower->fd);
        follower->fd = open(follower->path, O_RDONLY | O_CLOEXEC);
        follower->at = 0;
        follower_read(follower);
    }
}

static struct err log_follow_on(struct talk *talk, struct follower *follower) {
    struct err err = ERR_OK;
    while (!err_failed(err)) {
        follower_look(follower);
        lines_print(talk->invocation, &follower->rest);
        err = client_pause(&talk->options, LOOK_MS);
    }
    return err.code == ERR_INTERRUPTED ? ERR_OK : err; /* Ctrl-C is how it ends. */
}

struct err daemon_log_print(struct talk *talk, const struct daemon_log *with) {
    struct invocation *invocation = talk->invocation;
    AUTO(follower_done) struct follower follower = {.fd = -1, .rest = text_up_to(TEXT_MAX)};
    AUTO(text_done) struct text end = text_up_to(TEXT_MAX);
    struct stat about = {.st_size = 0};
    if (talk->options.url != NULL) {
        return err_why(&invocation->why, ERR_USAGE,
                       "the log of a daemon lies on its own machine; name a run, or leave --url and"
                       " DROVER_URL out");
    }
    AUTO(mem_release) char *path = datadir_path(talk->options.data, LOG_FILE);
    follower.path = path;
    follower.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (follower.fd < 0 || fstat(follower.fd, &about) < 0) {
        return err_why(&invocation->why, ERR_NOT_FOUND,
                       "there is no %s: no command has started a daemon there; one of 'drover"
                       " serve' logs to its stderr, as 'journalctl -u drover' shows",
                       path);
    }
    follower.at = about.st_size;
    struct err err = log_file_end(talk->options.data, with->lines, &end);
    lines_print(invocation, &end);
    return err_failed(err) || !with->follow ? err : log_follow_on(talk, &follower);
}
