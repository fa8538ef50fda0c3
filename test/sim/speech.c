/* speech.c: see speech.h. */
#include "speech.h"

#include <string.h>

#include "script/protocol.h"

enum { FRAME_BYTES_MAX = 32 << 20 };

void speech_init(struct speech *speech) {
    text_init(&speech->out, FRAME_BYTES_MAX);
    speech->frames = json_array();
}

void speech_done(struct speech *speech) {
    text_done(&speech->out);
    json_decref(speech->frames);
}

bool speech_take(struct speech *speech, struct text *frame) {
    const json_t *first = json_array_get(speech->frames, 0);
    if (first == NULL) {
        return false;
    }
    text_add(frame, json_string_value(first), json_string_length(first));
    int rc = json_array_remove(speech->frames, 0);
    assert(rc == 0);
    return true;
}

void speech_send(struct speech *speech) {
    if (speech->out.len > 0) {
        text_add_char(&speech->out, ']');
        assert(!text_failed(&speech->out));
        int rc = json_array_append_new(speech->frames,
                                       json_stringn_nocheck(speech->out.data, speech->out.len));
        assert(rc == 0);
        text_clear(&speech->out);
    }
}

void speech_open(struct speech *speech) {
    text_add_char(&speech->out, speech->out.len == 0 ? '[' : ',');
}

void speech_close(struct speech *speech) {
    text_add_char(&speech->out, '}');
    if (speech->out.len + SCRIPT_HEADER_SIZE >= SCRIPT_TOGETHER_MAX) {
        speech_send(speech);
    }
}

/* As frames.c of the worker escapes. */
void speech_string(struct text *text, const char *string, size_t len) {
    text_add_char(text, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)string[i];
        if (c < ' ') {
            text_addf(text, "\\u%04x", c);
        } else {
            text_add_str(text, c == '"' || c == '\\' ? "\\" : "");
            text_add_char(text, (char)c);
        }
    }
    text_add_char(text, '"');
}

void speech_member(struct speech *speech, const char *before, const char *value) {
    text_add_str(&speech->out, before);
    speech_string(&speech->out, value, strlen(value));
}

/* As JSON.stringify() escapes. */
void stringified_add(struct text *text, const char *string, size_t len) {
    static const char controls[] = "\b\t\n\f\r", letters[] = "btnfr";
    text_add_char(text, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)string[i];
        const char *found = c == '\0' ? NULL : strchr(controls, c);
        if (found != NULL) {
            text_add_char(text, '\\');
            text_add_char(text, letters[found - controls]);
        } else if (c < ' ') {
            text_addf(text, "\\u%04x", c);
        } else {
            text_add_str(text, c == '"' || c == '\\' ? "\\" : "");
            text_add_char(text, (char)c);
        }
    }
    text_add_char(text, '"');
}

void stringified_add_value(struct text *text, const json_t *value) {
    size_t i;
    json_t *part;
    const char *name;
    bool first = true;
    if (json_is_string(value)) {
        stringified_add(text, json_string_value(value), json_string_length(value));
    } else if (json_is_array(value)) {
        text_add_char(text, '[');
        json_array_foreach(value, i, part) {
            text_add_str(text, i > 0 ? "," : "");
            stringified_add_value(text, part);
        }
        text_add_char(text, ']');
    } else if (json_is_object(value)) {
        text_add_char(text, '{');
        json_object_foreach((json_t *)value, name, part) {
            text_add_str(text, first ? "" : ",");
            stringified_add(text, name, strlen(name));
            text_add_char(text, ':');
            stringified_add_value(text, part);
            first = false;
        }
        text_add_char(text, '}');
    } else {
        struct err err = json_write(value, text);
        assert(!err_failed(err));
    }
}
