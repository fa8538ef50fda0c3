/* find.c: see find.h. */
#include "agent/find.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"

const char *const agent_found_names[] = {"ready", "missing", "broken", NULL};

/* --- Programs --------------------------------------------------------------------------------- */

static bool is_program(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) && access(path, X_OK) == 0;
}

static bool path_join(char ret_path[LIMIT_PATH_MAX], struct bytes folder, const char *name) {
    const int len =
        snprintf(ret_path, LIMIT_PATH_MAX, "%.*s/%s", (int)folder.len, folder.data, name);
    return folder.len > 0 && folder.data[0] == '/' && len > 0 && len < LIMIT_PATH_MAX;
}

static bool program_path(const struct agent_search *search, const char *command,
                         char ret_path[LIMIT_PATH_MAX]) {
    struct bytes rest = bytes_of(search->path), folder;
    if (strchr(command, '/') != NULL) {
        const bool whole = command[0] == '/';
        const int len = snprintf(ret_path, LIMIT_PATH_MAX, "%s%s%s", whole ? "" : search->root,
                                 whole ? "" : "/", command);
        return (whole || (search->root != NULL && search->root[0] == '/')) && len > 0 &&
               len < LIMIT_PATH_MAX && is_program(ret_path);
    }
    while (bytes_next(&rest, ':', &folder)) {
        if (path_join(ret_path, folder, command) && is_program(ret_path)) {
            return true;
        }
    }
    char local[LIMIT_PATH_MAX];
    return search->home != NULL && path_join(local, bytes_of(search->home), ".local/bin") &&
           path_join(ret_path, bytes_of(local), command) && is_program(ret_path);
}

/* A copy with the path of its program. */
static void definition_see(const struct agent_search *search, const struct agent_definition *what,
                           const char *from, agent_see see, void *ctx) {
    const struct program *program = program_find(bytes_of(what->program));
    const char *command = what->command != NULL ? what->command : program_command(program);
    char path[LIMIT_PATH_MAX], why[400] = "";
    struct agent_definition found = *what;
    struct agent_seen seen = {.what = &found, .program = program, .from = from, .why = why};
    assert(command != NULL);
    if (program_path(search, command, path)) {
        found.command = path;
    } else {
        seen.found = AGENT_MISSING;
        (void)snprintf(why, sizeof why,
                       "there is no program '%.200s' in the PATH; install it, or name its path as "
                       "\"command\" in .drover/agents/%.60s.json",
                       command, what->name);
    }
    see(ctx, &seen);
}

/* --- Files ------------------------------------------------------------------------------------ */

static struct err file_read(const char *path, struct text *text) {
    AUTO(fd_release) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    char piece[4096];
    ssize_t got = 0;
    if (fd < 0 || fstat(fd, &about) != 0) {
        return err_make(ERR_NOT_FOUND, "agents: open");
    }
    if (!S_ISREG(about.st_mode)) {
        return err_make(ERR_BAD_FIELD, "agents: file");
    }
    while ((got = read(fd, piece, sizeof piece)) > 0) {
        text_add(text, piece, (size_t)got);
    }
    return got < 0 || text_failed(text) ? err_make(ERR_BAD_FIELD, "agents: read") : ERR_OK;
}

/* NAME.json: its name is that of the file. */
static bool file_see(const struct agent_search *search, const char *folder, struct bytes name,
                     agent_see see, void *ctx) {
    char path[LIMIT_PATH_MAX], called[AGENT_NAME_MAX + 1], words[400];
    AUTO(text_done) struct text text = text_up_to(AGENT_DEFINITION_MAX);
    AUTO(json_release) json_t *json = NULL;
    struct why why = {""};
    struct agent_definition what = {.name = called};
    const int len = snprintf(path, sizeof path, "%s/.drover/agents/%.*s.json", folder,
                             (int)name.len, name.data);
    if (name.len > AGENT_NAME_MAX || len < 0 || len >= LIMIT_PATH_MAX) {
        return false;
    }
    memcpy(called, name.data, name.len);
    called[name.len] = '\0';
    struct err err = file_read(path, &text);
    if (err.code == ERR_NOT_FOUND) {
        return false;
    }
    if (!err_failed(err)) {
        err = json_parse(text_bytes(&text).data, text.len, JSON_DEPTH_MAX, &json, &why);
    }
    if (!err_failed(err) && json_is_object(json)) {
        (void)json_object_set_new(json, "name", json_string(called)); /* NULL is refused. */
        err = agent_definition_read(json, &what, &why);
    }
    if (!err_failed(err) && json_is_object(json)) {
        definition_see(search, &what, path, see, ctx);
        return true;
    }
    (void)snprintf(words, sizeof words, "%s",
                   why.text[0] != '\0' ? why.text : "it must be a JSON object in a file");
    what = (struct agent_definition){.name = called};
    const struct agent_seen broken = {
        .what = &what, .from = path, .found = AGENT_BROKEN, .why = words};
    see(ctx, &broken);
    return true;
}

