/* catalog.c: places in the order in which they count, their files read one after the other, and the
 * JSON that clients get of them.
 */
#include "script/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/process/ceiling.h"
#include "base/suggest.h"
#include "base/utf8.h"

enum {
    ABOVE_MAX = 16,    /* Folders above the root. */
    NAMES_MAX = 20000, /* Entries of one folder, whatever they are. */
    NEAR_MAX = 3,      /* Names that are suggested. */
};

static const char *const kind_names[] = {[SCRIPT_WORKFLOW] = "workflow", [SCRIPT_FLOW] = "flow"};
/* Folders of a project or a home, first those that count first. */
static const char *const kind_folders[][4] = {
    [SCRIPT_WORKFLOW] = {".drover/workflows", ".claude/workflows", ".boocode/workflows", NULL},
    [SCRIPT_FLOW] = {".drover/flows", ".boocode/flows", NULL},
};

/* Words for what stopped it; NULL: it is just not there. Static. */
static const char *trouble_of(int os) {
    switch (os) {
    case ENOENT:
        return NULL;
    case ENOTDIR:
        return "it is not a folder";
    case EINVAL:
        return "it is not a plain file";
    case EXDEV:
    case ELOOP:
        return "it is a link that leads out of the place where it stands";
    case EACCES:
    case EPERM:
        return "the system does not permit to read it";
    default:
        return "the system could not read it";
    }
}

/* --- Places ----------------------------------------------------------------------------------- */

static void place_add(struct catalog *catalog, enum catalog_origin origin, const char *base,
                      const char *folder) {
    char path[2 * LIMIT_PATH_MAX];
    size_t base_len = strlen(base);
    int wrote = snprintf(path, sizeof path, "%s%s%s", base,
                         base_len > 0 && base[base_len - 1] == '/' ? "" : "/", folder);
    /* The home may be the top of the project, too: then it is a project's. One place is left for
     * those built in. */
    bool known = wrote >= (int)sizeof path || catalog->place_count == CATALOG_PLACES_MAX - 1;
    for (unsigned i = 0; i < catalog->place_count && !known; i++) {
        known = strcmp(catalog->places[i].path, path) == 0;
    }
    if (!known) {
        catalog->places[catalog->place_count++] =
            (struct catalog_place){.path = mem_copy(path, (size_t)wrote),
                                   .base_len = origin == CATALOG_PROJECT ? base_len : 0,
                                   .origin = origin};
    }
}

static void places_add(struct catalog *catalog, enum catalog_origin origin, const char *base) {
    for (const char *const *folder = kind_folders[catalog->kind]; *folder != NULL; folder++) {
        place_add(catalog, origin, base, *folder);
    }
}

/* Cuts the last component; false: there is none above. */
static bool go_up(char *folder) {
    char *slash = strrchr(folder, '/');
    if (slash == NULL || folder[1] == '\0') {
        return false;
    }
    slash[slash == folder ? 1 : 0] = '\0';
    return true;
}

/* Number of folders above `folder` belong to its repository; 0 where there is none. */
static unsigned levels_above(const char *folder) {
    char at[PATH_MAX], git[PATH_MAX + 8];
    (void)snprintf(at, sizeof at, "%s", folder); /* Both have PATH_MAX bytes. */
    for (unsigned level = 0; level <= ABOVE_MAX; level++) {
        (void)snprintf(git, sizeof git, "%s/.git", at); /* A path and six bytes: it fits. */
        if (access(git, F_OK) == 0) {
            return level;
        }
        if (!go_up(at) || ceiling_is(getenv(CEILING_VARIABLE), bytes_of(at))) {
            break;
        }
    }
    return 0;
}

