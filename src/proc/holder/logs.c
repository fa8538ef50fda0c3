/* logs.c: see logs.h. */
#include "proc/holder/logs.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "proc/small/small.h"

enum { NAME_SIZE = 32 };

void logs_init(struct logs *logs, int folder, int64_t log_max) {
    logs->folder = folder;
    logs->head_max = log_max / 4;
    logs->segment_max = (log_max - logs->head_max) / LOGS_SEGMENTS;
    for (unsigned i = 0; i < LOG_STREAMS; i++) {
        logs->files[i] = (struct log_file){.fd = -1};
    }
    logs->full = false;
    logs->pending_at = logs->pending_len = 0;
}

static void logs_file_name(enum log_stream stream, int64_t offset, char name[NAME_SIZE]) {
    struct line line = line_in(name, NAME_SIZE);
    line_addf(&line, "%s.%s", log_stream_name(stream), offset == 0 ? "head" : "");
    if (offset != 0) {
        line_add_digits(&line, (uint64_t)offset, PROTOCOL_SEGMENT_DIGITS);
    }
}

/* Before the next segment is made: on a full disk, that is where its room comes from. */
static void logs_drop_oldest(struct logs *logs, enum log_stream stream) {
    struct log_file *file = &logs->files[stream];
    if (file->oldest == 0 || file->size - file->oldest < LOGS_SEGMENTS * logs->segment_max) {
        return;
    }
    char name[NAME_SIZE];
    logs_file_name(stream, file->oldest, name);
    (void)unlinkat(logs->folder, name, 0); /* If it stays, the log is larger than it may be. */
    file->oldest += logs->segment_max;
}

static bool logs_open_next(struct logs *logs, enum log_stream stream) {
    struct log_file *file = &logs->files[stream];
    logs_drop_oldest(logs, stream);
    char name[NAME_SIZE];
    logs_file_name(stream, file->size, name);
    file->fd = openat(logs->folder, name,
                      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        return false;
    }
    if (file->size > 0 && file->oldest == 0) {
        file->oldest = file->size;
    }
    file->file_end = file->size + (file->size == 0 ? logs->head_max : logs->segment_max);
    return true;
}

/* As much of what is pending as the growing file takes. False: it takes nothing. */
static bool logs_write_some(struct logs *logs) {
    struct log_file *file = &logs->files[logs->pending_of];
    if (file->fd < 0 && !logs_open_next(logs, logs->pending_of)) {
        return false;
    }
    size_t room = (size_t)(file->file_end - file->size);
    size_t len = logs->pending_len < room ? logs->pending_len : room;
    ssize_t put = write(file->fd, logs->buffer + logs->pending_at, len);
    if (put <= 0) {
        return false;
    }
    file->size += put;
    logs->pending_at += (size_t)put;
    logs->pending_len -= (size_t)put;
    if (file->size == file->file_end) {
        fd_release(&file->fd);
    }
    return true;
}

void logs_retry(struct logs *logs) {
    logs->full = false;
    while (logs->pending_len > 0 && !logs->full) {
        logs->full = !logs_write_some(logs);
    }
}

void logs_add(struct logs *logs, enum log_stream stream, size_t len) {
    assert(!logs->full && logs->pending_len == 0);
    logs->pending_of = stream;
    logs->pending_at = 0;
    logs->pending_len = len;
    logs_retry(logs);
}
