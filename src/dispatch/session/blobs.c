/* blobs.c: one job at a time: an upload, or a sweep.
 *
 *   upload   hash, look, write (pool) ──> row (store) ──> done
 *   sweep    list (pool) ──> which are named? (store, page by page) ──> remove (pool) ──> end
 */
#include "dispatch/session/blobs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "engine/session/attachments.h"
#include "store/datadir.h"

enum {
    NAMES_MAX = 4096, /* Of one sweep; a fuller folder is swept again. */
    NAMES_PAGE = 256, /* That one transaction looks up. */
    HASH_LEN = 64,
};

struct name {
    char text[HASH_LEN + 1];
    bool gone; /* No row names it. */
};

struct sweep {
    struct loop_work work;
    struct name *names; /* Owned. */
    size_t count, asked;
    bool full; /* There were more. */
};

struct blobs {
    struct loop *loop;   /* Borrowed. */
    struct store *store; /* Borrowed. */
    char *folder;        /* Owned. */
    struct link uploads; /* Borrowed, as the next one: uploads that wait. */
    struct blob_put *current;
    struct sweep sweep;
    size_t waiting;
    bool sweeping, sweep_wanted, stopped;
};

static void go_on(struct blobs *blobs);

/* --- Files ------------------------------------------------------------------------------------ */

const char *blob_media(struct bytes bytes) {
    static const struct {
        struct bytes begin;
        const char *media;
    } kinds[] = {{BYTES_INIT("\x89PNG\r\n\x1a\n"), "image/png"},
                 {BYTES_INIT("\xff\xd8\xff"), "image/jpeg"},
                 {BYTES_INIT("GIF87a"), "image/gif"},
                 {BYTES_INIT("GIF89a"), "image/gif"}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (bytes.len > kinds[i].begin.len &&
            memcmp(bytes.data, kinds[i].begin.data, kinds[i].begin.len) == 0) {
            return kinds[i].media;
        }
    }
    bool webp = bytes.len > 12 && memcmp(bytes.data, "RIFF", 4) == 0 &&
                memcmp(bytes.data + 8, "WEBP", 4) == 0;
    return webp ? "image/webp" : NULL;
}

char *blobs_path(const struct blobs *blobs, const char *hash) {
    return datadir_path(blobs->folder, hash);
}

char *blob_path(const char *data, const char *hash) {
    AUTO(mem_release) char *folder = datadir_path(data, "blobs");
    return datadir_path(folder, hash);
}

static void put_in_pool(struct loop_work *work) {
    struct blob_put *put = CONTAINER_OF(work, struct blob_put, work);
    const struct world *world = loop_world(put->blobs->loop);
    struct stat there;
    put->media = blob_media(put->bytes);
    if (put->media == NULL) {
        put->err = err_make(ERR_BAD_IMAGE, "blobs: kind");
        return;
    }
    struct sha256 hash = sha256_of(put->bytes.data, put->bytes.len);
    put->hash = sha256_hex(&hash);
    AUTO(mem_release) char *path = blobs_path(put->blobs, put->hash.text);
    /* A file of that name and length was written whole: names come by rename, after a sync. */
    if (stat(path, &there) != 0 || !S_ISREG(there.st_mode) ||
        (size_t)there.st_size != put->bytes.len) {
        put->err = world->file_replace(world->ctx, path, put->bytes, 0600);
    }
}

/* --- Uploads ---------------------------------------------------------------------------------- */

/* `done` ends the put's memory: nothing of it is touched after that. */
static void put_end(struct blobs *blobs, struct err result) {
    struct blob_put *put = blobs->current;
    blobs->current = NULL;
    put->done(put, result);
    go_on(blobs);
}

static void row_done(struct err result, void *ctx) {
    struct blob_put *put = ctx;
    put_end(put->blobs, result);
}

static void put_written(struct loop_work *work) {
    struct blob_put *put = CONTAINER_OF(work, struct blob_put, work);
    if (err_failed(put->err)) {
        put_end(put->blobs, put->err);
    } else {
        store_write(put->blobs->store, put->row, row_done, put);
    }
}

static void refused(struct loop_task *task) {
    struct blob_put *put = CONTAINER_OF(task, struct blob_put, task);
    put->done(put, put->err);
}

/* Never inside of the call. */
static void put_refuse(struct blobs *blobs, struct blob_put *put, enum err_code code) {
    put->err = err_make(code, "blobs: put");
    put->task = (struct loop_task){.run = refused};
    loop_soon(blobs->loop, &put->task);
}

void blobs_put(struct blobs *blobs, struct blob_put *put) {
    put->blobs = blobs;
    put->err = ERR_OK;
    if (blobs->stopped || blobs->waiting >= BLOBS_WAITING_MAX) {
        put_refuse(blobs, put, blobs->stopped ? ERR_CLOSING : ERR_OVERLOADED);
        return;
    }
    link_add_last(&blobs->uploads, &put->link);
    blobs->waiting++;
    go_on(blobs);
}

/* --- Sweeps ----------------------------------------------------------------------------------- */