/* --- By name ---------------------------------------------------------------------------------- */

static bool name_is_plain(struct bytes name) {
    bool plain = name.len > 0 && name.len <= AGENT_NAME_MAX && name.data[0] != '.';
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        plain = plain && c != '/' && c != '\0' && (unsigned char)c >= ' ';
    }
    return plain;
}

bool agent_find(const struct agent_search *search, struct bytes name, agent_see see, void *ctx) {
    const char *const folders[] = {search->root, search->home};
    if (!name_is_plain(name)) {
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (folders[i] != NULL && folders[i][0] == '/' &&
            file_see(search, folders[i], name, see, ctx)) {
            return true;
        }
    }
    for (unsigned i = 0; agent_built_in(i) != NULL; i++) {
        if (bytes_is(name, agent_built_in(i)->name)) {
            definition_see(search, agent_built_in(i), "built in", see, ctx);
            return true;
        }
    }
    return false;
}

struct seen_names {
    char names[2 * AGENT_FILES_MAX][AGENT_NAME_MAX + 1];
    size_t count;
};

static bool names_have(const struct seen_names *names, const char *name) {
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int by_name(const void *left, const void *right) {
    return strcmp(left, right);
}

static void folder_list(const char *folder, struct seen_names *names) {
    char path[LIMIT_PATH_MAX];
    const int len = snprintf(path, sizeof path, "%s/.drover/agents", folder);
    DIR *listing = len > 0 && len < LIMIT_PATH_MAX ? opendir(path) : NULL;
    const struct dirent *entry;
    for (unsigned i = 0; listing != NULL && i < AGENT_FILES_MAX && (entry = readdir(listing));
         i++) {
        const size_t size = strlen(entry->d_name);
        const bool fits = size > 5 && size - 5 <= AGENT_NAME_MAX &&
                          strcmp(entry->d_name + size - 5, ".json") == 0;
        const struct bytes name = {entry->d_name, fits ? size - 5 : 0};
        if (fits && name_is_plain(name) && names->count < COUNT_OF(names->names)) {
            char *into = names->names[names->count];
            memcpy(into, name.data, name.len);
            into[name.len] = '\0';
            names->count += !names_have(names, into);
        }
    }
    if (listing != NULL) {
        (void)closedir(listing); /* Was only read. */
    }
}

void agent_each(const struct agent_search *search, agent_see see, void *ctx) {
    const char *const folders[] = {search->root, search->home};
    struct seen_names *names = mem_new(sizeof *names);
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (folders[i] != NULL && folders[i][0] == '/') {
            folder_list(folders[i], names);
        }
    }
    for (unsigned i = 0; agent_built_in(i) != NULL; i++) {
        if (!names_have(names, agent_built_in(i)->name) && names->count < COUNT_OF(names->names)) {
            (void)snprintf(names->names[names->count++], sizeof names->names[0], "%s",
                           agent_built_in(i)->name);
        }
    }
    qsort(names->names, names->count, sizeof names->names[0], by_name);
    for (size_t i = 0; i < names->count; i++) {
        if (!agent_find(search, bytes_of(names->names[i]), see, ctx)) {
            continue; /* The file was removed meanwhile. */
        }
    }
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
    const bool asks = (program_can(seen->program) & PROGRAM_ASKS) != 0;
    return asks && access != AGENT_ACCESS_ALL ? "asks before it acts" : words[access];
}

void agent_seen_write(const struct agent_seen *seen, struct text *text) {
    const struct agent_definition *what = seen->what;
    const bool ready = seen->found == AGENT_READY;
    text_add_char(text, '{');
    text_add_member(text, "name", bytes_of(what->name));
    text_add_member(text, "kind", BYTES("cli"));
    text_add_member_bool(text, "found", ready);
    text_add_member(text, "state", bytes_of(agent_found_names[seen->found]));
    text_add_member_or_null(text, "program", bytes_of(what->program));
    text_add_member_or_null(text, "command", ready ? bytes_of(what->command) : BYTES(""));
    text_add_member_or_null(text, "model", bytes_of(what->model));
    text_add_member_or_null(text, "description", bytes_of(what->description));
    text_add_member(text, "from", bytes_of(seen->from));
    text_add_member(text, "may",
                    bytes_of(seen->found == AGENT_BROKEN ? "nothing" : access_words(seen)));
    text_add_member_or_null(text, "why", bytes_of(seen->why));
    text_add_char(text, '}');
}
