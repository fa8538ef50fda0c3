/* projects.c: see projects.h. */
#include "api/project/projects.h"

#include "rules/board/settings.h"
#include "rules/project/project.h"

static struct err board_read(struct request *request, struct arena *arena,
                             struct project *project) {
    AUTO(text_done) struct text text = text_up_to(BOARD_SETTINGS_MAX);
    if (project->board_given == NULL) {
        return ERR_OK; /* As it was. */
    }
    const struct err err = board_settings_write(project->board_given, &text, &request->op.why);
    const struct bytes json = text_bytes(&text);
    project->board = (struct bytes){arena_try_copy(arena, json.data, json.len), json.len};
    return err_failed(err) || project->board.data != NULL
               ? err
               : err_make(ERR_OUT_OF_MEMORY, "projects: board");
}

static struct err settings_read(struct request *request, struct arena *arena, void *row) {
    struct project *project = row;
    AUTO(text_done) struct text text = text_up_to(PROJECT_SETTINGS_MAX);
    if (project->settings_given == NULL) {
        return ERR_OK; /* As it was. */
    }
    const struct project_settings settings = {
        .project = project->name, .given = project->settings_given, .had = project->settings};
    struct err err = project_settings_write(&settings, &text, &request->op.why);
    const struct bytes json = text_bytes(&text);
    project->settings = (struct bytes){arena_try_copy(arena, json.data, json.len), json.len};
    return err_failed(err) || project->settings.data != NULL
               ? err
               : err_make(ERR_OUT_OF_MEMORY, "projects: settings");
}

/* Programs are found for the project as they are in the terminal that has named it last. */
static void path_read(struct request *request, struct project *project) {
    const char *path = request->variable_count > 0 ? request->variables[0].data /* Runs again. */
                                                   : request_variable(request, "PATH");
    project->path = path != NULL ? bytes_of(path) : project->path;
}

static struct err project_read(struct request *request, struct arena *arena, void *row) {
    path_read(request, row);
    const struct err err = settings_read(request, arena, row);
    return err_failed(err) ? err : board_read(request, arena, row);
}

const struct resource_handlers project_handlers = {.resource = &project_resource,
                                                   .read = project_read};
