/* agent_types.c: definitions of agents, and the tools that they name. */
#include "tool/agent_types.h"

#include <stdio.h>
#include <string.h>

#include "base/markdown/front_matter.h"
#include "base/memory.h"
#include "base/suggest.h"
#include "base/text.h"
#include "base/utf8.h"
#include "tool/context_files.h"

enum { SHELVES_MAX = 5, NEAR_MAX = 3, KNOWN_MAX = AGENT_TYPES_MAX, WORDS_MAX = 8 << 10 };
enum { MISNAMED_MAX = 8, MISNAMED_SHOWN_MAX = 60 };

/* --- Tools by the names of Claude Code -------------------------------------------------------- */

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

static const struct {
    const char *name;
    enum tool_id id;
} theirs[] = {
    {"Read", TOOL_READ_FILE},      {"Write", TOOL_WRITE_FILE},     {"Edit", TOOL_EDIT_FILE},
    {"MultiEdit", TOOL_EDIT_FILE}, {"Glob", TOOL_LIST_FILES},      {"LS", TOOL_LIST_FILES},
    {"Grep", TOOL_SEARCH_FILES},   {"Bash", TOOL_RUN_COMMAND},     {"Bash", TOOL_RUN_JOB},
    {"WebFetch", TOOL_WEB_FETCH},  {"WebSearch", TOOL_WEB_SEARCH}, {"Skill", TOOL_LOAD_SKILL},
};

tool_set agent_tools_named(struct bytes word) {
    tool_set tools = bytes_is(word, "*") ? TOOL_SET_ALL : 0;
    for (size_t i = 0; i < COUNT_OF(theirs); i++) {
        tools |= bytes_is(word, theirs[i].name) ? tool_set_of(theirs[i].id) : 0;
    }
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        tools |=
            bytes_is(word, tool_get((enum tool_id)id)->name) ? tool_set_of((enum tool_id)id) : 0;
    }
    return tools;
}

/* Cuts off whatever stands around a word of a list, in each of the ways in which one is written:
 * "-" before it is the sign of an item, and never within a name here. */
static struct bytes word_trim(struct bytes word) {
    static const char around[] = " \t\r\n'\"[]";
    word = bytes_trim(word, around);
    while (word.len > 0 && word.data[0] == '-') {
        word = bytes_trim((struct bytes){word.data + 1, word.len - 1}, around);
    }
    return word;
}

/* Where a comment ends that begins at `at`; `at`: there is none. */
static size_t comment_end(struct bytes list, size_t at) {
    bool begins = at == 0 || memchr(" \t\r\n", list.data[at - 1], 4) != NULL;
    if (list.data[at] != '#' || !begins) {
        return at;
    }
    const char *newline = memchr(list.data + at, '\n', list.len - at);
    return newline == NULL ? list.len : (size_t)(newline - list.data);
}

/* Takes the next word of a list from *at on. false: there is none. A comma within brackets is one
 * of a pattern, and ends no word. */
static bool word_next(struct bytes list, size_t *at, struct bytes *ret_word) {
    const size_t from = *at;
    size_t depth = 0;
    for (size_t i = from; i <= list.len; i++) {
        size_t end = i;
        i = i < list.len ? comment_end(list, i) : i;
        char c = i < list.len ? list.data[i] : ',';
        depth += c == '(';
        depth -= c == ')' && depth > 0;
        if (i == list.len || c == '\n' || (c == ',' && depth == 0)) {
            *ret_word =
                end == from ? BYTES("") : word_trim((struct bytes){list.data + from, end - from});
            *at = i + 1;
            return true;
        }
    }
    return false;
}

tool_set agent_tools_read(struct bytes list) {
    tool_set tools = 0;
    struct bytes word;
    for (size_t at = 0; word_next(list, &at, &word);) {
        tools |= agent_tools_named(word);
    }
    return tools;
}

/* ` (did you mean "Read"?)` */
static void near_tool_add(const char *typed, struct text *text) {
    struct suggest suggest;
    suggest_begin(&suggest, typed);
    for (size_t i = 0; i < COUNT_OF(theirs); i++) {
        suggest_offer(&suggest, theirs[i].name);
    }
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        suggest_offer(&suggest, tool_get((enum tool_id)id)->name);
    }
    if (suggest_best(&suggest) != NULL) {
        text_addf(text, " (did you mean \"%s\"?)", suggest_best(&suggest));
    }
}

