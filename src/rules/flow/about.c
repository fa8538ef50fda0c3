/* about.c: see about.h. */
#include "rules/flow/about.h"

#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

enum { STEP_TEXT_MAX = 512 << 10 }; /* Above that of a whole description. */

static void bytes_add(struct text *text, struct bytes bytes) {
    text_add(text, bytes.data, bytes.len);
}

/* --- What a step does ------------------------------------------------------------------------- */

static void agents_add(const struct flow_step *step, struct text *text) {
    const json_t *list = json_object_get(step->json, "agents");
    const struct bytes model = json_bytes(step->json, "model");
    bytes_add(text, json_bytes(step->json, "agent"));
    for (size_t i = 0; i < json_array_size(list); i++) {
        text_add_str(text, i > 0 ? ", then " : "");
        bytes_add(text, json_text(json_array_get(list, i)));
    }
    if (model.len > 0) {
        text_addf(text, " (%.*s)", (int)model.len, model.data);
    }
}

void flow_about_step(const struct flow_step *step, const json_t *texts, struct text *text) {
    const struct bytes function = json_bytes(texts, step->id.data);
    const struct bytes digest = json_bytes(json_object_get(step->json, "run"), "digest");
    if (step->kind == FLOW_KIND_AGENT) {
        agents_add(step, text);
    } else {
        bytes_add(text, json_bytes(step->json, step->kind == FLOW_KIND_APPROVAL
                                                   ? "prompt"
                                                   : flow_kind_names[step->kind]));
    }
    if ((step->has & FLOW_HAS_RUN) != 0) {
        text_add_str(text, text->len > 0 ? "\n" : "");
        if (function.len > 0) {
            bytes_add(text, function);
        } else {
            text_addf(text, "(a function of the file, %.*s)", (int)digest.len, digest.data);
        }
    }
    if (step->retries_max > 0) {
        text_addf(text, "\n(tried again up to %lld times)", (long long)step->retries_max);
    }
    if (step->loop_max > 0) {
        text_addf(text, "\n(again in a loop, up to %lld times)", (long long)step->loop_max);
    }
}

static bool is_of_name(char c) {
    return (unsigned char)c >= 0x80 || (c != '\0' && strchr("./_-+@%,:~", c) != NULL) ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Neither "=>" nor "->" is a redirection, and "<>" does not only write. */
static bool writes_at(struct bytes text, size_t at) {
    return text.data[at] == '>' && (at == 0 || strchr("=-<", text.data[at - 1]) == NULL);
}

void flow_about_words(struct bytes text, bool shell, void (*each)(void *ctx, struct bytes word),
                      void *ctx) {
    bool written = false; /* To the file of that name. */
    for (size_t at = 0; at < text.len;) {
        size_t len = 0;
        while (at + len < text.len && is_of_name(text.data[at + len])) {
            len++;
        }
        if (len > 0 && !written) {
            each(ctx, (struct bytes){text.data + at, len});
        }
        if (len == 0) {
            written = (shell && writes_at(text, at)) || (written && text.data[at] == ' ');
        } else {
            written = false;
        }
        at += len > 0 ? len : 1;
    }
}

/* --- What differs ----------------------------------------------------------------------------- */

static void sentence_add(struct text *how, const char *begin, struct bytes name, const char *end) {
    text_addf(how, "%s%s%.*s%s", how->len > 0 ? ", " : "", begin, (int)name.len, name.data, end);
}

static const json_t *member_find(const json_t *list, const char *name, struct bytes value) {
    const json_t *one = NULL;
    size_t at = 0;
    json_array_foreach(list, at, one) {
        if (bytes_equal(json_bytes(one, name), value)) {
            return one;
        }
    }
    return NULL;
}

static void files_differ(const json_t *old, const json_t *new, struct text *how) {
    const json_t *file = NULL;
    size_t at = 0;
    json_array_foreach(new, at, file) {
        const struct bytes path = json_bytes(file, "path");
        const json_t *was = member_find(old, "path", path);
        if (was == NULL) {
            sentence_add(how, "", path, " was not there");
        } else if (!bytes_equal(json_bytes(was, "sha256"), json_bytes(file, "sha256"))) {
            sentence_add(how, "", path, " was another file");
        }
    }
    json_array_foreach(old, at, file) {
        const struct bytes path = json_bytes(file, "path");
        if (member_find(new, "path", path) == NULL) {
            sentence_add(how, "", path, " is gone");
        }
    }
}

bool flow_about_differs(const json_t *about, struct bytes step, const json_t *files,
                        struct text *ret_how) {
    const json_t *was = member_find(json_object_get(about, "steps"), "step_id", step);
    if (was == NULL) {
        sentence_add(ret_how, "the question did not name step '", step, "'");
    } else if (!json_is_array(json_object_get(was, "files")) || !json_is_array(files)) {
        sentence_add(ret_how, "the files of step '", step, "' are not known");
    } else {
        files_differ(json_object_get(was, "files"), files, ret_how);
    }
    return ret_how->len > 0;
}

static void all_differ(const json_t *old, const json_t *new, struct text *how) {
    static const char *const members[] = {"input", "model"};
    const json_t *step = NULL;
    size_t at = 0;
    if (!bytes_equal(json_bytes(json_object_get(old, "flow"), "sha256"),
                     json_bytes(json_object_get(new, "flow"), "sha256"))) {
        sentence_add(how, "the file of the flow was another one", BYTES(""), "");
    }
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        if (json_equal(json_object_get(old, members[i]), json_object_get(new, members[i])) != 1) {
            sentence_add(how, "the ", bytes_of(members[i]), " was another one");
        }
    }
    json_array_foreach(json_object_get(new, "steps"), at, step) {
        const struct bytes id = json_bytes(step, "step_id");
        const json_t *was = member_find(json_object_get(old, "steps"), "step_id", id);
        if (was == NULL || !bytes_equal(json_bytes(was, "text"), json_bytes(step, "text"))) {
            sentence_add(how, "step '", id, was == NULL ? "' is new" : "' did something else");
        }
        if (was != NULL) {
            files_differ(json_object_get(was, "files"), json_object_get(step, "files"), how);
        }
    }
}

