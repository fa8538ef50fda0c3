/* context_files.c: AGENTS.md and CLAUDE.md, the nearest first; and skills.
 *
 * Each is opened beneath its root, so that a link in it may lead elsewhere in the project, and
 * never out of it. The usual pair, of which one is a link to the other or a copy, counts once.
 *
 * A skill's name is that of its folder, whatever its front matter says: it is what the user sees,
 * and what is opened.
 */
#include "tool/context_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/beneath.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/markdown/front_matter.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tool/work.h"

enum {
    SEEN_MAX = 20000, /* Names of one folder, whatever they are. */
    WARNINGS_MAX = 4 << 10,
    SKILL_FOLDERS_MAX = 256,
    FILES_SHOWN = 50,
};

/* --- Reading ---------------------------------------------------------------------------------- */

void context_text_done(struct context_text *text) {
    mem_free(text->data);
    *text = (struct context_text){.data = NULL};
}

static enum context_found text_read(int fd, size_t size_max, struct context_text *ret_text) {
    AUTO(mem_release) char *data = mem_new(size_max + 2);
    size_t len = 0;
    ssize_t got = 1;
    while (len <= size_max && got != 0) { /* Whether there is more shows in one more byte. */
        got = read(fd, data + len, size_max + 1 - len);
        if (got < 0 && errno != EINTR) {
            return CONTEXT_UNFIT;
        }
        len += got > 0 ? (size_t)got : 0;
    }
    bool cut = len > size_max;
    len = cut ? utf8_cut((struct bytes){data, len}, size_max) : len;
    data[len] = '\0';
    if (!utf8_valid(data, len) || strlen(data) != len) {
        return CONTEXT_UNFIT;
    }
    *ret_text = (struct context_text){data, len, cut};
    data = NULL; /* Handed over. */
    return CONTEXT_FOUND;
}

static struct err root_open(const char *root, const char *path, enum place_kind kind,
                            struct place_opened *ret_opened) {
    const struct tool_root only = {.path = root, .access = ROOT_READ};
    const struct tool_place place = {.roots = &only, .root_count = 1, .home = "", .closed = ""};
    return place_open(&place, path, kind, ret_opened, NULL);
}

enum context_found context_read(const char *root, const char *path, size_t size_max,
                                struct context_text *ret_text) {
    AUTO(place_close) struct place_opened file = {.fd = -1};
    struct err err = root_open(root, path, PLACE_FILE, &file);
    if (err_failed(err)) {
        return err.code == ERR_NOT_FOUND ? CONTEXT_ABSENT : CONTEXT_UNFIT;
    }
    return text_read(file.fd, size_max, ret_text);
}

enum context_found context_read_in(const struct context_names *names, const char *name,
                                   size_t size_max, struct context_text *ret_text) {
    struct stat about;
    AUTO(fd_release) int fd = beneath_open_file(names->fd, name, &about);
    if (fd < 0) {
        bool absent = errno == ENOENT || errno == EXDEV || errno == ELOOP || errno == EINVAL;
        return absent ? CONTEXT_ABSENT : CONTEXT_UNFIT;
    }
    return text_read(fd, size_max, ret_text);
}