/* Sentence about the words of a list that name no tool; NULL: there are none. */
static char *misnamed_tools(struct bytes list, struct bytes type) {
    AUTO(text_done) struct text text = text_up_to(WORDS_MAX);
    unsigned count = 0;
    struct bytes word;
    for (size_t at = 0; count <= MISNAMED_MAX && word_next(list, &at, &word);) {
        if (word.len == 0 || agent_tools_named(word) != 0) {
            continue;
        }
        AUTO(mem_release) char *shown = mem_copy(word.data, utf8_cut(word, MISNAMED_SHOWN_MAX));
        utf8_make_plain(shown, strlen(shown));
        if (count++ == 0) {
            text_addf(&text, "agent type \"%.*s\" names unknown tools, which are left out: ",
                      (int)utf8_cut(type, AGENT_TYPE_NAME_MAX), type.data);
        }
        if (count <= MISNAMED_MAX) {
            text_addf(&text, "%s\"%s\"", count > 1 ? ", " : "", shown);
            near_tool_add(shown, &text);
        }
    }
    text_add_str(&text, count > MISNAMED_MAX ? " and more" : "");
    return count == 0 || text_failed(&text) ? NULL : text_take(&text, NULL);
}

/* However it is written: each name that stands there. */
tool_set agent_tools_denied(struct bytes list) {
    tool_set tools = agent_tools_read(list);
    size_t from = 0;
    for (size_t i = 0; i <= list.len; i++) {
        size_t end = i;
        i = i < list.len ? comment_end(list, i) : i;
        if (i == list.len || end != i || strchr(NAME_LETTERS, list.data[i]) == NULL) {
            tools |= agent_tools_named((struct bytes){list.data + from, end - from});
            from = i + 1;
        }
    }
    return tools;
}

/* --- Built in --------------------------------------------------------------------------------- */

static const char looks[] =
    "You look things up in a project, and change nothing. Search widely first, then read what "
    "matters, and say what you found with the files and lines where it stands.";
static const char plans[] =
    "You plan a change of a project, and change nothing. Read what it touches, then say step by "
    "step what is to be done, in which files, and what could go wrong.";

static const struct {
    const char *name, *instructions, *tools;
} built_in[] = {
    {"general-purpose", "", "*"},
    {"Explore", looks, "Read, Glob, Grep, WebFetch, WebSearch, Skill, recall"},
    {"Plan", plans, "Read, Glob, Grep, WebFetch, WebSearch, Skill, recall"},
};

static char *text_copy(struct bytes text) {
    return mem_copy(text.len == 0 ? "" : text.data, text.len);
}

/* --- One file --------------------------------------------------------------------------------- */

struct shelf {
    const char *root, *folder;
};

/* What has been looked at on the way, for whoever mistyped. */
struct search {
    struct bytes name;
    bool programs;          /* Files of this folder may define programs, too. */
    char *known[KNOWN_MAX]; /* Owned. */
    size_t count;
};

static void search_done(struct search *search) {
    for (size_t i = 0; i < search->count; i++) {
        mem_free(search->known[i]);
    }
}

static struct bytes stem_of(const char *file) {
    return (struct bytes){file, strlen(file) - strlen(".md")};
}

static struct bytes name_of(const struct front *front, const char *file) {
    struct bytes name = bytes_trim(front_value(front, "name"), " \t\r\n");
    return name.len == 0 ? stem_of(file) : name;
}

/* Twice, or by a reference, a tag, a map, a letter in other signs: it means what we do not know. */
static bool is_clear(const struct front *front, const char *key) {
    struct bytes value = front_value(front, key);
    if (value.data == NULL) {
        return true;
    }
    const char *end = value.data + value.len;
    const struct front after = {
        .lines = {end, (size_t)(front->lines.data + front->lines.len - end)}};
    value = bytes_trim(value, " \t\r\n");
    bool reference = value.len > 1 && value.data[0] == '*' && strchr(", \n", value.data[1]) == NULL;
    bool odd = value.len > 0 && strchr("&!{", value.data[0]) != NULL;
    /* In double quotes a letter may stand there by its number. The value follows its key, so
     * there is a byte before it: the quote, where all of it is in one. */
    bool escaped = value.len > 0 && memchr(value.data, '\\', value.len) != NULL &&
                   memchr(value.data - 1, '"', value.len + 1) != NULL;
    return !reference && !odd && !escaped && front_value(&after, key).data == NULL;
}

