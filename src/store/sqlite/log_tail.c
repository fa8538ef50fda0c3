/* log_tail.c: see log_tail.h. */
#include "store/sqlite/log_tail.h"

#include <assert.h>
#include <string.h>

void log_tail_done(struct log_tail *tail) {
    sqlite3_free(tail->bytes);
    *tail = (struct log_tail){0};
}

int log_tail_write(struct log_tail *tail, const sqlite3_io_methods *methods, sqlite3_file *file) {
    const int len = tail->len;
    tail->len = 0;
    return len == 0 ? SQLITE_OK : methods->xWrite(file, tail->bytes, len, tail->at);
}

static bool has_bytes(struct log_tail *tail) {
    tail->bytes = tail->bytes == NULL ? sqlite3_malloc(LOG_TAIL_BYTES) : tail->bytes;
    return tail->bytes != NULL;
}

int log_tail_read(struct log_tail *tail, const sqlite3_io_methods *methods, sqlite3_file *file,
                  void *data, int len, sqlite3_int64 at) {
    assert(tail->len == 0);
    if (at < tail->at || at + len > tail->at + tail->ahead) {
        sqlite3_int64 size = 0;
        tail->ahead = 0;
        if (methods->xFileSize(file, &size) != SQLITE_OK || size - at < len || !has_bytes(tail)) {
            return methods->xRead(file, data, len, at);
        }
        const int wanted = size - at < LOG_TAIL_BYTES ? (int)(size - at) : LOG_TAIL_BYTES;
        int rc = methods->xRead(file, tail->bytes, wanted, at);
        if (rc != SQLITE_OK) {
            return rc;
        }
        tail->at = at;
        tail->ahead = wanted;
    }
    memcpy(data, tail->bytes + (at - tail->at), (size_t)len);
    return SQLITE_OK;
}

int log_tail_add(struct log_tail *tail, const sqlite3_io_methods *methods, sqlite3_file *file,
                 const void *data, int len, sqlite3_int64 at) {
    if (tail->len > 0 && (tail->at + tail->len != at || len > LOG_TAIL_BYTES - tail->len)) {
        int rc = log_tail_write(tail, methods, file);
        if (rc != SQLITE_OK) {
            return rc;
        }
    }
    tail->ahead = 0;
    if (len > LOG_TAIL_BYTES || !has_bytes(tail)) {
        return methods->xWrite(file, data, len, at);
    }
    tail->at = tail->len == 0 ? at : tail->at;
    memcpy(tail->bytes + tail->len, data, (size_t)len);
    tail->len += len;
    return SQLITE_OK;
}
