/* find.c: see find.h. */
#include "agent/find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/file.h"
#include "base/beneath.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/process/ceiling.h"

/* --- Places ----------------------------------------------------------------------------------- */

enum { PROJECT_DEPTH_MAX = 32, PLACES_MAX = PROJECT_DEPTH_MAX + 1 };
/* A folder of definitions, open, so that what is read there is of no other one. */
struct place {
    int fd; /* Owned. */
    bool of_project;
    char path[LIMIT_PATH_MAX];
};
struct places {
    size_t count;
    struct place list[PLACES_MAX];
};

static void place_add(struct places *places, struct bytes folder, bool of_project) {
    struct place *place = &places->list[places->count];
    const int len = snprintf(place->path, sizeof place->path, "%.*s/.drover/agents",
                             (int)folder.len, folder.data);
    if (places->count < PLACES_MAX && len > 0 && len < LIMIT_PATH_MAX) {
        place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        place->of_project = of_project;
        places->count += place->fd >= 0;
    }
}

static bool has_git(struct bytes folder) {
    char path[LIMIT_PATH_MAX];
    const int len = snprintf(path, sizeof path, "%.*s/.git", (int)folder.len, folder.data);
    return len > 0 && len < LIMIT_PATH_MAX && access(path, F_OK) == 0;
}