/* --- For people ------------------------------------------------------------------------------- */

/* Further lines are marked, so that no text looks like a line of ours. */
static void about_lines_add(struct text *text, const char *name, struct bytes value) {
    struct bytes line;
    for (bool more = false; bytes_next(&value, '\n', &line); more = true) {
        text_addf(text, "%s%s%.*s", more || text->len > 0 ? "\n" : "", more ? "  > " : name,
                  (int)line.len, line.data);
    }
}

static void step_about_lines_add(const json_t *step, struct text *text) {
    const json_t *file = NULL;
    size_t at = 0;
    AUTO(text_done) struct text name = text_up_to(2 * FLOW_ID_MAX);
    text_addf(&name, "step %s, %s: ", json_str(step, "step_id", ""), json_str(step, "kind", ""));
    about_lines_add(text, text_bytes(&name).data, json_bytes(step, "text"));
    json_array_foreach(json_object_get(step, "files"), at, file) {
        const struct bytes hash = json_bytes(file, "sha256");
        text_addf(text, "\n  file %s (sha256 %.16s)", json_str(file, "path", ""), hash.data);
    }
}

static void people_write(const struct flow_about *about, const json_t *json, struct text *text) {
    const json_t *flow = json_object_get(json, "flow"), *step = NULL;
    const json_t *differs = json_object_get(json, "differs");
    const struct bytes how = json_text(differs);
    size_t at = 0;
    if (about->answer.len > 0) {
        about_lines_add(text, "Asked again. The answer before: ", about->answer);
    }
    if (about->old != NULL) {
        text_addf(text, "%s%s%.*s\n\n", text->len > 0 ? "\n" : "",
                  how.len > 0 ? "Since then: " : "Nothing differs since then.", (int)how.len,
                  how.data);
    }
    text_addf(text, "A yes is for this, once:\nowner: %.*s\nflow: %.*s, %.*s (sha256 %.16s)",
              (int)about->owner.len, about->owner.data, (int)about->name.len, about->name.data,
              (int)about->file.len, about->file.data, json_bytes(flow, "sha256").data);
    about_lines_add(
        text,
        "input: ", (struct bytes){about->input.data, utf8_cut(about->input, FLOW_ABOUT_INPUT_MAX)});
    if (about->input.len > FLOW_ABOUT_INPUT_MAX) {
        text_add_str(text, " … (the run's page has all of it)");
    }
    json_array_foreach(json_object_get(json, "steps"), at, step) {
        step_about_lines_add(step, text);
    }
}

