/* catalog.c: the files of all places, read one after the other. */
#include "script/catalog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "script/builtin.h"
#include "script/catalog_inside.h"

enum {
    NAMES_MAX = 20000, /* Of one folder, whatever they are. */
    NEAR_MAX = 3,      /* Names that are suggested. */
};

/* One walk through the places. */
struct walk {
    struct catalog *catalog;
    json_t *names;      /* Owned: the number of the entry that counts, by name. */
    size_t bytes_left;  /* Of CATALOG_BYTES_MAX. */
    struct bytes named; /* The one that is looked for; no bytes: all of them. */
    struct catalog_script *script;
    bool found;
};

/* --- One file --------------------------------------------------------------------------------- */

static void entry_done(struct catalog_entry *entry) {
    mem_free(entry->name);
    mem_free(entry->file);
    mem_free(entry->place);
    mem_free(entry->shadowed_by);
    json_release(&entry->meta);
    *entry = (struct catalog_entry){.name = NULL};
}

void catalog_script_done(struct catalog_script *script) {
    entry_done(&script->entry);
    mem_free(script->source);
    script_prepared_done(&script->prepared);
    *script = (struct catalog_script){.source = NULL};
}

static char *copy(const char *text) {
    return mem_copy(text, strlen(text));
}

static void set_fault(struct script_fault *fault, const char *code, const char *text) {
    *fault = (struct script_fault){.code = code};
    (void)snprintf(fault->message, sizeof fault->message, "%s", text); /* Cut at worst. */
}

static char *stem_of(const char *file) {
    struct bytes stem = script_stem(bytes_of(file));
    char *name = mem_copy(stem.data, stem.len);
    if (!utf8_valid(name, stem.len)) { /* Names of files are bytes, those of workflows are not. */
        utf8_make_plain(name, stem.len);
    }
    return name;
}

/* Everything that the text says. */
static struct err read_script(struct catalog_script *script) {
    struct catalog_entry *entry = &script->entry;
    const struct script_source source = {{script->source, script->len},
                                         {entry->file, strlen(entry->file)}};
    struct err err = script_prepare(&source, &script->prepared, &entry->fault);
    if (err.code == ERR_OUT_OF_MEMORY) {
        return err;
    }
    const struct sha256 digest = sha256_of(script->source, script->len);
    entry->hash = sha256_hex(&digest);
    entry->valid = !err_failed(err);
    entry->checked = !entry->valid || entry->origin == CATALOG_BUILT_IN;
    if (entry->valid) {
        entry->meta = json_incref(script->prepared.meta);
        entry->form = script->prepared.form;
    }
    entry->name = entry->valid ? copy(script_meta_name(&script->prepared)) : stem_of(entry->file);
    return ERR_OK;
}

static struct err read_bytes(int fd, size_t size, struct catalog_script *script) {
    char *source = mem_try(size + 1);
    if (source == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "catalog: file");
    }
    size_t len = 0;
    ssize_t got = 1;
    while (len < size && got != 0) {
        got = read(fd, source + len, size - len);
        if (got < 0 && errno != EINTR) {
            mem_free(source);
            return err_from_errno(errno, "catalog: file");
        }
        len += got > 0 ? (size_t)got : 0;
    }
    source[len] = '\0';
    script->source = source;
    script->len = len;
    return ERR_OK;
}

/* What cannot be read has a fault like what cannot be understood. */
static struct err read_file(int fd, const struct stat *about, struct catalog_script *script,
                            size_t *bytes_left) {
    struct script_fault *fault = &script->entry.fault;
    size_t size = fd < 0 ? 0 : (size_t)about->st_size;
    if (fd < 0) {
        const char *trouble = catalog__trouble(errno);
        set_fault(fault, "unreadable", trouble == NULL ? "it is a link to nothing" : trouble);
    } else if (size > SCRIPT_SOURCE_MAX) {
        set_fault(fault, "too_large", "a script has at most 1 MB");
    } else if (size > *bytes_left) {
        set_fault(fault, "too_large", "it was not read: the workflows before it have 64 MB");
    } else {
        *bytes_left -= size;
        struct err err = read_bytes(fd, size, script);
        if (!err_failed(err)) {
            return read_script(script);
        }
        if (err.code == ERR_OUT_OF_MEMORY) {
            return err;
        }
        set_fault(fault, "unreadable", "the system could not read it");
    }
    script->entry.name = stem_of(script->entry.file);
    script->entry.checked = true; /* That it cannot be read is all there is to know. */
    return ERR_OK;
}

