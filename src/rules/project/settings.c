/* settings.c: the settings of a project. */
#include "rules/approval/permission.h"
#include "rules/project/project.h"
#include "rules/tree/tree.h"

/* --- Folders ---------------------------------------------------------------------------------- */

const json_t *project_folder_find(const json_t *settings, struct bytes path) {
    const json_t *folders = json_object_get(settings, "folders");
    for (size_t i = 0; i < json_array_size(folders); i++) {
        const json_t *folder = json_array_get(folders, i);
        if (bytes_equal(json_bytes(folder, "path"), path)) {
            return folder;
        }
    }
    return NULL;
}

static bool is_write(const json_t *folder) {
    return bytes_is(json_bytes(folder, "access"), "write");
}

static struct err folders_check(const json_t *settings, const json_t *had, struct why *why) {
    const json_t *folders = json_object_get(settings, "folders");
    if (folders != NULL && !json_is_array(folders)) {
        return err_why(why, ERR_BAD_FIELD, "\"folders\" must be a list");
    }
    for (size_t i = 0; i < json_array_size(folders); i++) {
        const json_t *folder = json_array_get(folders, i);
        const json_t *old = project_folder_find(had, json_bytes(folder, "path"));
        const bool reads = bytes_is(json_bytes(folder, "access"), "read");
        if (old == NULL || json_object_size(folder) != 2 || !(reads || is_write(folder)) ||
            (is_write(folder) && !is_write(old)) ||
            project_folder_find(settings, json_bytes(folder, "path")) != folder) {
            return err_why(
                why, ERR_BAD_FIELD,
                "\"folders\"[%zu]: only an answer grants a folder; settings may leave one "
                "out, or have \"read\" for its access",
                i);
        }
    }
    return ERR_OK;
}

struct err project_folder_add(json_t *settings, const json_t *folder, struct why *why) {
    const json_t *old = project_folder_find(settings, json_bytes(folder, "path"));
    json_t *folders = json_object_get(settings, "folders");
    int failed = 0;
    if (old != NULL) {
        failed = is_write(folder)
                     ? json_object_set_new((json_t *)old, "access", json_string("write"))
                     : 0;
    } else if (json_array_size(folders) >= PROJECT_FOLDERS_MAX) {
        return err_why(why, ERR_BAD_FIELD, "scope: the project has %d folders already; remove some",
                       PROJECT_FOLDERS_MAX);
    } else {
        json_t *added = json_pack("{s:O,s:O}", "path", json_object_get(folder, "path"), "access",
                                  json_object_get(folder, "access"));
        failed = json_is_array(folders)
                     ? json_array_append_new(folders, added)
                     : json_object_set_new(settings, "folders", json_pack("[o]", added));
    }
    return failed == 0 ? ERR_OK : err_make(ERR_OUT_OF_MEMORY, "project: folder");
}

/* --- Files that are recorded all the same ----------------------------------------------------- */

static struct err capture_check(const json_t *settings, struct why *why) {
    const json_t *capture = json_object_get(settings, "capture");
    bool good = capture == NULL ||
                (json_is_array(capture) && json_array_size(capture) <= PROJECT_CAPTURE_MAX);
    for (size_t i = 0; i < json_array_size(capture) && good; i++) {
        const struct bytes glob = json_text(json_array_get(capture, i));
        good = glob.len > 0 && glob.len <= PROJECT_CAPTURE_BYTES && glob.data[0] != '/';
    }
    return good ? ERR_OK
                : err_why(why, ERR_BAD_FIELD,
                          "\"capture\" must be a list of at most %d patterns of paths, each of at "
                          "most %d bytes, from the top of the folder and without a slash before",
                          PROJECT_CAPTURE_MAX, PROJECT_CAPTURE_BYTES);
}

/* --- All of them ------------------------------------------------------------------------------ */

struct err project_settings_write(const struct project_settings *settings, struct text *text,
                                  struct why *why) {
    const struct json_field members[] = {{.name = "permissions", .kind = JSON_KIND_ANY},
                                         {.name = "edits", .kind = JSON_KIND_ANY},
                                         {.name = "folders", .kind = JSON_KIND_ANY},
                                         {.name = "worktree", .kind = JSON_KIND_ANY},
                                         {.name = "capture", .kind = JSON_KIND_ANY}};
    const json_t *given = settings->given;
    AUTO(json_release) json_t *had = NULL;
    struct why inner = {""};
    if (json_is_null(given)) {
        return ERR_OK;
    }
    if (err_failed(json_parse_wrapped(settings->had, &had, NULL /* no why */))) {
        json_release(&had); /* There are none, or they cannot be read: no folder is in them. */
    }
    if (!project_takes_rules(settings->project) && json_object_size(given) > 0) {
        return err_why(why, ERR_BAD_FIELD,
                       "\"settings\": the project '%.*s' takes no rules, since its sessions share "
                       "no folder; give them to the project of a folder, or to a session",
                       (int)settings->project.len, settings->project.data);
    }
    struct err err = json_read_fields(given, members, COUNT_OF(members), &inner);
    err = err_failed(err) ? err : permission_settings_check(given, &inner);
    err = err_failed(err) ? err : folders_check(given, had, &inner);
    err = err_failed(err) ? err : tree_wishes_check(given, &inner);
    err = err_failed(err) ? err : capture_check(given, &inner);
    if (err_failed(err)) {
        return err_why(why, err.code, "\"settings\": %.280s", inner.text);
    }
    err = json_object_size(given) == 0 ? ERR_OK : json_write(given, text);
    return err_failed(err) && !text->no_memory
               ? err_why(why, ERR_BAD_FIELD, "\"settings\": more than %zu bytes as compact JSON",
                         text->size_max)
               : err;
}