/* Fills in which places there are to look into; opens none of them. */
static struct err places_find(const struct catalog_search *search, struct catalog *catalog,
                              struct why *why) {
    const char *root = search->root, *home = search->home, *config = search->config_dir;
    catalog->kind = search->kind;
    if (root != NULL && root[0] != '\0') {
        char folder[PATH_MAX];
        AUTO(fd_release) int fd = -1;
        if (root[0] == '/' && realpath(root, folder) != NULL) {
            fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0) {
            return err_why(why, ERR_BAD_FIELD,
                           "root: \"%.200s\" is not the absolute path of a folder", root);
        }
        unsigned above = levels_above(folder);
        do {
            places_add(catalog, CATALOG_PROJECT, folder);
        } while (above-- > 0 && go_up(folder));
    }
    if (home != NULL && home[0] == '/') {
        places_add(catalog, CATALOG_HOME, home);
    }
    if (config != NULL && config[0] == '/' && search->kind == SCRIPT_WORKFLOW) {
        place_add(catalog, CATALOG_HOME, config, "workflows");
    }
    catalog->places[catalog->place_count++] = (struct catalog_place){
        .path = mem_copy("built-in", 8), .origin = CATALOG_BUILT_IN, .found = true};
    return ERR_OK;
}

/* The folder of a place, to be read; -1 and errno. */
static int place_open(const struct catalog_place *place) {
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    if (place->base_len == 0) {
        return open(place->path, flags);
    }
    char base[PATH_MAX];
    memcpy(base, place->path, place->base_len);
    base[place->base_len] = '\0';
    AUTO(fd_release) int base_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *rest = place->path + place->base_len;
    return base_fd < 0 ? -1 : beneath_open(base_fd, rest + strspn(rest, "/"), (uint64_t)flags);
}

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

static char *stem_of(const char *file) {
    struct bytes stem = script_stem(bytes_of(file));
    char *name = mem_copy(stem.data, stem.len);
    if (!utf8_valid(name, stem.len)) { /* Names of files are bytes, those of workflows are not. */
        utf8_make_plain(name, stem.len);
    }
    return name;
}