/* --- The list --------------------------------------------------------------------------------- */

static bool is_named(const struct walk *walk, const char *name) {
    return walk->named.len == strlen(name) && memcmp(walk->named.data, name, walk->named.len) == 0;
}

/* Takes the entry out of the script; or the whole script, when it is the one looked for. */
static struct err keep(struct walk *walk, struct catalog_script *script) {
    struct catalog *catalog = walk->catalog;
    struct catalog_entry *entry = &script->entry;
    if (walk->script != NULL && is_named(walk, entry->name)) {
        *walk->script = *script;
        *script = (struct catalog_script){.source = NULL};
        walk->found = true;
        return ERR_OK;
    }
    const json_t *first = json_object_get(walk->names, entry->name);
    if (first != NULL) {
        entry->shadowed_by = copy(catalog->entries[json_integer_value(first)].file);
    } else if (json_object_set_new(walk->names, entry->name, json_integer(catalog->entry_count)) <
               0) {
        return err_make(ERR_OUT_OF_MEMORY, "catalog: names");
    }
    if (catalog->entry_count == catalog->entry_size) {
        catalog->entry_size = catalog->entry_size == 0 ? 16 : 2 * catalog->entry_size;
        catalog->entries =
            mem_grow(catalog->entries, catalog->entry_size * sizeof *catalog->entries);
    }
    catalog->entries[catalog->entry_count++] = *entry;
    *entry = (struct catalog_entry){.name = NULL};
    return ERR_OK;
}

static struct catalog_script begin(const struct catalog_place *place, const char *name) {
    AUTO(text_done) struct text file = text_up_to(64 << 10);
    text_addf(&file, "%s/%s", place->path, name);
    return (struct catalog_script){.entry = {.file = copy(text_failed(&file) ? name : file.data),
                                             .place = copy(place->path),
                                             .origin = place->origin}};
}

static struct err add_file(struct walk *walk, struct catalog_place *place, int place_fd,
                           const char *name) {
    AUTO(catalog_script_done) struct catalog_script script = begin(place, name);
    struct stat about;
    AUTO(fd_release) int fd = beneath_open_file(place_fd, name, &about);
    struct err err = read_file(fd, &about, &script, &walk->bytes_left);
    return err_failed(err) ? err : keep(walk, &script);
}

static struct err add_built_in(struct walk *walk, struct catalog_place *place) {
    size_t count = 0;
    const struct builtin *list = builtin_list(&count);
    for (size_t i = 0; i < count && !walk->found; i++) {
        AUTO(catalog_script_done) struct catalog_script script = begin(place, list[i].file);
        script.source = mem_copy(list[i].source.data, list[i].source.len);
        script.len = list[i].source.len;
        struct err err = read_script(&script);
        if (!err_failed(err)) {
            err = keep(walk, &script);
        }
        if (err_failed(err)) {
            return err;
        }
        place->files++;
    }
    return ERR_OK;
}

/* --- One place -------------------------------------------------------------------------------- */

struct names {
    char **list; /* Owned, as is each. */
    size_t count;
};

static void names_done(struct names *names) {
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->list[i]);
    }
    mem_free(names->list);
}

static bool is_script(const char *name) {
    const char *dot = strrchr(name, '.');
    return name[0] != '.' && dot != NULL && (strcmp(dot, ".js") == 0 || strcmp(dot, ".mjs") == 0);
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Which files are read does not depend on the order in which the system tells them. */
static void read_names(int place_fd, struct names *ret_names) {
    *ret_names = (struct names){.list = NULL};
    int own = fcntl(place_fd, F_DUPFD_CLOEXEC, 0);
    DIR *folder = own < 0 ? NULL : fdopendir(own); /* closedir ends the descriptor. */
    if (folder == NULL) {
        fd_release(&own);
        return;
    }
    size_t size = 0, seen = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL && seen < NAMES_MAX;
         entry = readdir(folder)) {
        seen++;
        if (!is_script(entry->d_name)) {
            continue;
        }
        if (ret_names->count == size) {
            size = size == 0 ? 16 : 2 * size;
            ret_names->list = mem_grow(ret_names->list, size * sizeof *ret_names->list);
        }
        ret_names->list[ret_names->count++] = copy(entry->d_name);
    }
    (void)closedir(folder); /* Read only. */
    if (ret_names->count > 0) {
        qsort(ret_names->list, ret_names->count, sizeof *ret_names->list, by_bytes);
    }
}