void context_names_done(struct context_names *names) {
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->list[i]);
    }
    mem_free(names->list);
    fd_release(&names->fd);
    *names = (struct context_names){.fd = -1};
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void context_names_read(const char *root, const char *path, const char *ending, size_t count_max,
                        struct context_names *ret_names) {
    *ret_names = (struct context_names){.fd = -1};
    AUTO(place_close) struct place_opened folder = {.fd = -1};
    if (err_failed(root_open(root, path, PLACE_FOLDER, &folder))) {
        return;
    }
    AUTO(entries_close)
    DIR *names = entries_of(openat(folder.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (names == NULL) {
        return;
    }
    ret_names->fd = fd_take(&folder.fd);
    ret_names->list = mem_new_array(count_max, sizeof *ret_names->list);
    const char *name;
    for (size_t seen = 0; !ret_names->more && (name = entries_next(names)) != NULL; seen++) {
        size_t len = strlen(name), end = strlen(ending);
        bool meant = name[0] != '.' && len > end && strcmp(name + len - end, ending) == 0;
        ret_names->more = seen == SEEN_MAX || (meant && ret_names->count == count_max);
        if (meant && !ret_names->more) {
            ret_names->list[ret_names->count++] = mem_copy(name, len);
        }
    }
    qsort(ret_names->list, ret_names->count, sizeof *ret_names->list, by_bytes);
}

/* --- Instructions ----------------------------------------------------------------------------- */

void context_files_done(struct context_files *files) {
    for (size_t i = 0; i < files->count; i++) {
        mem_free(files->files[i].path);
        mem_free(files->files[i].text);
    }
    text_done(&files->warnings);
    *files = (struct context_files){0};
}

static void file_add(struct context_files *files, const char *root, const char *path,
                     size_t *left) {
    AUTO(context_text_done) struct context_text text = {.data = NULL};
    enum context_found found = context_read(root, path, CONTEXT_FILE_MAX, &text);
    if (found == CONTEXT_ABSENT) {
        return;
    }
    if (found == CONTEXT_UNFIT) {
        text_addf(&files->warnings, "%.200s is left out: not a plain text file of the project\n",
                  path);
        return;
    }
    bool known = text.len == 0;
    for (size_t i = 0; i < files->count; i++) {
        known = known || strcmp(files->files[i].text, text.data) == 0;
    }
    if (known) {
        return;
    }
    if (files->count == CONTEXT_FILES_MAX || *left == 0) {
        text_addf(&files->warnings, "%.200s is left out: there are too many\n", path);
        return;
    }
    if (text.len > *left) {
        text.len = utf8_cut(context_bytes(&text), *left);
        text.data[text.len] = '\0';
        text.cut = true;
    }
    if (text.cut) {
        text_addf(&files->warnings, "%.200s is cut after %zu bytes\n", path, text.len);
    }
    *left -= text.len;
    files->files[files->count++] =
        (struct context_file){mem_copy(path, strlen(path)), text.data, text.len, text.cut};
    text.data = NULL; /* Handed over. */
}

struct err context_files_read(const struct context_place *place, struct context_files *ret_files) {
    static const char *const names[] = {"AGENTS.md", "CLAUDE.md"};
    *ret_files = (struct context_files){.warnings = text_up_to(WARNINGS_MAX)};
    size_t left = CONTEXT_TOTAL_MAX;
    char folder[LIMIT_PATH_MAX], path[LIMIT_PATH_MAX + 16];
    (void)snprintf(folder, sizeof folder, "%s", place->cwd);
    for (;;) {
        for (size_t i = 0; i < COUNT_OF(names); i++) {
            (void)snprintf(path, sizeof path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/",
                           names[i]);
            file_add(ret_files, place->root, path, &left);
        }
        if (folder[0] == '\0') {
            return ERR_OK;
        }
        char *slash = strrchr(folder, '/');
        *(slash == NULL ? folder : slash) = '\0';
    }
}

/* --- Skills ----------------------------------------------------------------------------------- */

void skills_done(struct skills *skills) {
    for (size_t i = 0; i < skills->count; i++) {
        mem_free(skills->items[i].name);
        mem_free(skills->items[i].about);
        mem_free(skills->items[i].folder);
    }
    text_done(&skills->warnings);
    *skills = (struct skills){0};
}

/* A line whose blanks are one each, of at most `len_max` bytes. */
static char *one_line(struct bytes value, size_t len_max) {
    char *line = mem_new(value.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        bool blank = memchr(" \t\r\n", value.data[i], 4) != NULL;
        if (!blank) {
            line[len++] = value.data[i];
        } else if (len > 0 && line[len - 1] != ' ') {
            line[len++] = ' ';
        }
    }
    len -= len > 0 && line[len - 1] == ' ' ? 1 : 0;
    len = utf8_cut((struct bytes){line, len}, len_max);
    line[len] = '\0';
    return line;
}

/* A folder in which skills are looked for. */
struct shelf {
    const char *root, *folder;
    const char *shown; /* Prefix of the folder for people. */
};

enum { SHELVES = 4 };
static size_t shelves_of(const struct context_place *place, struct shelf ret_shelves[SHELVES]) {
    static const char drover[] = ".drover/skills", claude[] = ".claude/skills";
    ret_shelves[0] = (struct shelf){place->root, drover, ""};
    ret_shelves[1] = (struct shelf){place->root, claude, ""};
    ret_shelves[2] = (struct shelf){place->home, drover, "~/"};
    ret_shelves[3] = (struct shelf){place->home, claude, "~/"};
    return place->home[0] == '\0' ? 2 : SHELVES;
}

static bool is_name(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(name);
    return len > 0 && len <= SKILL_NAME_MAX && name[0] != '.' && strspn(name, letters) == len;
}

static enum context_found skill_read(const struct shelf *shelf, const char *folder,
                                     struct context_text *ret_text) {
    char path[LIMIT_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s/SKILL.md", shelf->folder, folder);
    return context_read(shelf->root, path, SKILL_TEXT_MAX, ret_text);
}

static void skill_list(struct skills *skills, const struct shelf *shelf, const char *folder) {
    AUTO(context_text_done) struct context_text text = {.data = NULL};
    enum context_found found = skill_read(shelf, folder, &text);
    if (found == CONTEXT_ABSENT) {
        return;
    }
    if (found == CONTEXT_UNFIT || !is_name(folder)) {
        text_addf(&skills->warnings, "the skill %s%s/%.64s is left out: %s\n", shelf->shown,
                  shelf->folder, folder,
                  found == CONTEXT_UNFIT ? "SKILL.md is no plain text file there"
                                         : "its name may have letters, digits, '-', '_' and '.'");
        return;
    }
    bool listed = skills->count == SKILLS_MAX;
    for (size_t i = 0; i < skills->count; i++) {
        listed = listed || strcmp(skills->items[i].name, folder) == 0;
    }
    if (listed) {
        return;
    }
    struct front front;
    front_read(context_bytes(&text), &front);
    char shown[LIMIT_PATH_MAX];
    (void)snprintf(shown, sizeof shown, "%s%s/%s", shelf->shown, shelf->folder, folder);
    skills->items[skills->count++] =
        (struct skill){.name = mem_copy(folder, strlen(folder)),
                       .about = one_line(front_value(&front, "description"), SKILL_ABOUT_MAX),
                       .folder = mem_copy(shown, strlen(shown))};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct skill *)a)->name, ((const struct skill *)b)->name);
}