/* Everything that the text says. */
static struct err catalog_script_read(struct catalog_script *script) {
    struct catalog_entry *entry = &script->entry;
    const struct script_source source = {
        {script->source, script->len}, bytes_of(entry->file), entry->kind};
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

struct err catalog_judge(struct catalog_script *script) {
    const struct catalog_entry *entry = &script->entry;
    const struct script_source source = {
        {script->source, script->len}, bytes_of(entry->file), entry->kind};
    return entry->valid ? script_judge(&source, &script->prepared, &script->notes) : ERR_OK;
}

static struct err bytes_read(int fd, size_t size, struct catalog_script *script) {
    AUTO(mem_release) char *source = mem_try(size + 1);
    if (source == NULL) {
        return err_make(ERR_OUT_OF_MEMORY, "catalog: file");
    }
    size_t len = 0;
    ssize_t got = 1;
    while (len < size && got != 0) {
        got = read(fd, source + len, size - len);
        if (got < 0 && errno != EINTR) {
            return err_from_errno(errno, "catalog: file");
        }
        len += got > 0 ? (size_t)got : 0;
    }
    source[len] = '\0';
    script->source = source;
    script->len = len;
    source = NULL; /* Handed over. */
    return ERR_OK;
}

/* A file that cannot be read has a fault like what cannot be understood. */
static struct err file_read(int fd, const struct stat *about, struct catalog_script *script,
                            size_t *bytes_left) {
    size_t size = fd < 0 ? 0 : (size_t)about->st_size;
    const char *code = "unreadable", *fault = "the system could not read it";
    if (fd < 0) {
        const char *trouble = trouble_of(errno);
        fault = trouble == NULL ? "it is a link to nothing" : trouble;
    } else if (size > SCRIPT_SOURCE_MAX || size > *bytes_left) {
        code = "too_large";
        fault = size > SCRIPT_SOURCE_MAX ? "a script has at most 1 MB"
                                         : "it was not read: the files before it have 64 MB";
    } else {
        *bytes_left -= size;
        struct err err = bytes_read(fd, size, script);
        if (!err_failed(err)) {
            return catalog_script_read(script);
        }
        if (err.code == ERR_OUT_OF_MEMORY) {
            return err;
        }
    }
    struct catalog_entry *entry = &script->entry;
    entry->fault = (struct script_fault){.code = code};
    (void)snprintf(entry->fault.message, sizeof entry->fault.message, "%s", fault); /* It fits. */
    entry->name = stem_of(entry->file);
    entry->checked = true; /* Nothing more is to be known. */
    return ERR_OK;
}

/* --- The list --------------------------------------------------------------------------------- */

/* One walk through the places. */
struct walk {
    struct catalog *catalog;
    json_t *names;      /* Owned: the number of the entry that counts, by name. */
    size_t bytes_left;  /* Of CATALOG_BYTES_MAX. */
    struct bytes named; /* The one that is looked for; no bytes: all of them. */
    struct catalog_script *script;
    bool found;
};

/* Takes the entry out of the script; or the whole script, when it is the one looked for. */
static struct err walk_keep(struct walk *walk, struct catalog_script *script) {
    struct catalog *catalog = walk->catalog;
    struct catalog_entry *entry = &script->entry;
    if (walk->script != NULL && bytes_is(walk->named, entry->name)) {
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

/* Adds one file: a built-in one with its source, another by the folder that it stands in. */
static struct err walk_add(struct walk *walk, struct catalog_place *place, int place_fd,
                           const char *name, const struct bytes *built_in) {
    AUTO(text_done) struct text path = text_up_to(64 << 10);
    text_addf(&path, "%s/%s", place->path, name);
    AUTO(catalog_script_done)
    struct catalog_script script = {.entry = {.file = copy(text_failed(&path) ? name : path.data),
                                              .place = copy(place->path),
                                              .kind = walk->catalog->kind,
                                              .origin = place->origin}};
    struct err err;
    if (built_in != NULL) {
        script.source = mem_copy(built_in->data, built_in->len);
        script.len = built_in->len;
        err = catalog_script_read(&script);
    } else {
        struct stat about;
        AUTO(fd_release) int fd = beneath_open_file(place_fd, name, &about);
        err = file_read(fd, &about, &script, &walk->bytes_left);
    }
    err = err_failed(err) ? err : walk_keep(walk, &script);
    place->files += !err_failed(err);
    return err;
}

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

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Which files are read does not depend on the order in which the system lists them. */
static void names_read(int place_fd, struct names *ret_names) {
    *ret_names = (struct names){.list = NULL};
    AUTO(entries_close) DIR *folder = entries_of(fcntl(place_fd, F_DUPFD_CLOEXEC, 0));
    size_t size = 0, seen = 0;
    for (const char *name; seen < NAMES_MAX && (name = entries_next(folder)) != NULL; seen++) {
        const char *dot = strrchr(name, '.');
        if (name[0] == '.' || dot == NULL ||
            (strcmp(dot, ".js") != 0 && strcmp(dot, ".mjs") != 0)) {
            continue;
        }
        if (ret_names->count == size) {
            size = size == 0 ? 16 : 2 * size;
            ret_names->list = mem_grow(ret_names->list, size * sizeof *ret_names->list);
        }
        ret_names->list[ret_names->count++] = copy(name);
    }
    if (ret_names->count > 0) {
        qsort(ret_names->list, ret_names->count, sizeof *ret_names->list, by_bytes);
    }
}

static struct err walk_place(struct walk *walk, struct catalog_place *place) {
    struct err err = ERR_OK;
    if (place->origin == CATALOG_BUILT_IN) {
        size_t count = 0;
        const struct builtin *list =
            walk->catalog->kind == SCRIPT_FLOW ? builtin_flows(&count) : builtin_list(&count);
        for (size_t i = 0; i < count && !walk->found && !err_failed(err); i++) {
            err = walk_add(walk, place, -1 /* no folder */, list[i].file, &list[i].source);
        }
        return err;
    }
    AUTO(fd_release) int place_fd = place_open(place);
    if (place_fd < 0) {
        place->problem = trouble_of(errno);
        return ERR_OK;
    }
    place->found = true;
    AUTO(names_done) struct names names;
    names_read(place_fd, &names);
    place->truncated = names.count > CATALOG_FILES_MAX;
    for (size_t i = 0; i < names.count && i < CATALOG_FILES_MAX && !walk->found && !err_failed(err);
         i++) {
        err = walk_add(walk, place, place_fd, names.list[i], /* built in */ NULL);
    }
    return err;
}

static struct err walk_all(struct walk *walk, const struct catalog_search *search,
                           struct why *why) {
    struct catalog *catalog = walk->catalog;
    AUTO(json_release) json_t *names = json_object();
    walk->names = names;
    walk->bytes_left = CATALOG_BYTES_MAX;
    struct err err = places_find(search, catalog, why);
    for (unsigned i = 0; i < catalog->place_count && !err_failed(err) && !walk->found; i++) {
        err = walk_place(walk, &catalog->places[i]);
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
    struct err err = walk_all(&walk, search, why);
    if (err_failed(err)) {
        catalog_done(ret_catalog);
    }
    return err;
}

/* --- By name ---------------------------------------------------------------------------------- */

/* Adds the nearest names as a question, or a full stop. */
static void add_near(const struct catalog *catalog, const char *typed, struct text *text) {
    const char *near[NEAR_MAX] = {NULL}, *colon = strrchr(typed, ':');
    typed = colon != NULL ? colon + 1 : typed; /* "PLUGIN:NAME" of another host. */
    for (size_t n = 0; n < NEAR_MAX && (n == 0 || near[n - 1] != NULL); n++) {
        struct suggest suggest;
        suggest_begin(&suggest, typed);
        for (unsigned i = 0; i < catalog->entry_count; i++) {
            const char *name = catalog->entries[i].name;
            if ((near[0] == NULL || strcmp(near[0], name) != 0) &&
                (near[1] == NULL || strcmp(near[1], name) != 0)) {
                suggest_offer(&suggest, name);
            }
        }
        near[n] = suggest_best(&suggest);
        if (near[n] != NULL) {
            text_addf(text, "%s%.60s", n == 0 ? "; did you mean " : " or ", near[n]);
        }
    }
    text_add_str(text, near[0] == NULL ? "." : "?");
}

/* Length of `path` without "/" and the folder at its end; 0: it does not end so. */
static size_t base_of(const char *path, const char *folder) {
    const size_t len = strlen(path), end = strlen(folder) + 1;
    const bool ends =
        len > end && path[len - end] == '/' && strcmp(path + len - end + 1, folder) == 0;
    return ends ? len - end : 0;
}

static enum err_code absent_code(enum script_kind kind) {
    return kind == SCRIPT_FLOW ? ERR_FLOW_NOT_FOUND : ERR_WORKFLOW_NOT_FOUND;
}

static struct err not_found(const struct catalog *catalog, struct bytes name, struct why *why) {
    AUTO(mem_release) char *typed = mem_copy(name.data, name.len);
    AUTO(text_done) struct text text = text_up_to(64 << 10);
    text_addf(&text, "there is no %s '%.60s'", kind_names[catalog->kind], typed);
    add_near(catalog, typed, &text);
    text_add_str(&text, " Searched: ");
    /* The folders of a base are listed as one. */
    const char *const *folders = kind_folders[catalog->kind];
    const char *comma = "";
    for (unsigned i = 0; i < catalog->place_count; i++) {
        const char *path = catalog->places[i].path;
        const size_t base = base_of(path, folders[0]);
        bool within = false;
        for (size_t f = 1; folders[f] != NULL && base == 0; f++) {
            within = within || base_of(path, folders[f]) > 0;
        }
        if (base > 0) {
            text_addf(&text, "%s%.*s%s", comma, (int)base, path,
                      catalog->kind == SCRIPT_FLOW ? "/.{drover,boocode}/flows"
                                                   : "/.{drover,claude,boocode}/workflows");
        } else if (!within) {
            text_addf(&text, "%s%s", comma, path);
        }
        comma = within ? comma : ", ";
    }
    return err_why(why, absent_code(catalog->kind), "%s",
                   text_failed(&text) ? "there is none of this name" : text.data);
}

struct err catalog_find(const struct catalog_search *search, struct bytes name,
                        struct catalog_script *ret_script, struct why *why) {
    AUTO(catalog_done) struct catalog catalog = {.place_count = 0};
    struct walk walk = {.catalog = &catalog, .named = name, .script = ret_script};
    struct err err = walk_all(&walk, search, why);
    const char *colon = memrchr(name.data, ':', name.len);
    if (!err_failed(err) && !walk.found && colon != NULL) { /* "PLUGIN:NAME" of another host. */
        const struct bytes bare = {colon + 1, (size_t)(name.data + name.len - colon) - 1};
        AUTO(catalog_done) struct catalog again = {.place_count = 0};
        struct walk second = {.catalog = &again, .named = bare, .script = ret_script};
        err = walk_all(&second, search, why);
        walk.found = second.found;
    }
    if (!err_failed(err) && !walk.found) {
        err = not_found(&catalog, name, why);
    }
    return err;
}

/* --- By path ---------------------------------------------------------------------------------- */

static struct err refuse_path(enum script_kind kind, int os, const char *path, struct why *why) {
    if (os == ENOENT || os == ENOTDIR) {
        return err_why(why, absent_code(kind), "there is no file \"%.250s\"", path);
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
                   trouble_of(os));
}

struct err catalog_open(const struct catalog_search *search, const char *path,
                        struct catalog_script *ret_script, struct why *why) {
    bool absolute = path[0] == '/';
    if (!absolute && (search->root == NULL || search->root[0] != '/')) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"%.200s\" is relative, and there is no root that it belongs to", path);
    }
    struct stat about;
    AUTO(fd_release) int fd = -1;
    AUTO(fd_release)
    int from_fd = absolute ? open(path, O_PATH | O_CLOEXEC)
                           : open(search->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (from_fd >= 0 && !absolute) {
        fd = beneath_open_file(from_fd, path, &about);
    } else if (from_fd >= 0 && fstat(from_fd, &about) == 0) {
        errno = EINVAL;
        fd = S_ISREG(about.st_mode) ? beneath_reopen(from_fd) : -1;
    }
    if (fd < 0) {
        return refuse_path(search->kind, errno, path, why);
    }
    AUTO(catalog_script_done)
    struct catalog_script script = {
        .entry = {
            .file = copy(path), .place = copy(""), .kind = search->kind, .origin = CATALOG_PATH}};
    size_t bytes_left = CATALOG_BYTES_MAX;
    struct err err = file_read(fd, &about, &script, &bytes_left);
    if (!err_failed(err) && script.source == NULL) {
        err = err_why(why, ERR_BAD_FIELD, "\"%.200s\": %.100s", path, script.entry.fault.message);
    }
    if (!err_failed(err)) {
        *ret_script = script;
        script = (struct catalog_script){.source = NULL}; /* Handed over. */
    }
    return err;
}

/* --- JSON ------------------------------------------------------------------------------------- */

const char *catalog_origin_name(enum catalog_origin origin) {
    static const char *const names[] = {[CATALOG_PROJECT] = "project",
                                        [CATALOG_HOME] = "home",
                                        [CATALOG_BUILT_IN] = "built-in",
                                        [CATALOG_PATH] = "path"};
    return names[origin];
}

static void add_text(struct text *text, const char *name, const char *value) {
    text_add_member(text, name, bytes_of(value));
}

static void add_value(struct text *text, const char *name, const json_t *value) {
    if (value != NULL) {
        text_add_name(text, name);
        /* Without memory for a part, the whole answer fails. */
        text->failed = err_failed(json_write(value, text)) || text->failed;
    }
}

static void add_fault(const struct script_fault *fault, const char *severity, struct text *text) {
    text_addf(text, "{\"line\":%u,\"column\":%u,\"code\":\"%s\"", fault->line, fault->column,
              fault->code);
    if (severity != NULL) {
        add_text(text, "severity", severity);
    }
    add_text(text, "detail", fault->message);
    text_add_char(text, '}');
}

/* A list of the fault, unless that is NULL, and of the notes. Returns whether one is an error. */
static bool add_notes(const struct script_notes *notes, const struct script_fault *fault,
                      struct text *text) {
    bool grave = fault != NULL;
    text_add_char(text, '[');
    if (fault != NULL) {
        add_fault(fault, "error", text);
    }
    const char *before = fault == NULL ? "" : ",";
    for (unsigned i = 0; notes != NULL && i < notes->count; i++) {
        const struct script_note *note = &notes->list[i];
        if (note->doubt) {
            continue;
        }
        text_add_str(text, before);
        before = ",";
        add_fault(&note->fault, note->grave ? "error" : "warning", text);
        grave |= note->grave;
    }
    text_add_char(text, ']');
    return grave;
}

void script_notes_resolve(struct script_notes *notes,
                          enum script_note_verdict (*judge)(void *ctx, struct script_note *note),
                          void *ctx) {
    unsigned kept = 0;
    for (unsigned i = 0; i < notes->count; i++) {
        struct script_note *note = &notes->list[i];
        const enum script_note_verdict verdict =
            note->about == NOTE_ABOUT_SCRIPT ? NOTE_LEFT : judge(ctx, note);
        note->doubt = note->doubt && verdict != NOTE_CONFIRMED;
        if (verdict != NOTE_DROPPED) {
            notes->list[kept++] = *note;
        }
    }
    notes->count = kept;
}

void script_notes_write(const struct script_notes *notes, struct text *text) {
    (void)add_notes(notes, NULL, text); /* The list tells which are errors. */
}

void script_verdict_write(const struct script_verdict *verdict, struct text *text) {
    const struct script_prepared *prepared = verdict->prepared;
    AUTO(text_done) struct text problems = text_up_to(1 << 20);
    bool grave = add_notes(prepared == NULL ? NULL : verdict->notes, verdict->fault, &problems);
    text_add_char(text, '{');
    text_add_member_bool(text, "valid", prepared != NULL && !grave);
    if (prepared == NULL) {
        text_add_str(text, ",\"form\":null,\"meta\":null");
    } else {
        add_text(text, "form", script_form_name(prepared->form));
        add_value(text, "meta", prepared->meta);
    }
    text_add_name(text, "problems");
    text_add(text, problems.data, problems.len);
    text_add_member_bool(text, "checked", verdict->checked);
    text_add_char(text, '}');
    text->failed |= text_failed(&problems);
}

/* {"name","description","phases",…,"file","place","origin","form","checked","shadowed",…, open. */
static void add_entry(const struct catalog_entry *entry, struct text *text) {
    const json_t *phases = json_object_get(entry->meta, "phases"); /* A flow has none. */
    text_add_char(text, '{');
    add_text(text, "name", entry->name);
    add_text(text, "description", json_str(entry->meta, "description", ""));
    add_value(text, "when_to_use", json_object_get(entry->meta, "whenToUse"));
    if (phases == NULL && entry->kind == SCRIPT_WORKFLOW) {
        text_add_str(text, ",\"phases\":[]");
    }
    add_value(text, "phases", phases);
    add_value(text, "args", json_object_get(entry->meta, "args"));
    add_text(text, "file", entry->file);
    add_text(text, "place", entry->place);
    add_text(text, "origin", catalog_origin_name(entry->origin));
    if (entry->valid) {
        add_text(text, "form", script_form_name(entry->form));
    } else {
        text_add_str(text, ",\"form\":null,\"error\":");
        add_fault(&entry->fault, /* severity */ NULL, text);
    }
    text_add_member_bool(text, "checked", entry->checked);
    text_add_member_bool(text, "shadowed", entry->shadowed_by != NULL);
    if (entry->shadowed_by != NULL) {
        add_text(text, "shadowed_by", entry->shadowed_by);
    }
}

void catalog_script_write(const struct catalog_script *script, struct text *text) {
    add_entry(&script->entry, text);
    text_add_name(text, "notes");
    script_notes_write(&script->notes, text);
    text_add_name(text, "source");
    if (script->source == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, script->source, script->len);
    }
    text_add_member_or_null(text, "hash", bytes_of(script->entry.hash.text));
    text_add_char(text, '}');
}

void catalog_write(const struct catalog *catalog, struct text *text) {
    int64_t unchecked = 0;
    text_addf(text, "{\"%ss\":[", kind_names[catalog->kind]);
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        add_entry(&catalog->entries[i], text);
        text_add_char(text, '}');
        unchecked += catalog->entries[i].checked ? 0 : 1;
    }
    text_add_str(text, "],\"places\":[");
    for (unsigned i = 0; i < catalog->place_count; i++) {
        const struct catalog_place *place = &catalog->places[i];
        text_add_str(text, i == 0 ? "{" : ",{");
        add_text(text, "path", place->path);
        add_text(text, "origin", catalog_origin_name(place->origin));
        text_add_member_bool(text, "found", place->found);
        text_add_member_int(text, "files", place->files);
        text_add_member_bool(text, "truncated", place->truncated);
        if (place->problem != NULL) {
            add_text(text, "problem", place->problem);
        }
        text_add_char(text, '}');
    }
    text_add_char(text, ']');
    text_add_member_int(text, "unchecked", unchecked);
    text_add_char(text, '}');
}
