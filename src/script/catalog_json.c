/* catalog_json.c: what clients are told. */
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "script/catalog.h"

const char *catalog_origin_name(enum catalog_origin origin) {
    static const char *const names[] = {[CATALOG_PROJECT] = "project",
                                        [CATALOG_HOME] = "home",
                                        [CATALOG_BUILT_IN] = "built-in",
                                        [CATALOG_PATH] = "path"};
    return names[origin];
}

/* Paths are bytes, and JSON is not. */
static void add_string(struct text *text, const char *value) {
    size_t len = strlen(value);
    if (utf8_valid(value, len)) {
        text_add_json(text, value, len);
        return;
    }
    AUTO(mem_release) char *plain = mem_copy(value, len);
    utf8_make_plain(plain, len);
    text_add_json(text, plain, len);
}

static void add_text(struct text *text, const char *key, const char *value) {
    text_addf(text, ",\"%s\":", key);
    add_string(text, value);
}

static void add_value(struct text *text, const char *key, const json_t *value) {
    if (value == NULL) {
        return;
    }
    text_addf(text, ",\"%s\":", key);
    if (err_failed(json_write(value, text))) {
        text->failed = true; /* It had no memory: the whole answer has none. */
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

static void add_note(const struct script_note *note, struct text *text) {
    add_fault(&note->fault, note->grave ? "error" : "warning", text);
}

void script_notes_write(const struct script_prepared *prepared, struct text *text) {
    text_add_char(text, '[');
    for (unsigned i = 0; i < prepared->note_count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        add_note(&prepared->notes[i], text);
    }
    text_add_char(text, ']');
}

static void add_problems(const struct script_verdict *verdict, struct text *text) {
    const struct script_prepared *prepared = verdict->prepared;
    unsigned notes = prepared == NULL ? 0 : prepared->note_count;
    text_add_str(text, ",\"problems\":[");
    if (verdict->fault != NULL) {
        add_fault(verdict->fault, "error", text);
    }
    for (unsigned i = 0; i < notes; i++) {
        text_add_str(text, i == 0 && verdict->fault == NULL ? "" : ",");
        add_note(&prepared->notes[i], text);
    }
    text_addf(text, "],\"checked\":%s}", verdict->checked ? "true" : "false");
}

void script_verdict_write(const struct script_verdict *verdict, struct text *text) {
    const struct script_prepared *prepared = verdict->prepared;
    if (prepared == NULL) {
        text_add_str(text, "{\"valid\":false,\"form\":null,\"meta\":null");
        add_problems(verdict, text);
        return;
    }
    bool grave = verdict->fault != NULL;
    for (unsigned i = 0; i < prepared->note_count; i++) {
        grave |= prepared->notes[i].grave;
    }
    text_addf(text, "{\"valid\":%s", grave ? "false" : "true");
    add_text(text, "form", script_form_name(prepared->form));
    add_value(text, "meta", prepared->meta);
    add_problems(verdict, text);
}

static void add_meta(const json_t *meta, struct text *text) {
    const json_t *phases = json_object_get(meta, "phases");
    const char *about = json_string_value(json_object_get(meta, "description"));
    add_text(text, "description", about == NULL ? "" : about);
    add_value(text, "when_to_use", json_object_get(meta, "whenToUse"));
    if (phases == NULL) {
        text_add_str(text, ",\"phases\":[]");
    }
    add_value(text, "phases", phases);
    add_value(text, "args", json_object_get(meta, "args"));
}

static void add_entry(const struct catalog_entry *entry, struct text *text) {
    text_add_str(text, "{\"name\":");
    add_string(text, entry->name);
    add_meta(entry->meta, text);
    add_text(text, "file", entry->file);
    add_text(text, "place", entry->place);
    add_text(text, "origin", catalog_origin_name(entry->origin));
    if (entry->valid) {
        add_text(text, "form", script_form_name(entry->form));
    } else {
        text_add_str(text, ",\"form\":null,\"error\":");
        script_fault_write(&entry->fault, text);
    }
    text_addf(text, ",\"checked\":%s", entry->checked ? "true" : "false");
    text_addf(text, ",\"shadowed\":%s", entry->shadowed_by == NULL ? "false" : "true");
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
    text_add_str(text, ",\"notes\":");
    script_notes_write(&script->prepared, text);
    text_add_str(text, ",\"source\":");
    if (script->source == NULL) {
        text_add_str(text, "null");
    } else {
        text_add_json(text, script->source, script->len);
    }
    text_add_char(text, '}');
}

static void add_place(const struct catalog_place *place, struct text *text) {
    text_add_str(text, "{\"path\":");
    add_string(text, place->path);
    add_text(text, "origin", catalog_origin_name(place->origin));
    text_addf(text, ",\"found\":%s,\"files\":%u,\"truncated\":%s", place->found ? "true" : "false",
              place->files, place->truncated ? "true" : "false");
    if (place->problem != NULL) {
        add_text(text, "problem", place->problem);
    }
    text_add_char(text, '}');
}

void catalog_write(const struct catalog *catalog, struct text *text) {
    text_add_str(text, "{\"workflows\":[");
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        catalog_entry_write(&catalog->entries[i], text);
    }
    text_add_str(text, "],\"places\":[");
    for (unsigned i = 0; i < catalog->place_count; i++) {
        text_add_str(text, i == 0 ? "" : ",");
        add_place(&catalog->places[i], text);
    }
    text_add_str(text, "]");
    unsigned unchecked = 0;
    for (unsigned i = 0; i < catalog->entry_count; i++) {
        unchecked += catalog->entries[i].checked ? 0 : 1;
    }
    text_addf(text, ",\"unchecked\":%u}", unchecked);
}
