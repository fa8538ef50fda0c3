/* pages.c: see pages.h. */
#include "api/system/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/system/web_files.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "http/request.h"

enum { PAGE_FILE_MAX = 8 << 20, PAGE_NAME_MAX = 255 };

/* Trusted Types: text never becomes HTML or a script, whatever a message holds. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types drover";

/* The rest of a path below /assets/. False: the path is another one. */
static bool asset_named(struct bytes target, struct bytes *ret_name) {
    static const struct bytes scheme = BYTES_INIT("http://"), assets = BYTES_INIT("/assets");
    struct bytes path = target;
    if (bytes_begin(target, scheme)) { /* Absolute form: the head was checked. */
        const char *slash = memchr(target.data + scheme.len, '/', target.len - scheme.len);
        target = (struct bytes){slash, (size_t)(target.data + target.len - slash)};
    }
    (void)bytes_next(&target, '?', &path); /* True: it begins with a slash. */
    if (!bytes_begin(path, assets)) {
        return false;
    }
    path = (struct bytes){path.data + assets.len, path.len - assets.len};
    if (path.len > 0 && path.data[0] != '/') {
        return false;
    }
    *ret_name = path.len > 0 ? (struct bytes){path.data + 1, path.len - 1} : path;
    return true;
}

/* Without the header any coding is welcome (RFC 9110, 12.5.3). */
static bool takes_gzip(const struct exchange *exchange) {
    struct bytes value;
    return !exchange_header(exchange, "accept-encoding", &value) ||
           header_accepts(value, BYTES("gzip")) || header_accepts(value, BYTES("*"));
}

static void page_headers(struct exchange *exchange) {
    exchange_add_header(exchange, "Content-Security-Policy", policy);
    exchange_add_header(exchange, "Referrer-Policy", "no-referrer");
    exchange_add_header(exchange, "Cross-Origin-Opener-Policy", "same-origin");
}

static void asset_missing(struct exchange *exchange) {
    struct why why;
    exchange_problem(
        exchange,
        err_why(&why, ERR_NOT_FOUND, "there is no such file of the pages; load the page again"),
        &why);
}

/* --- In the binary ---------------------------------------------------------------------------- */

static void file_reply(struct exchange *exchange, const struct web_file *file) {
    AUTO(text_done) struct text text = text_up_to(file->size);
    if (file->gzip && !takes_gzip(exchange)) {
        struct why why;
        exchange_problem(exchange,
                         err_why(&why, ERR_NOT_ACCEPTABLE,
                                 "files of the pages are sent by gzip alone: send no"
                                 " Accept-Encoding, or one with gzip"),
                         &why);
        return;
    }
    if (file->gzip) {
        exchange_add_header(exchange, "Content-Encoding", "gzip");
        exchange_add_header(exchange, "Vary", "Accept-Encoding");
        exchange_set_cache(exchange, "public, max-age=31536000, immutable");
    } else {
        page_headers(exchange);
    }
    text_add(&text, file->data, file->size);
    exchange_reply(exchange, 200, file->media, &text);
}

/* --- Of a folder ------------------------------------------------------------------------------ */

struct page_read {
    struct loop_work work;
    struct exchange *exchange; /* Lives until it is answered, so until after `done`. */
    int folder;
    bool asset;
    char name[PAGE_NAME_MAX + 1];
    struct text text;
    struct err err;
};

static void page_read_run(struct loop_work *work) {
    struct page_read *read_of = CONTAINER_OF(work, struct page_read, work);
    struct stat about;
    char piece[16 << 10];
    ssize_t got = 1;
    AUTO(fd_release) int fd = beneath_open_file(read_of->folder, read_of->name, &about);
    while (fd >= 0 && got > 0) {
        got = read(fd, piece, sizeof piece);
        text_add(&read_of->text, piece, got > 0 ? (size_t)got : 0);
    }
    read_of->err = fd < 0 || got < 0 ? err_make(ERR_NOT_FOUND, "pages: file") : ERR_OK;
}

static const char *media_of(const char *name) {
    static const struct {
        const char *ending, *media;
    } known[] = {{".html", "text/html; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".svg", "image/svg+xml"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < COUNT_OF(known); i++) {
        if (strcmp(dot, known[i].ending) == 0) {
            return known[i].media;
        }
    }
    return "application/octet-stream";
}

static void page_read_done(struct loop_work *work) {
    struct page_read *read_of = CONTAINER_OF(work, struct page_read, work);
    struct exchange *exchange = read_of->exchange;
    if (err_failed(read_of->err)) {
        asset_missing(exchange);
    } else {
        if (!read_of->asset) {
            page_headers(exchange);
        }
        exchange_reply(exchange, 200, media_of(read_of->name), &read_of->text);
    }
    text_done(&read_of->text);
    mem_free(read_of);
}

/* A name with '%' is taken as it stands: nothing that the build writes has one. */
static void folder_reply(struct exchange *exchange, const struct pages *pages, bool asset,
                         struct bytes name) {
    static const char below[] = "assets/";
    struct bytes folder = {below, asset ? sizeof below - 1 : 0};
    name = asset ? name : BYTES("index.html");
    if (name.len == 0 || folder.len + name.len > PAGE_NAME_MAX) {
        asset_missing(exchange);
        return;
    }
    struct page_read *read_of = mem_new(sizeof *read_of);
    *read_of = (struct page_read){.work = {.run = page_read_run, .done = page_read_done},
                                  .exchange = exchange,
                                  .folder = pages->folder,
                                  .asset = asset,
                                  .text = text_up_to(PAGE_FILE_MAX)};
    memcpy(read_of->name, folder.data, folder.len);
    memcpy(read_of->name + folder.len, name.data, name.len);
    loop_work(pages->loop, &read_of->work);
}

/* --- Both ------------------------------------------------------------------------------------- */

struct err pages_open(struct pages *pages, struct loop *loop, const char *folder, struct why *why) {
    int fd = folder == NULL ? -1 : open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder != NULL && fd < 0) {
        return err_why(why, ERR_CONFIG, "web-dir: %s: %s", folder, strerror(errno));
    }
    *pages = (struct pages){.loop = loop, .folder = fd};
    return ERR_OK;
}

void pages_close(struct pages *pages) {
    fd_release(&pages->folder);
}

static void page_handle(struct exchange *exchange, void *ctx) {
    const struct pages *pages = ctx;
    struct bytes name = {"", 0};
    bool asset = asset_named(exchange_target(exchange), &name);
    if (pages->folder >= 0) {
        folder_reply(exchange, pages, asset, name);
        return;
    }
    for (size_t i = 0; i < web_file_count; i++) {
        const struct web_file *file = &web_files[i];
        if (asset ? file->gzip && bytes_is(name, file->name) : !file->gzip) {
            file_reply(exchange, file);
            return;
        }
    }
    asset_missing(exchange);
}

const struct route pages_route = {
    .method = "GET", .path = "/", .query = query_any, .handle = page_handle};