/* As Claude Code has it: "worktree". Empty: it has none, also where it says so. */
static struct bytes isolation_of(const struct front *front) {
    const struct bytes isolation = bytes_trim(front_value(front, "isolation"), " \t\r\n");
    return bytes_is(isolation, "none") ? BYTES("") : isolation;
}

/* Without a list it may use whatever its run may. */
static void take(const struct front *front, struct bytes name, struct agent_type *ret_type) {
    struct bytes tools = front_value(front, "tools");
    struct bytes denied = front_value(front, "disallowedTools");
    struct bytes model = bytes_trim(front_value(front, "model"), " \t\r\n");
    tool_set all = tools.data == NULL ? TOOL_SET_ALL : agent_tools_read(tools);
    model.len = model.len > AGENT_TYPE_MODEL_MAX ? 0 : model.len;
    *ret_type =
        (struct agent_type){.model = text_copy(model),
                            .instructions = text_copy(bytes_trim(front->rest, " \t\r\n")),
                            .misnamed = misnamed_tools(tools, name),
                            .tools = all & ~(denied.data == NULL ? 0 : agent_tools_denied(denied)),
                            .isolated = isolation_of(front).len > 0};
}

/* One whose keys may be missed has the name of its file and the one that seems to stand there. */
static bool has_name(const struct search *search, const struct front *front, const char *file,
                     bool broken) {
    if (!broken) {
        return bytes_equal(search->name, name_of(front, file));
    }
    const struct front loose = {.lines = front->lines.len > 0 ? front->lines : front->rest};
    return bytes_equal(search->name, stem_of(file)) ||
           bytes_equal(search->name, name_of(&loose, file));
}

/* NULL: none. */
static const char *fault_of(const struct front *front, bool cut) {
    const struct bytes isolation = isolation_of(front);
    return cut ? "it has more than 48 kB"
           : front->broken || !is_clear(front, "tools") || !is_clear(front, "disallowedTools") ||
                   !is_clear(front, "isolation")
               ? "what stands between its lines of \"---\" is not read here: write each key at the "
                 "beginning of a line, once, and end it with \"---\""
           : isolation.len > 0 && !bytes_is(isolation, "worktree")
               ? "\"isolation\" must be worktree or none, or absent"
               : NULL;
}

/* *ret_fault: a definition that is there, and of which nobody knows what it says. */
static bool file_find(const struct context_names *names, const char *file, struct search *search,
                      struct agent_type *ret_type, const char **ret_fault) {
    AUTO(context_text_done) struct context_text text = {.data = NULL};
    enum context_found found = context_read_in(names, file, AGENT_TYPE_FILE_MAX, &text);
    if (found == CONTEXT_UNFIT && bytes_equal(search->name, stem_of(file))) {
        *ret_fault = "it is not readable, or no text in UTF-8";
    }
    if (found != CONTEXT_FOUND) {
        return false;
    }
    struct front front;
    front_read(context_bytes(&text), &front);
    if (search->programs && front_value(&front, "program").data != NULL) {
        return false; /* Defines a program (agent/file.h). */
    }
    if (!has_name(search, &front, file, front.broken || text.cut)) {
        struct bytes name = name_of(&front, file);
        if (search->count < KNOWN_MAX && name.len <= AGENT_TYPE_NAME_MAX) {
            search->known[search->count++] = text_copy(name);
        }
        return false;
    }
    *ret_fault = fault_of(&front, text.cut);
    if (*ret_fault == NULL) {
        take(&front, search->name, ret_type);
    }
    return *ret_fault == NULL;
}

