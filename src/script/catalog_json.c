/* catalog_json.c: the catalog as clients are answered. */
#include "script/catalog.h"

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
    if (value == NULL) {
        return;
    }
    text_add_name(text, name);
    if (err_failed(json_write(value, text))) {
        text->failed = true; /* Without memory for a part, the whole answer fails. */
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

void script_fault_write(const struct script_fault *fault, struct text *text) {
    add_fault(fault, NULL, text);
}

/* A list of the fault, unless that is NULL, and of the notes. Returns whether one is an error. */
static bool add_notes(const struct script_prepared *prepared, const struct script_fault *fault,
                      struct text *text) {
    bool grave = fault != NULL;
    text_add_char(text, '[');
    if (fault != NULL) {
        add_fault(fault, "error", text);
    }
    for (unsigned i = 0; prepared != NULL && i < prepared->note_count; i++) {
        const struct script_note *note = &prepared->notes[i];
        text_add_str(text, i == 0 && fault == NULL ? "" : ",");
        add_fault(&note->fault, note->grave ? "error" : "warning", text);
        grave |= note->grave;
    }
    text_add_char(text, ']');
    return grave;
}

void script_notes_write(const struct script_prepared *prepared, struct text *text) {
    (void)add_notes(prepared, NULL, text); /* The list tells which are errors. */
}

void script_verdict_write(const struct script_verdict *verdict, struct text *text) {
    const struct script_prepared *prepared = verdict->prepared;
    AUTO(text_done) struct text problems = text_up_to(1 << 20);
    bool grave = add_notes(prepared, verdict->fault, &problems);
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

static void add_entry(const struct catalog_entry *entry, struct text *text) {
    const json_t *phases = json_object_get(entry->meta, "phases");
    text_add_char(text, '{');
    add_text(text, "name", entry->name);
    add_text(text, "description", json_str(entry->meta, "description", ""));
    add_value(text, "when_to_use", json_object_get(entry->meta, "whenToUse"));
    if (phases == NULL) {
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
        script_fault_write(&entry->fault, text);
    }
    text_add_member_bool(text, "checked", entry->checked);
    text_add_member_bool(text, "shadowed", entry->shadowed_by != NULL);
    if (entry->shadowed_by != NULL) {
        add_text(text, "shadowed_by", entry->shadowed_by);
    }
}

void catalog_entry_write(const struct catalog_entry *entry, struct text *text) {
    add_entry(entry, text);
    text_add_char(text, '}');
}

void catalog_script_write(const struct catalog_script *script, struct text *text) {
    add_entry(&script->entry, text);
    text_add_name(text, "notes");
    script_notes_write(&script->prepared, text);
    text_add_name(text, "source");
    if (script->source == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, script->source, script->len);
    }
    text_add_char(text, '}');
}

void catalog_write(const struct catalog *catalog, struct text *text) {
    int64_t unchecked = 0;
    text_add_str(text, "{\"workflows\":[");
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        catalog_entry_write(&catalog->entries[i], text);
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