/* Other names are remains of a write that a crash cut off: nobody writes now. */
static void list_in_pool(struct loop_work *work) {
    struct blobs *blobs = CONTAINER_OF(work, struct blobs, sweep.work);
    struct sweep *sweep = &blobs->sweep;
    AUTO(entries_close) DIR *folder = opendir(blobs->folder);
    const char *name;
    sweep->names = mem_new_array(NAMES_MAX, sizeof *sweep->names);
    while (!sweep->full && (name = entries_next(folder)) != NULL) {
        uint8_t hash[HASH_LEN / 2];
        struct bytes file = bytes_of(name);
        if (file.len == HASH_LEN && hex_parse(file, hash, sizeof hash)) {
            memcpy(sweep->names[sweep->count++].text, name, HASH_LEN + 1);
            sweep->full = sweep->count == NAMES_MAX;
        } else {
            (void)unlinkat(dirfd(folder), name, 0); /* The next sweep tries again. */
        }
    }
}

static void remove_in_pool(struct loop_work *work) {
    struct blobs *blobs = CONTAINER_OF(work, struct blobs, sweep.work);
    AUTO(fd_release) int fd = open(blobs->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; fd >= 0 && i < blobs->sweep.count; i++) {
        if (blobs->sweep.names[i].gone) {
            (void)unlinkat(fd, blobs->sweep.names[i].text, 0); /* The next sweep tries again. */
        }
    }
}

static void sweep_end(struct blobs *blobs) {
    mem_free(blobs->sweep.names);
    blobs->sweep = (struct sweep){.names = NULL};
    blobs->sweeping = false;
    go_on(blobs);
}

/* A full list whose first names all stay would be found again for ever: then the rest of the folder
 * waits for the next daemon. */
static void removed(struct loop_work *work) {
    struct blobs *blobs = CONTAINER_OF(work, struct blobs, sweep.work);
    bool any = false;
    for (size_t i = 0; i < blobs->sweep.count; i++) {
        any = any || blobs->sweep.names[i].gone;
    }
    blobs->sweep_wanted = blobs->sweep_wanted || (blobs->sweep.full && any);
    sweep_end(blobs);
}

static struct err ask_run(struct tx *tx, void *ctx) {
    struct blobs *blobs = ctx;
    struct sweep *sweep = &blobs->sweep;
    struct err err = ERR_OK;
    for (size_t i = 0; i < NAMES_PAGE && sweep->asked + i < sweep->count && !err_failed(err); i++) {
        struct name *name = &sweep->names[sweep->asked + i];
        bool known = true;
        err = tx_attachment_known(tx, (struct bytes){name->text, HASH_LEN}, &known);
        name->gone = !err_failed(err) && !known;
    }
    return err;
}

static void asked(struct err result, void *ctx) {
    struct blobs *blobs = ctx;
    struct sweep *sweep = &blobs->sweep;
    sweep->asked += NAMES_PAGE;
    if (err_failed(result) || blobs->stopped) {
        sweep_end(blobs);
    } else if (sweep->asked < sweep->count) {
        store_read(blobs->store, ask_run, asked, blobs);
    } else {
        sweep->work = (struct loop_work){.run = remove_in_pool, .done = removed};
        loop_work(blobs->loop, &sweep->work);
    }
}

static void listed(struct loop_work *work) {
    struct blobs *blobs = CONTAINER_OF(work, struct blobs, sweep.work);
    if (blobs->sweep.count == 0 || blobs->stopped) {
        sweep_end(blobs);
    } else {
        store_read(blobs->store, ask_run, asked, blobs);
    }
}

void blobs_sweep(struct blobs *blobs) {
    blobs->sweep_wanted = true;
    go_on(blobs);
}

/* --- The order -------------------------------------------------------------------------------- */

static void go_on(struct blobs *blobs) {
    if (blobs->current != NULL || blobs->sweeping || blobs->stopped) {
        return;
    }
    struct link *first = links_take(&blobs->uploads);
    if (first != NULL) {
        struct blob_put *put = CONTAINER_OF(first, struct blob_put, link);
        blobs->waiting--;
        blobs->current = put;
        put->work = (struct loop_work){.run = put_in_pool, .done = put_written};
        loop_work(blobs->loop, &put->work);
    } else if (blobs->sweep_wanted) {
        blobs->sweeping = true;
        blobs->sweep_wanted = false;
        blobs->sweep.work = (struct loop_work){.run = list_in_pool, .done = listed};
        loop_work(blobs->loop, &blobs->sweep.work);
    }
}

struct err blobs_open(const struct blobs_options *options, struct blobs **ret_blobs) {
    struct blobs *blobs = mem_new(sizeof *blobs);
    blobs->loop = options->loop;
    blobs->store = options->store;
    links_init(&blobs->uploads);
    blobs->folder = datadir_path(options->data, "blobs");
    struct err err = datadir_make_folder(blobs->folder, "blobs: make folder");
    if (err_failed(err)) {
        blobs_close(blobs);
        return err;
    }
    *ret_blobs = blobs;
    return ERR_OK;
}

/* Those that wait are answered by their exchanges' server, which waits for each answer: so they are
 * told now. */
void blobs_stop(struct blobs *blobs) {
    blobs->stopped = true;
    for (struct link *at = NULL; (at = links_take(&blobs->uploads)) != NULL;) {
        put_refuse(blobs, CONTAINER_OF(at, struct blob_put, link), ERR_CLOSING);
    }
    blobs->waiting = 0;
}

void blobs_close(struct blobs *blobs) {
    if (blobs == NULL) {
        return;
    }
    assert(blobs->current == NULL && links_empty(&blobs->uploads));
    mem_free(blobs->sweep.names);
    mem_free(blobs->folder);
    mem_free(blobs);
}