/* --- All of it -------------------------------------------------------------------------------- */

static json_t *text_json(struct bytes text) {
    return json_stringn(text.data != NULL ? text.data : "", text.len);
}

static json_t *hash_json(struct bytes text) {
    const struct sha256 hash = sha256_of(text.data, text.len);
    return json_string(sha256_hex(&hash).text);
}

/* The text of a step may be long, and there may be many: the hash stands for what is left out. */
static json_t *step_json(const struct flow_about *about, size_t at, size_t text_max) {
    const struct flow_step *step = &about->flow->steps[at];
    AUTO(text_done) struct text text = text_up_to(STEP_TEXT_MAX);
    json_t *json = json_object(), *files = json_array(), *file = NULL;
    size_t i = 0;
    flow_about_step(step, about->texts, &text);
    const struct bytes all = text_bytes(&text);
    const size_t len = utf8_cut(all, text_max);
    AUTO(text_done) struct text shown = text_up_to(FLOW_ABOUT_TEXT_MAX + 200);
    text_add(&shown, all.data, len);
    if (len < all.len) {
        const struct sha256 hash = sha256_of(all.data, all.len);
        text_addf(&shown, "\n… %zu more bytes: the flow's file has them (sha256 %.16s)",
                  all.len - len, sha256_hex(&hash).text);
    }
    json_array_foreach(about->files, i, file) {
        if (bytes_equal(json_bytes(file, "step_id"), step->id)) {
            (void)json_array_append(files, file);
        }
    }
    (void)json_object_set_new(json, "step_id", text_json(step->id));
    (void)json_object_set_new(json, "kind", json_string(flow_kind_names[step->kind]));
    (void)json_object_set_new(json, "text", text_json(text_bytes(&shown)));
    (void)json_object_set_new(json, "files", files);
    return json;
}

static json_t *steps_json(const struct flow_about *about) {
    json_t *steps = json_array();
    bool after[FLOW_STEPS_MAX] = {false};
    size_t count = 0;
    after[about->at] = true;
    flow_mark_after(about->flow, after);
    after[about->at] = false;
    for (size_t i = 0; i < about->flow->count; i++) {
        count += after[i] ? 1 : 0;
    }
    const size_t share = FLOW_ABOUT_TEXTS_MAX / (count > 0 ? count : 1);
    for (size_t i = 0; i < about->flow->count; i++) {
        if (after[i]) {
            (void)json_array_append_new(
                steps,
                step_json(about, i, share < FLOW_ABOUT_TEXT_MAX ? share : FLOW_ABOUT_TEXT_MAX));
        }
    }
    return steps;
}

struct err flow_about_write(const struct flow_about *about, struct text *ret_json) {
    AUTO(json_release) json_t *json = json_object();
    AUTO(text_done) struct text how = text_up_to(FLOW_ABOUT_BYTES_MAX);
    AUTO(text_done) struct text people = text_up_to(FLOW_ABOUT_BYTES_MAX);
    json_t *flow = json_object();
    (void)json_object_set_new(flow, "name", text_json(about->name));
    (void)json_object_set_new(flow, "file", text_json(about->file));
    (void)json_object_set_new(flow, "sha256", hash_json(about->source));
    (void)json_object_set_new(json, "owner", text_json(about->owner));
    (void)json_object_set_new(json, "flow", flow);
    (void)json_object_set_new(json, "model", text_json(about->model));
    (void)json_object_set_new(json, "input",
                              about->input.len > FLOW_ABOUT_INPUT_MAX ? hash_json(about->input)
                                                                      : text_json(about->input));
    (void)json_object_set_new(json, "steps", steps_json(about));
    if (about->old != NULL) {
        all_differ(about->old, json, &how);
        (void)json_object_set_new(json, "differs", text_json(text_bytes(&how)));
        if (about->answer.len > 0) {
            (void)json_object_set_new(json, "before", text_json(about->answer));
        }
    }
    people_write(about, json, &people);
    (void)json_object_set_new(json, "text", text_json(text_bytes(&people)));
    return json_write(json, ret_json);
}