static struct err add_place(struct walk *walk, struct catalog_place *place) {
    AUTO(fd_release) int place_fd = catalog__open_place(place);
    if (place_fd < 0) {
        place->problem = catalog__trouble(errno);
        return ERR_OK;
    }
    place->found = true;
    AUTO(names_done) struct names names;
    read_names(place_fd, &names);
    place->truncated = names.count > CATALOG_FILES_MAX;
    for (size_t i = 0; i < names.count && i < CATALOG_FILES_MAX && !walk->found; i++) {
        struct err err = add_file(walk, place, place_fd, names.list[i]);
        if (err_failed(err)) {
            return err;
        }
        place->files++;
    }
    return ERR_OK;
}

static struct err walk_places(struct walk *walk, const struct catalog_search *search,
                              struct why *why) {
    struct catalog *catalog = walk->catalog;
    AUTO(json_release) json_t *names = json_object();
    walk->names = names;
    walk->bytes_left = CATALOG_BYTES_MAX;
    struct err err = catalog__places(search, catalog, why);
    for (unsigned i = 0; i < catalog->place_count && !err_failed(err) && !walk->found; i++) {
        struct catalog_place *place = &catalog->places[i];
        err =
            place->origin == CATALOG_BUILT_IN ? add_built_in(walk, place) : add_place(walk, place);
    }
    return err;
}

void catalog_done(struct catalog *catalog) {
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        entry_done(&catalog->entries[i]);
    }
    mem_free(catalog->entries);
    for (unsigned i = 0; i < catalog->place_count; i++) {
        mem_free(catalog->places[i].path);
    }
    *catalog = (struct catalog){.place_count = 0};
}

struct err catalog_read(const struct catalog_search *search, struct catalog *ret_catalog,
                        struct why *why) {
    *ret_catalog = (struct catalog){.place_count = 0};
    struct walk walk = {.catalog = ret_catalog};
    struct err err = walk_places(&walk, search, why);
    if (err_failed(err)) {
        catalog_done(ret_catalog);
    }
    return err;
}

/* --- By name ---------------------------------------------------------------------------------- */

static void add_near(const struct catalog *catalog, const char *typed, struct text *text) {
    const char *near[NEAR_MAX] = {NULL};
    for (size_t n = 0; n < NEAR_MAX; n++) {
        struct suggest suggest;
        suggest_begin(&suggest, typed);
        for (unsigned i = 0; i < catalog->entry_count; i++) {
            const char *name = catalog->entries[i].name;
            bool told = (near[0] != NULL && strcmp(near[0], name) == 0) ||
                        (near[1] != NULL && strcmp(near[1], name) == 0);
            if (!told) {
                suggest_offer(&suggest, name);
            }
        }
        near[n] = suggest_best(&suggest);
        if (near[n] == NULL) {
            break;
        }
        text_addf(text, "%s%.60s", n == 0 ? "; did you mean " : " or ", near[n]);
    }
    text_add_str(text, near[0] == NULL ? "" : "?");
}

/* The three folders of a base are told as one. */
static void add_searched(const struct catalog *catalog, struct text *text) {
    const char *comma = " Searched: ";
    for (unsigned i = 0; i < catalog->place_count; i++) {
        const char *path = catalog->places[i].path;
        size_t len = strlen(path);
        static const char first[] = "/.drover/workflows", last[] = "/.boocode/workflows";
        bool begins = len > sizeof first && strcmp(path + len - (sizeof first - 1), first) == 0;
        bool within = !begins && (strstr(path, "/.claude/workflows") != NULL ||
                                  (len > sizeof last && strstr(path, last) != NULL));
        if (begins) {
            text_addf(text, "%s%.*s/.{drover,claude,boocode}/workflows", comma,
                      (int)(len - (sizeof first - 1)), path);
        } else if (!within) {
            text_addf(text, "%s%s", comma, path);
        }
        comma = within ? comma : ", ";
    }
}