struct err skills_list(const struct context_place *place, struct skills *ret_skills) {
    *ret_skills = (struct skills){.warnings = text_up_to(WARNINGS_MAX)};
    struct shelf shelves[SHELVES];
    size_t count = shelves_of(place, shelves);
    for (size_t i = 0; i < count; i++) {
        AUTO(context_names_done) struct context_names names;
        context_names_read(shelves[i].root, shelves[i].folder, "", SKILL_FOLDERS_MAX, &names);
        for (size_t j = 0; j < names.count; j++) {
            skill_list(ret_skills, &shelves[i], names.list[j]);
        }
    }
    qsort(ret_skills->items, ret_skills->count, sizeof *ret_skills->items, by_name);
    return ERR_OK;
}

void skills_write(const struct skills *skills, struct text *text) {
    for (size_t i = 0; i < skills->count; i++) {
        const struct skill *skill = &skills->items[i];
        text_addf(text, "- %s%s%s\n", skill->name, skill->about[0] == '\0' ? "" : ": ",
                  skill->about);
    }
}

static void add_files(const struct shelf *shelf, const char *name, struct text *text) {
    char path[LIMIT_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", shelf->folder, name);
    AUTO(context_names_done) struct context_names names;
    context_names_read(shelf->root, path, "", FILES_SHOWN + 1, &names);
    size_t shown = 0;
    for (size_t i = 0; i < names.count && shown < FILES_SHOWN; i++) {
        if (strcmp(names.list[i], "SKILL.md") != 0) {
            text_addf(text, "%s%s%s/%s", shown++ == 0 ? "\nBeside it: " : ", ", shelf->shown, path,
                      names.list[i]);
        }
    }
    text_add_str(text, shown > 0 ? "\n" : "");
}

struct err skill_load(const struct context_place *place, const char *name, struct text *text,
                      struct why *why) {
    struct shelf shelves[SHELVES];
    size_t count = is_name(name) ? shelves_of(place, shelves) : 0;
    for (size_t i = 0; i < count; i++) {
        AUTO(context_text_done) struct context_text content = {.data = NULL};
        if (skill_read(&shelves[i], name, &content) != CONTEXT_FOUND) {
            continue;
        }
        struct front front;
        front_read(context_bytes(&content), &front);
        text_add(text, front.rest.data, front.rest.len);
        text_add_str(text, content.cut ? "\n[cut: it is longer than a skill may be]\n" : "");
        add_files(&shelves[i], name, text);
        return text_failed(text) ? text_error(text, "skill: text") : ERR_OK;
    }
    AUTO(skills_done) struct skills skills;
    TRY(skills_list(place, &skills));
    struct suggest suggest;
    suggest_begin(&suggest, name);
    for (size_t i = 0; i < skills.count; i++) {
        suggest_offer(&suggest, skills.items[i].name);
    }
    const char *near = suggest_best(&suggest);
    return near != NULL ? err_why(why, ERR_NOT_FOUND,
                                  "there is no skill \"%.64s\"; did you mean %s?", name, near)
                        : err_why(why, ERR_NOT_FOUND, "there is no skill \"%.64s\"; %zu are listed",
                                  name, skills.count);
}

struct err tool_load_skill(struct tool_work *work) {
    const char *name = json_str(work->call->input, "name", "");
    struct err err = work_arrive(work, name, name);
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    struct context_place place = {
        .root = work->place->roots[0].path, .cwd = "", .home = work->place->home};
    return skill_load(&place, name, &work->result->content, &work->why);
}
