/* tool_settings.c: settings, read for the tools. */
#include "dispatch/turn/tool_settings.h"

#include "base/memory.h"

static const struct permission_rule deny_all = {.permission = PERMISSION_DENY};

/* False: they cannot be read. */
static bool settings_read(const char *from, json_t **ret_settings) {
    return from[0] == '\0' ||
           (!err_failed(json_parse_wrapped(bytes_of(from), ret_settings, NULL /* no why */)) &&
            json_is_object(*ret_settings));
}

/* The project's, and those that were granted beside it. */
static void read_roots(struct toolplace *place, const struct toolplace_seat *seat) {
    size_t count = 0;
    if (seat->root[0] == '\0') {
        return;
    }
    if (seat->roots[0] != '\0' &&
        !err_failed(json_parse_wrapped(bytes_of(seat->roots), &place->extra, NULL))) {
        count = json_array_size(place->extra);
    }
    place->roots = mem_new_array(count + 1, sizeof *place->roots);
    place->roots[0] = (struct tool_root){.path = seat->root, .access = ROOT_WRITE};
    place->place.root_count = 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(place->extra, i);
        const char *path = json_str(row, "path", NULL);
        const char *access = json_str(row, "access", NULL);
        if (path != NULL && access != NULL) {
            place->roots[place->place.root_count++] = (struct tool_root){
                .path = path, .access = strcmp(access, "write") == 0 ? ROOT_WRITE : ROOT_READ};
        }
    }
}

/* A search that a provider makes is not judged by its query, so only rules that let all of them be
 * made allow it. */
static bool search_is_free(const struct permission_rules *rules) {
    const struct bytes name = bytes_of(tool_get(TOOL_WEB_SEARCH)->name);
    bool free = true;
    for (size_t i = 0; i < rules->count; i++) {
        const struct permission_rule *rule = &rules->rules[i];
        if (rule->tool.len > 0 && !glob_match(GLOB_WORDS, rule->tool, name)) {
            continue;
        }
        if (rule->permission == PERMISSION_DENY) {
            return false;
        }
        free = rule->permission == PERMISSION_ALLOW ? free || rule->subject.len == 0 : false;
    }
    return free;
}

static bool task_tool_fits(enum board_place place, enum tool_id id) {
    return place == BOARD_AT_ATTEMPT || (place == BOARD_AT_REVIEW && id == TOOL_TASK_SHOW) ||
           (place == BOARD_BELOW_ATTEMPT && id != TOOL_TASK_STATUS && id != TOOL_TASK_ADD);
}

void toolplace_open(struct toolplace *place, const struct toolplace_seat *seat) {
    /* What works on the files or processes of a project. */
    static const unsigned needs_root = TOOL_NEEDS_READ | TOOL_NEEDS_WRITE | TOOL_NEEDS_COMMAND;
    const struct world *world = loop_world(seat->turns->loop);
    *place = (struct toolplace){0};
    if (settings_read(seat->settings, &place->settings) &&
        settings_read(seat->project, &place->project)) {
        const struct permission_lists lists = {.project = place->project,
                                               .session = place->settings};
        permission_join(&lists, &place->joined);
        place->rules = place->joined.rules;
    } else {
        place->rules = (struct permission_rules){.rules = &deny_all, .count = 1};
    }
    const json_t *names = json_object_get(place->settings, "tools");
    for (unsigned id = 0; id < TOOL_COUNT; id++) {
        const struct tool *tool = tool_get((enum tool_id)id);
        bool possible =
            (seat->root[0] != '\0' || (tool->needs & needs_root) == 0) &&
            (id != TOOL_WEB_SEARCH || seat->turns->search != NULL) &&
            ((tool->needs & TOOL_NEEDS_TASK) == 0 || task_tool_fits(seat->place, (enum tool_id)id));
        if (possible && (names == NULL || json_has_text(names, bytes_of(tool->name)))) {
            place->tools |= tool_set_of((enum tool_id)id);
        }
    }
    place->searches =
        seat->turns->provider_searches && search_is_free(&place->rules) &&
        (names == NULL || json_has_text(names, bytes_of(tool_get(TOOL_WEB_SEARCH)->name)));
    place->place = (struct tool_place){
        .home = seat->turns->home,
        .umask = seat->turns->umask,
        .closed = seat->turns->data_dir,
        .rules = &place->rules,
        .world = world,
        .deadline_ns = world_mono_ns(world) + seat->time_ms * 1000 * 1000,
        .cancelled = seat->cancelled,
    };
    read_roots(place, seat);
    place->place.roots = place->roots;
}

bool toolplace_narrow(const char *settings, json_t *tools, struct text *ret_settings) {
    AUTO(json_release) json_t *json = NULL;
    if (err_failed(
            json_parse_wrapped(bytes_of(settings[0] == '\0' ? "{}" : settings), &json, NULL))) {
        return false;
    }
    const json_t *had = json_object_get(json, "tools");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const char *name = json_string_value(json_array_get(tools, i));
        enum tool_id id;
        if (name == NULL || !tool_find(bytes_of(name), &id) ||
            (had != NULL && !json_has_text(had, bytes_of(name)))) {
            return false;
        }
    }
    return (tools == NULL || json_object_set(json, "tools", tools) == 0) &&
           !err_failed(json_write(json, ret_settings));
}

void toolplace_close(struct toolplace *place) {
    json_release(&place->settings);
    json_release(&place->project);
    json_release(&place->extra);
    mem_free(place->roots);
    permission_joined_done(&place->joined);
    *place = (struct toolplace){0};
}