/* All of one folder; where that is too much, nobody knows what stands in the rest. */
static struct err look_in(const struct shelf *shelf, struct search *search, bool *ret_found,
                          struct agent_type *ret_type, struct why *why) {
    AUTO(context_names_done) struct context_names names;
    context_names_read(shelf->root, shelf->folder, ".md", AGENT_TYPE_FILES_MAX, &names);
    search->programs = strcmp(shelf->folder, ".drover/agents") == 0;
    for (size_t i = 0; i < names.count && !*ret_found; i++) {
        const char *fault = NULL;
        *ret_found = file_find(&names, names.list[i], search, ret_type, &fault);
        if (fault != NULL) {
            return err_why(why, ERR_BAD_FIELD, "the agent type in %s/%s/%s is invalid: %s",
                           shelf->root, shelf->folder, names.list[i], fault);
        }
    }
    return *ret_found || !names.more
               ? ERR_OK
               : err_why(
                     why, ERR_BAD_FIELD,
                     "%s/%s has more than %d files; the others are not searched for agent types",
                     shelf->root, shelf->folder, AGENT_TYPE_FILES_MAX);
}

/* --- All places ------------------------------------------------------------------------------- */

static size_t shelves_of(const struct agent_places *places, struct shelf shelves[SHELVES_MAX]) {
    const char *const bases[] = {places->root, places->home};
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        if (bases[i] != NULL && bases[i][0] == '/') {
            shelves[count++] = (struct shelf){bases[i], ".drover/agents"};
            shelves[count++] = (struct shelf){bases[i], ".claude/agents"};
        }
    }
    if (places->config_dir != NULL && places->config_dir[0] == '/') {
        shelves[count++] = (struct shelf){places->config_dir, "agents"};
    }
    return count;
}

static void add_near(struct search *search, const char *typed, struct text *text) {
    const char *told[NEAR_MAX], *colon = strrchr(typed, ':');
    typed = colon != NULL ? colon + 1 : typed; /* "PLUGIN:TYPE" of another host. */
    for (size_t n = 0; n < NEAR_MAX; n++) {
        struct suggest suggest;
        suggest_begin(&suggest, typed);
        for (size_t i = 0; i < search->count + COUNT_OF(built_in); i++) {
            const char *name =
                i < search->count ? search->known[i] : built_in[i - search->count].name;
            bool is_told = false;
            for (size_t j = 0; j < n; j++) {
                is_told = is_told || strcmp(told[j], name) == 0;
            }
            if (!is_told) {
                suggest_offer(&suggest, name);
            }
        }
        told[n] = suggest_best(&suggest);
        if (told[n] == NULL) {
            text_add_str(text, n == 0 ? "." : "?");
            return;
        }
        text_addf(text, "%s%.60s", n == 0 ? "; did you mean " : " or ", told[n]);
    }
    text_add_str(text, "?");
}

static struct err not_found(struct search *search, const struct shelf *shelves, size_t count,
                            struct why *why) {
    AUTO(mem_release) char *typed = text_copy(search->name);
    AUTO(text_done) struct text text = text_up_to(WORDS_MAX);
    text_addf(&text, "there is no agent type \"%.60s\"", typed);
    add_near(search, typed, &text);
    text_add_str(&text, " Searched: ");
    for (size_t i = 0; i < count; i++) { /* The two folders of a base are named as one. */
        bool pair = i + 1 < count && strcmp(shelves[i].root, shelves[i + 1].root) == 0;
        text_addf(&text, "%s/%s, ", shelves[i].root,
                  pair ? ".{drover,claude}/agents" : shelves[i].folder);
        i += pair;
    }
    text_add_str(&text, "built-in");
    return err_why(why, ERR_NOT_FOUND, "%s",
                   text_failed(&text) ? "there is no such agent type" : text.data);
}

struct err agent_type_find(const struct agent_places *places, struct bytes name,
                           struct agent_type *ret_type, struct why *why) {
    struct shelf shelves[SHELVES_MAX];
    AUTO(search_done) struct search search = {.name = name};
    size_t count = shelves_of(places, shelves);
    bool found = false;
    struct err err = ERR_OK;
    for (size_t i = 0; i < count && !found && !err_failed(err); i++) {
        err = look_in(&shelves[i], &search, &found, ret_type, why);
    }
    for (size_t i = 0; !err_failed(err) && !found && i < COUNT_OF(built_in); i++) {
        if (bytes_is(name, built_in[i].name)) {
            *ret_type =
                (struct agent_type){.model = text_copy(BYTES("")),
                                    .instructions = text_copy(bytes_of(built_in[i].instructions)),
                                    .tools = agent_tools_read(bytes_of(built_in[i].tools))};
            found = true;
        }
    }
    if (err_failed(err) || found) {
        return err;
    }
    return not_found(&search, shelves, count, why);
}

