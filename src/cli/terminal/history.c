/* history.c: O_APPEND for one entry; a new file and a rename for fewer of them. */
#include "cli/terminal/history.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "loop/world.h"

enum { FILE_MAX = 4 << 20, READ_SIZE = 64 << 10 };

static void entry_write(struct bytes line, struct text *out) {
    for (size_t i = 0; i < line.len; i++) {
        char c = line.data[i];
        text_add_str(out, c == '\n' ? "\\n" : c == '\\' ? "\\\\" : "");
        text_add(out, &c, c != '\n' && c != '\\');
    }
    text_add_char(out, '\n');
}

static void entry_read(struct bytes entry, struct text *out) {
    for (size_t i = 0; i < entry.len; i++) {
        bool escaped = entry.data[i] == '\\' && i + 1 < entry.len;
        i += escaped;
        text_add_char(out, escaped && entry.data[i] == 'n' ? '\n' : entry.data[i]);
    }
}

/* The last FILE_MAX bytes of the file. */
static void file_read(const char *path, struct text *out) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat stat = {0};
    char bytes[READ_SIZE];
    ssize_t len = 0;
    if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
        return;
    }
    if (stat.st_size > FILE_MAX && lseek(fd, -FILE_MAX, SEEK_END) < 0) {
        return;
    }
    while ((len = read(fd, bytes, sizeof bytes)) > 0) {
        text_add(out, bytes, (size_t)len);
    }
}

/* A file that cannot be written stays as it was. */
static void file_shorten(const char *path, const struct edit_line *edit) {
    AUTO(text_done) struct text all = text_up_to(FILE_MAX * 2);
    const struct world *world = world_real();
    for (size_t i = 0; i < edit->count; i++) {
        entry_write(bytes_of(edit->history[i]), &all);
    }
    if (!text_failed(&all)) {
        const struct err err = world->file_replace(world->ctx, path, text_bytes(&all), 0600);
        (void)err;
    }
}

void history_load(const char *path, struct edit_line *edit) {
    AUTO(text_done) struct text file = text_up_to(FILE_MAX + READ_SIZE);
    size_t count = 0;
    file_read(path, &file);
    struct bytes rest = text_bytes(&file), entry;
    while (bytes_next(&rest, '\n', &entry)) {
        AUTO(text_done) struct text line = text_up_to(HISTORY_ENTRY_MAX);
        entry_read(entry, &line);
        if (!text_failed(&line)) {
            edit_line_remember(edit, text_bytes(&line));
        }
        count++;
    }
    if (count > (size_t)EDIT_HISTORY_MAX * 2) {
        file_shorten(path, edit);
    }
}

void history_append(const char *path, struct bytes line) {
    AUTO(text_done) struct text entry = text_up_to(HISTORY_ENTRY_MAX * 2);
    entry_write(line, &entry);
    if (line.len == 0 || line.len > HISTORY_ENTRY_MAX || text_failed(&entry)) {
        return;
    }
    AUTO(fd_release)
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    /* A single write: entries of two chats stay apart. */
    const ssize_t wrote = fd < 0 ? -1 : write(fd, entry.data, entry.len);
    (void)wrote;
}