static struct err not_found(const struct catalog *catalog, struct bytes name, struct why *why) {
    AUTO(mem_release) char *typed = mem_copy(name.data, name.len);
    AUTO(text_done) struct text text = text_up_to(64 << 10);
    text_addf(&text, "there is no workflow \"%.60s\"", typed);
    add_near(catalog, typed, &text);
    text_add_str(&text, text.data[text.len - 1] == '?' ? "" : ".");
    add_searched(catalog, &text);
    return err_why(why, ERR_WORKFLOW_NOT_FOUND, "%s",
                   text_failed(&text) ? "there is no such workflow" : text.data);
}

struct err catalog_find(const struct catalog_search *search, struct bytes name,
                        struct catalog_script *ret_script, struct why *why) {
    AUTO(catalog_done) struct catalog catalog = {.place_count = 0};
    struct walk walk = {.catalog = &catalog, .named = name, .script = ret_script};
    struct err err = walk_places(&walk, search, why);
    if (!err_failed(err) && !walk.found) {
        err = not_found(&catalog, name, why);
    }
    return err;
}

/* --- By path ---------------------------------------------------------------------------------- */

static struct err refuse_path(int os, const char *path, struct why *why) {
    if (os == ENOENT || os == ENOTDIR) {
        return err_why(why, ERR_WORKFLOW_NOT_FOUND, "there is no file \"%.250s\"", path);
    }
    if (os == EXDEV || os == ELOOP) { /* It may name another one: this is no matter of rights. */
        return err_why(why, ERR_BAD_FIELD, "\"%.200s\" %s", path,
                       path[0] == '/'
                           ? "is behind links that lead in a circle"
                           : "leads out of its root, by \"..\" or by a link: name a file beneath "
                             "it, or an absolute path");
    }
    bool denied = os == EACCES || os == EPERM;
    return err_why(why, denied ? ERR_FORBIDDEN : ERR_BAD_FIELD, "\"%.200s\": %s", path,
                   catalog__trouble(os));
}

static int open_path(const struct catalog_search *search, const char *path,
                     struct stat *ret_about) {
    bool rooted = search->root != NULL && search->root[0] != '\0';
    const char *root = path[0] == '/' || !rooted ? "/" : search->root;
    AUTO(fd_release) int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (path[0] != '/') {
        return root_fd < 0 ? -1 : beneath_open_file(root_fd, path, ret_about);
    }
    AUTO(fd_release) int path_fd = open(path, O_PATH | O_CLOEXEC);
    if (path_fd < 0 || fstat(path_fd, ret_about) < 0) {
        return -1;
    }
    errno = EINVAL;
    return S_ISREG(ret_about->st_mode) ? beneath_reopen(path_fd) : -1;
}

struct err catalog_open(const struct catalog_search *search, const char *path,
                        struct catalog_script *ret_script, struct why *why) {
    bool rooted = search->root != NULL && search->root[0] == '/';
    if (path[0] != '/' && !rooted) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%.200s\" is relative, and there is no root that it belongs to", path);
    }
    struct stat about;
    AUTO(fd_release) int fd = open_path(search, path, &about);
    if (fd < 0) {
        return refuse_path(errno, path, why);
    }
    AUTO(catalog_script_done)
    struct catalog_script script = {
        .entry = {.file = copy(path), .place = copy(""), .origin = CATALOG_PATH}};
    size_t bytes_left = CATALOG_BYTES_MAX;
    struct err err = read_file(fd, &about, &script, &bytes_left);
    if (!err_failed(err) && script.source == NULL) {
        why_set(why, "\"%.200s\": %.100s", path, script.entry.fault.message);
        err = err_make(ERR_BAD_FIELD, "catalog: path");
    }
    if (!err_failed(err)) {
        *ret_script = script;
        script = (struct catalog_script){.source = NULL}; /* Handed over. */
    }
    return err;
}
