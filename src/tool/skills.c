/* skills.c: folders with a SKILL.md; its front matter, and its text.
 *
 * A skill's name is that of its folder, whatever its front matter says: it is what the user sees,
 * and what is opened.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/utf8.h"
#include "tool/context_place.h"
#include "tool/front_matter.h"
#include "tool/work.h"

enum { FOLDERS_MAX = 256, WARNINGS_MAX = 4 << 10, FILES_SHOWN = 50 };

static const char *const folders[] = {".drover/skills", ".claude/skills"};

void skills_done(struct skills *skills) {
    for (size_t i = 0; i < skills->count; i++) {
        mem_free(skills->items[i].name);
        mem_free(skills->items[i].about);
        mem_free(skills->items[i].folder);
    }
    text_done(&skills->warnings);
    *skills = (struct skills){0};
}

/* --- What a skill says of itself -------------------------------------------------------------- */

/* One line, its blanks made one each, of at most `len_max` bytes. */
static char *one_line(struct bytes value, size_t len_max) {
    char *line = mem_new(value.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < value.len; i++) {
        bool blank = strchr(" \t\r\n", value.data[i]) != NULL && value.data[i] != '\0';
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

/* --- Finding ---------------------------------------------------------------------------------- */

/* A place where skills are looked for. */
struct shelf {
    const char *root, *folder;
    const char *shown; /* What stands before the folder when it is told. */
};

static bool is_name(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(name);
    return len > 0 && len <= SKILL_NAME_MAX && name[0] != '.' && strspn(name, letters) == len;
}

static enum context_found read_skill(const struct shelf *shelf, const char *folder, char **ret_text,
                                     size_t *ret_len, bool *ret_cut) {
    char path[LIMIT_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s/SKILL.md", shelf->folder, folder);
    return context__read(shelf->root, path, SKILL_TEXT_MAX, ret_text, ret_len, ret_cut);
}

static void list_one(struct skills *skills, const struct shelf *shelf, const char *folder) {
    AUTO(mem_release) char *text = NULL;
    size_t len = 0;
    bool cut = false;
    enum context_found found = read_skill(shelf, folder, &text, &len, &cut);
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
    front_read((struct bytes){text, len}, &front);
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

enum { SHELVES = 2 * COUNT_OF(folders) };
static size_t shelves_of(const struct context_place *place, struct shelf ret_shelves[SHELVES]) {
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        ret_shelves[count++] = (struct shelf){place->root, folders[i], ""};
    }
    for (size_t i = 0; place->home[0] != '\0' && i < COUNT_OF(folders); i++) {
        ret_shelves[count++] = (struct shelf){place->home, folders[i], "~/"};
    }
    return count;
}

struct err skills_list(const struct context_place *place, struct skills *ret_skills) {
    *ret_skills = (struct skills){0};
    text_init(&ret_skills->warnings, WARNINGS_MAX);
    struct shelf shelves[SHELVES];
    size_t count = shelves_of(place, shelves);
    for (size_t i = 0; i < count; i++) {
        AUTO(context__names_done) struct context_names names;
        const struct context_folder in = {.root = shelves[i].root,
                                          .path = shelves[i].folder,
                                          .ending = "",
                                          .count_max = FOLDERS_MAX};
        context__names(&in, &names);
        for (size_t j = 0; j < names.count; j++) {
            list_one(ret_skills, &shelves[i], names.list[j]);
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

/* --- Loading ---------------------------------------------------------------------------------- */

static void add_files(const struct shelf *shelf, const char *name, struct text *text) {
    char path[LIMIT_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", shelf->folder, name);
    AUTO(context__names_done) struct context_names names;
    const struct context_folder in = {
        .root = shelf->root, .path = path, .ending = "", .count_max = FILES_SHOWN + 1};
    context__names(&in, &names);
    size_t shown = 0;
    for (size_t i = 0; i < names.count && shown < FILES_SHOWN; i++) {
        if (strcmp(names.list[i], "SKILL.md") != 0) {
            text_addf(text, "%s%s%s/%s", shown++ == 0 ? "\nBeside it: " : ", ", shelf->shown, path,
                      names.list[i]);
        }
    }
    text_add_str(text, shown > 0 ? "\n" : "");
}

static struct err not_found(const struct context_place *place, const char *name, struct why *why) {
    AUTO(skills_done) struct skills skills;
    struct err err = skills_list(place, &skills);
    if (err_failed(err)) {
        return err;
    }
    struct suggest suggest;
    suggest_begin(&suggest, name);
    for (size_t i = 0; i < skills.count; i++) {
        suggest_offer(&suggest, skills.items[i].name);
    }
    const char *near = suggest_best(&suggest);
    if (near != NULL) {
        why_set(why, "there is no skill \"%.64s\"; did you mean %s?", name, near);
    } else {
        why_set(why, "there is no skill \"%.64s\"; %zu are listed", name, skills.count);
    }
    return err_make(ERR_NOT_FOUND, "skill: find");
}

struct err skill_load(const struct context_place *place, const char *name, struct text *text,
                      struct why *why) {
    struct shelf shelves[SHELVES];
    size_t count = is_name(name) ? shelves_of(place, shelves) : 0;
    for (size_t i = 0; i < count; i++) {
        AUTO(mem_release) char *content = NULL;
        size_t len = 0;
        bool cut = false;
        if (read_skill(&shelves[i], name, &content, &len, &cut) != CONTEXT_FOUND) {
            continue;
        }
        struct front front;
        front_read((struct bytes){content, len}, &front);
        text_add(text, front.rest.data, front.rest.len);
        text_add_str(text, cut ? "\n[cut: it is longer than a skill may be]\n" : "");
        add_files(&shelves[i], name, text);
        return text_failed(text) ? text_error(text, "skill: text") : ERR_OK;
    }
    return not_found(place, name, why);
}

struct err tool_load_skill(struct tool_work *work) {
    const char *name = json_string_value(json_object_get(work->call->input, "name"));
    struct err err = work_arrive(work, name, name);
    if (err_failed(err) || work->step == WORK_LOOK) {
        return err;
    }
    struct context_place place = {
        .root = work->place->roots[0].path, .cwd = "", .home = work->place->home};
    return skill_load(&place, name, &work->result->content, &work->why);
}