static bool is_same_folder(int left, int right) {
    struct stat one, other;
    return fstat(left, &one) == 0 && fstat(right, &other) == 0 && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

/* The folder above; "/" has none. */
static struct bytes above(struct bytes folder) {
    while (folder.len > 0 && folder.data[folder.len - 1] != '/') {
        folder.len--;
    }
    while (folder.len > 0 && folder.data[folder.len - 1] == '/') {
        folder.len--;
    }
    return folder;
}

static struct places *places_open(const struct agent_search *search) {
    struct places *places = mem_new(sizeof *places);
    struct bytes root = bytes_of(search->root), folder = root;
    const struct bytes home = bytes_of(search->home);
    size_t depth = 1;
    while (root.len > 1 && root.data[root.len - 1] == '/') {
        root.len--;
    }
    for (folder = root; folder.len > 0 && depth < PROJECT_DEPTH_MAX && !has_git(folder); depth++) {
        folder = above(folder);
        folder.len = ceiling_is(getenv(CEILING_VARIABLE), folder) ? 0 : folder.len;
    }
    depth = folder.len > 0 && has_git(folder) ? depth : 1; /* No project: its folder alone. */
    folder = root;
    for (size_t i = 0; root.len > 0 && root.data[0] == '/' && i < depth; i++) {
        place_add(places, folder, true);
        folder = above(folder);
    }
    const size_t projects = places->count;
    if (home.len > 0 && home.data[0] == '/') {
        place_add(places, home, false);
    }
    for (size_t i = 0; i < projects && places->count > projects; i++) {
        if (is_same_folder(places->list[i].fd, places->list[projects].fd)) {
            places->list[i].of_project = false; /* The home is itself in the project. */
        }
    }
    return places;
}

static void places_close(struct places **places) {
    for (size_t i = 0; i < (*places)->count; i++) {
        fd_release(&(*places)->list[i].fd);
    }
    mem_free(*places);
}

/* --- One definition --------------------------------------------------------------------------- */

/* Programs whose versions are asked for, and for whom the answers are. */
struct looking {
    const struct agent_search *search;
    char *paths[AGENT_VERSIONS_MAX + 1]; /* Owned; NULL: this is the walk that sees. */
    size_t count;
    bool collects;
    agent_see see;
    void *ctx;
};

/* A copy with the PATH that its program needs. */
static json_t *env_with_path(const struct agent_definition *what, const char *folder,
                             const char *path) {
    json_t *env = what->env != NULL ? json_copy(what->env) : json_object();
    AUTO(text_done) struct text text = text_up_to(2 * AGENT_DEFINITION_MAX);
    text_addf(&text, "%s%s%s", folder, path != NULL && path[0] != '\0' ? ":" : "",
              path != NULL ? path : "");
    if (json_object_get(env, "PATH") == NULL && !text_failed(&text)) {
        (void)json_object_set_new(env, "PATH", json_string(text.data)); /* NULL is refused. */
    }
    return env;
}

/* A copy with the path of its program. */
static void definition_see(struct looking *looking, const struct agent_definition *what,
                           const char *from, bool of_project) {
    const struct agent_search *search = looking->search;
    const struct program *program = program_find(bytes_of(what->program));
    const bool known = program_command(program) != NULL;
    const char *command = what->command != NULL ? what->command : program_command(program);
    AUTO(json_release) json_t *env = NULL;
    struct agent_where where;
    struct agent_version version = {""};
    struct why why = {""};
    struct agent_definition found = *what;
    struct agent_seen seen = {.what = &found, .program = program, .from = from, .why = why.text};
    assert(command != NULL);
    if (!agent_where_find(search->root, search->home, search->path, command, &where)) {
        seen.found = AGENT_MISSING;
        if (strchr(command, '/') != NULL) {
            why_set(&why, "there is no program at %.200s, the \"command\" of its definition",
                    command);
        } else {
            why_set(&why,
                    "there is no program '%.100s' in the PATH; install it, or name its path as "
                    "\"command\" in ~/.drover/agents/%.60s.json",
                    command, what->name);
        }
    } else {
        found.command = where.path;
        /* `--version` is understood by the programs that we know, and a project's are not run. */
        const bool asks = search->versions != NULL && known && !of_project;
        if (looking->collects) {
            if (asks && looking->count < AGENT_VERSIONS_MAX) {
                looking->paths[looking->count++] = mem_copy(where.path, strlen(where.path));
            }
            return;
        }
        version = asks ? agent_version_of(search->versions, where.path) : version;
        if (where.extra[0] != '\0') {
            env = env_with_path(what, where.extra, search->path);
            found.env = env;
        }
        if (!agent_logged_in(&found, search->home)) {
            seen.found = AGENT_NOT_LOGGED_IN;
            why_set(&why,
                    "no login was seen: run '%.100s' once in a terminal and log in, or give "
                    "the daemon a key in its environment",
                    command);
        }
    }
    seen.version = version.text;
    if (!looking->collects) {
        looking->see(looking->ctx, &seen);
    }
}

static void broken_see(struct looking *looking, const char *name, const char *from,
                       const char *words) {
    const struct agent_definition what = {.name = name};
    const struct agent_seen broken = {
        .what = &what, .from = from, .found = AGENT_BROKEN, .why = words, .version = ""};
    if (!looking->collects) {
        looking->see(looking->ctx, &broken);
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

/* Links of the home may lead anywhere: they are the user's. A link of a project could lead to a
 * file whose text would then stand in an error. */
static int file_open(const struct place *place, const char *name) {
    struct stat about;
    return place->of_project ? beneath_open_file(place->fd, name, &about)
                             : openat(place->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

/* Why a file could not be opened. ERR_NOT_FOUND: there is none. A link that leads nowhere is one:
 * without it something else of that name would be started. */
static struct err open_fault(const struct place *place, const char *name, int os, struct why *why) {
    struct stat about;
    if (os == ENOENT && fstatat(place->fd, name, &about, AT_SYMLINK_NOFOLLOW) != 0) {
        return err_make(ERR_NOT_FOUND, "agents: open");
    }
    const char *fault = os == ENOENT   ? "it is a link to a file that does not exist"
                        : os == ELOOP  ? "it is a link that leads to itself"
                        : os == EXDEV  ? "it is a link that leads out of its folder: copy the file"
                        : os == EINVAL ? "it is no plain file"
                        : os == EACCES ? "the daemon may not read it"
                                       : "it cannot be opened";
    return err_why(why, ERR_BAD_FIELD, "%s", fault);
}

static struct err file_load(const struct place *place, const char *name, struct text *text,
                            struct why *why) {
    AUTO(fd_release) int fd = file_open(place, name);
    struct stat about;
    char piece[4096];
    ssize_t got = 0;
    if (fd < 0) {
        return open_fault(place, name, errno, why);
    }
    if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) {
        return open_fault(place, name, EINVAL, why);
    }
    while ((got = read(fd, piece, sizeof piece)) > 0 && !text_failed(text)) {
        text_add(text, piece, (size_t)got);
    }
    if (got < 0) {
        return err_why(why, ERR_BAD_FIELD, "it cannot be read");
    }
    if (text_failed(text)) {
        return err_why(why, ERR_BAD_FIELD, "it has more than %d kB", AGENT_DEFINITION_MAX >> 10);
    }
    return ERR_OK;
}

/* Whether the user has an agent of that name without the project. */
static bool is_own(const struct agent_search *search, const struct places *places,
                   const char *name) {
    bool found = search->rows != NULL && agent_rows_have(search->rows, bytes_of(name));
    for (size_t i = 0; i < places->count; i++) {
        for (unsigned form = 0; !places->list[i].of_project && form < AGENT_FILES; form++) {
            char file[AGENT_NAME_MAX + 8];
            (void)snprintf(file, sizeof file, "%s%s", name, agent_file_endings[form]);
            found = found || faccessat(places->list[i].fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
        }
    }
    for (unsigned i = 0; !found && agent_built_in(i) != NULL; i++) {
        found = strcmp(name, agent_built_in(i)->name) == 0;
    }
    return found;
}

static bool file_see(struct looking *looking, const struct places *places,
                     const struct place *place, enum agent_file form, const char *name) {
    char path[LIMIT_PATH_MAX + AGENT_NAME_MAX + 8];
    AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
    AUTO(json_release) json_t *json = NULL;
    struct agent_definition what;
    struct why why = {""};
    (void)snprintf(path, sizeof path, "%s/%s%s", place->path, name, agent_file_endings[form]);
    struct err err = file_load(place, path + strlen(place->path) + 1, &text, &why);
    if (!err_failed(err)) {
        err = agent_file_read(form, name, text_bytes(&text), &json, &what, &why);
    }
    if (err.code == ERR_NOT_FOUND) {
        return false;
    }
    if (!err_failed(err) && place->of_project && is_own(looking->search, places, name)) {
        err = err_why(&why, ERR_BAD_FIELD,
                      "a project may not replace an agent of yours or of drover: give it another "
                      "name, or move the file to ~/.drover/agents");
    }
    if (err_failed(err)) {
        broken_see(looking, name, path, why.text[0] != '\0' ? why.text : err_title(err.code));
    } else {
        definition_see(looking, &what, path, place->of_project);
    }
    return true;
}

/* --- By name ---------------------------------------------------------------------------------- */

static bool row_see(struct looking *looking, const char *name) {
    AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
    AUTO(json_release) json_t *json = NULL;
    struct agent_definition what;
    struct why why = {""};
    if (looking->search->rows == NULL ||
        !agent_rows_get(looking->search->rows, bytes_of(name), &text)) {
        return false;
    }
    struct err err = json_parse_wrapped(text_bytes(&text), &json, &why);
    if (!err_failed(err)) {
        err = agent_definition_read(json, &what, &why);
    }
    if (err_failed(err)) {
        broken_see(looking, name, "stored", why.text);
    } else {
        definition_see(looking, &what, "stored", false);
    }
    return true;
}

static bool name_see(struct looking *looking, const struct places *places, const char *name) {
    for (size_t i = 0; i < places->count; i++) {
        for (unsigned form = 0; form < AGENT_FILES; form++) {
            if (file_see(looking, places, &places->list[i], (enum agent_file)form, name)) {
                return true;
            }
        }
    }
    if (row_see(looking, name)) {
        return true;
    }
    for (unsigned i = 0; agent_built_in(i) != NULL; i++) {
        if (strcmp(name, agent_built_in(i)->name) == 0) {
            definition_see(looking, agent_built_in(i), "built in", false);
            return true;
        }
    }
    return false;
}

struct seen_names {
    struct agent_name list[AGENT_NAMES_MAX];
    size_t count;
};

/* Twice: to find the programs, which are then asked for their versions all at once; and to see. */
static bool names_see(struct looking *looking, const struct places *places,
                      const struct seen_names *names) {
    bool any = false;
    for (unsigned walk = looking->search->versions != NULL ? 0 : 1; walk < 2; walk++) {
        looking->collects = walk == 0;
        for (size_t i = 0; i < names->count; i++) {
            any = name_see(looking, places, names->list[i].text) || any;
        }
        if (looking->collects) {
            agent_versions_ask(looking->search->versions, (const char *const *)looking->paths);
        }
    }
    for (size_t i = 0; i < looking->count; i++) {
        mem_free(looking->paths[i]);
    }
    return any;
}

bool agent_find(const struct agent_search *search, struct bytes name, agent_see see, void *ctx) {
    if (!agent_name_is_valid(name)) {
        return false;
    }
    struct looking looking = {.search = search, .see = see, .ctx = ctx};
    struct seen_names *names = mem_new(sizeof *names);
    AUTO(places_close) struct places *places = places_open(search);
    memcpy(names->list[names->count++].text, name.data, name.len);
    const bool found = names_see(&looking, places, names);
    mem_free(names);
    return found;
}

/* --- All -------------------------------------------------------------------------------------- */

/* False: there is no room for it. */
static bool name_add(struct seen_names *names, struct bytes name) {
    if (!agent_name_is_valid(name)) {
        return true;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (bytes_is(name, names->list[i].text)) {
            return true;
        }
    }
    if (names->count == AGENT_NAMES_MAX) {
        return false;
    }
    struct agent_name *next = &names->list[names->count++];
    memset(next, 0, sizeof *next);
    memcpy(next->text, name.data, name.len);
    return true;
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const struct agent_name *)left)->text,
                  ((const struct agent_name *)right)->text);
}

/* Entries of the folder with no ending of ours are looked at, too. False: there are more. */
static bool place_list(const struct place *place, struct seen_names *names) {
    AUTO(entries_close)
    DIR *listing = entries_of(openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const char *name;
    bool all = true;
    for (unsigned i = 0; all && (name = entries_next(listing)) != NULL; i++) {
        all = i < AGENT_FILES_MAX;
        const struct bytes file = bytes_of(name);
        for (unsigned form = 0; all && form < AGENT_FILES; form++) {
            const struct bytes ending = bytes_of(agent_file_endings[form]);
            if (file.len > ending.len &&
                strcmp(file.data + file.len - ending.len, ending.data) == 0) {
                all = name_add(names, (struct bytes){file.data, file.len - ending.len});
            }
        }
    }
    return all;
}

static void more_see(struct looking *looking, const struct place *place) {
    struct why why;
    why_set(&why,
            "more than %d files are in this folder, or %d agents in all folders: those that are "
            "not listed are found by their names all the same",
            AGENT_FILES_MAX, AGENT_NAMES_MAX);
    broken_see(looking, AGENT_MORE, place->path, why.text);
}

void agent_each(const struct agent_search *search, agent_see see, void *ctx) {
    struct looking looking = {.search = search, .see = see, .ctx = ctx};
    struct seen_names *names = mem_new(sizeof *names);
    struct agent_name *rows = mem_new_array(AGENT_ROWS_MAX, sizeof *rows);
    AUTO(places_close) struct places *places = places_open(search);
    const size_t row_count = search->rows == NULL ? 0 : agent_rows_names(search->rows, rows);
    for (unsigned i = 0; agent_built_in(i) != NULL; i++) {
        (void)name_add(names, bytes_of(agent_built_in(i)->name)); /* There is room. */
    }
    for (size_t i = 0; i < row_count; i++) {
        (void)name_add(names, bytes_of(rows[i].text));
    }
    for (size_t i = 0; i < places->count; i++) {
        if (!place_list(&places->list[i], names)) {
            more_see(&looking, &places->list[i]);
        }
    }
    qsort(names->list, names->count, sizeof names->list[0], by_name);
    /* A file may be removed meanwhile, and agents of models have files there, too. */
    (void)names_see(&looking, places, names);
    mem_free(rows);
    mem_free(names);
}

/* Rights of the program that need no question, for the user who starts it. */
static const char *access_words(const struct agent_seen *seen) {
    static const char *const words[AGENT_ACCESS_COUNT] = {
        [AGENT_ACCESS_READ] = "reads its folder",
        [AGENT_ACCESS_WRITE] =
            "writes below its folder as its own settings allow, and does not ask",
        [AGENT_ACCESS_ALL] = "may do what its user may, and does not ask"};
    const bool limited = (program_can(seen->program) & PROGRAM_TAKES_ACCESS) != 0;
    const enum agent_access access =
        limited ? agent_definition_access(seen->what) : AGENT_ACCESS_ALL;
    const bool asks = agent_program_can(seen->what->program, AGENT_ASKS);
    return asks && access != AGENT_ACCESS_ALL
               ? "asks before it acts, but for hooks and rules of its own settings"
               : words[access];
}

struct agent_shown agent_seen_show(const struct agent_seen *seen) {
    const struct agent_definition *what = seen->what;
    const bool ready = agent_may_start(seen->found);
    return (struct agent_shown){
        .name = bytes_of(what->name),
        .kind = BYTES("cli"),
        .found = ready,
        .version = bytes_of(seen->version),
        .state = bytes_of(agent_found_names[seen->found]),
        .program = bytes_of(what->program),
        .command = ready ? bytes_of(what->command) : BYTES(""),
        .model = bytes_of(what->model),
        .description = bytes_of(what->description),
        .isolation = bytes_of(what->isolation),
        .at_once = what->at_once,
        .from = bytes_of(seen->from),
        .may = bytes_of(seen->found == AGENT_BROKEN ? "nothing" : access_words(seen)),
        .why = bytes_of(seen->why)};
}