/* --- List ------------------------------------------------------------------------------------- */

struct types_list {
    struct search search; /* Names that were seen. */
    void (*see)(void *ctx, const struct agent_type_seen *seen);
    void *ctx;
};

static void type_see(struct types_list *list, const struct agent_type_seen *seen) {
    struct search *search = &list->search;
    bool listed =
        search->count == KNOWN_MAX || seen->name.len == 0 || seen->name.len > AGENT_TYPE_NAME_MAX;
    for (size_t i = 0; i < search->count && !listed; i++) {
        listed = bytes_is(seen->name, search->known[i]);
    }
    if (!listed) {
        search->known[search->count++] = text_copy(seen->name);
        list->see(list->ctx, seen);
    }
}

static void file_list(struct types_list *list, const struct context_names *names,
                      const struct shelf *shelf, const char *file) {
    AUTO(context_text_done) struct context_text read = {.data = NULL};
    AUTO(text_done) struct text path = text_up_to(WORDS_MAX);
    const enum context_found found = context_read_in(names, file, AGENT_TYPE_FILE_MAX, &read);
    struct front front;
    text_addf(&path, "%s/%s/%s", shelf->root, shelf->folder, file);
    if (found == CONTEXT_ABSENT || text_failed(&path)) {
        return;
    }
    struct agent_type_seen seen = {.name = stem_of(file),
                                   .from = path.data,
                                   .fault = "it is not readable, or no text in UTF-8"};
    if (found == CONTEXT_FOUND) {
        front_read(context_bytes(&read), &front);
        if (list->search.programs && front_value(&front, "program").data != NULL) {
            return;
        }
        seen.name = name_of(&front, file);
        seen.about = bytes_trim(front_value(&front, "description"), " \t\r\n");
        seen.model = bytes_trim(front_value(&front, "model"), " \t\r\n");
        seen.isolated = isolation_of(&front).len > 0;
        seen.fault = fault_of(&front, read.cut);
    }
    type_see(list, &seen);
}

static void more_list(struct types_list *list, const struct shelf *shelf) {
    AUTO(text_done) struct text path = text_up_to(WORDS_MAX);
    struct why why;
    text_addf(&path, "%s/%s", shelf->root, shelf->folder);
    why_set(&why, "more than %d files are in this folder: the others are not listed, nor searched",
            AGENT_TYPE_FILES_MAX);
    const struct agent_type_seen seen = {
        .name = bytes_of(shelf->folder), .from = path.data, .fault = why.text};
    if (!text_failed(&path)) {
        list->see(list->ctx, &seen);
    }
}

void agent_types_each(const struct agent_places *places,
                      void (*see)(void *ctx, const struct agent_type_seen *seen), void *ctx) {
    struct shelf shelves[SHELVES_MAX];
    struct types_list *list = mem_new(sizeof *list);
    const size_t count = shelves_of(places, shelves);
    list->see = see;
    list->ctx = ctx;
    for (size_t i = 0; i < count; i++) {
        AUTO(context_names_done) struct context_names names;
        context_names_read(shelves[i].root, shelves[i].folder, ".md", AGENT_TYPE_FILES_MAX, &names);
        list->search.programs = strcmp(shelves[i].folder, ".drover/agents") == 0;
        for (size_t j = 0; j < names.count; j++) {
            file_list(list, &names, &shelves[i], names.list[j]);
        }
        if (names.more && !list->search.programs) { /* For programs: agent/find.h. */
            more_list(list, &shelves[i]);
        }
    }
    for (size_t i = 0; i < COUNT_OF(built_in); i++) {
        type_see(list,
                 &(struct agent_type_seen){.name = bytes_of(built_in[i].name), .from = "built in"});
    }
    search_done(&list->search);
    mem_free(list);
}

void agent_type_done(struct agent_type *type) {
    mem_free(type->model);
    mem_free(type->instructions);
    mem_free(type->misnamed);
    *type = (struct agent_type){.tools = 0};
}
