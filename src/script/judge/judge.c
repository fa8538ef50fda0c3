/* judge.c: see judge.h. The judge is JavaScript (judge.js), and runs in the checker; here are the
 * notes that it gives, and the latest of its answers. */
#include "script/judge/judge.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "script/judge/checker.h"

enum {
    KEPT_MAX = 64,
    KEPT_BYTES_MAX = 32 << 10, /* Of one; what is longer is asked for again. */
    ANSWER_DEPTH_MAX = SCRIPT_META_DEPTH_MAX + 8,
    QUESTION_MAX = 7 << 20, /* Each byte of a text may be escaped. */
    PATH_SIZE = 512,
};

/* --- Notes ------------------------------------------------------------------------------------ */

/* Makes room for a note: a grave one takes that of the last which is not. False: there is none. */
static bool room_make(struct script_notes *notes, bool grave) {
    if (notes->count < SCRIPT_NOTES_MAX) {
        return true;
    }
    unsigned last = grave ? SCRIPT_NOTES_MAX : 0;
    while (last > 0 && notes->list[last - 1].grave) {
        last--;
    }
    if (last == 0) {
        return false;
    }
    memmove(&notes->list[last - 1], &notes->list[last],
            (SCRIPT_NOTES_MAX - last) * sizeof *notes->list);
    notes->count--;
    return true;
}

static bool note_is_said(const struct script_notes *notes, const char *message) {
    unsigned at = 0;
    while (at < notes->count && strcmp(notes->list[at].fault.message, message) != 0) {
        at++;
    }
    return at < notes->count;
}

static void note_place(struct script_note *note, const json_t *place) {
    const json_int_t line = json_integer_value(json_array_get(place, 0)),
                     column = json_integer_value(json_array_get(place, 1));
    note->fault.line = line > 0 && line <= SCRIPT_SOURCE_MAX + 1 ? (unsigned)line : 1;
    note->fault.column = column > 0 && column <= SCRIPT_SOURCE_MAX + 1 ? (unsigned)column : 1;
}

static void note_add(struct script_notes *notes, const struct script_note *note) {
    if (room_make(notes, note->grave)) {
        notes->list[notes->count++] = *note;
    }
}

/* A schema that stands in the script as a literal, which a run would refuse. Of each of its parts
 * by its path, "#/properties/a", `places` has where it stands. */
static void schema_take(const json_t *given, struct script_notes *notes) {
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct script_note note = {.grave = true, .fault = {.code = "bad_schema"}};
    struct why why = {""};
    char path[PATH_SIZE];
    const json_t *places = json_object_get(given, "places");
    const bool compiles =
        !err_failed(json_schema_compile(json_object_get(given, "schema"), &compiled, &why));
    if (compiles && !json_schema_is_void(compiled, &why)) {
        return;
    }
    (void)snprintf(note.fault.message, sizeof note.fault.message,
                   "agent() throws on this schema: %.240s", why.text);
    const char *colon = strstr(why.text, ": ");
    (void)snprintf(path, sizeof path, "%.*s", colon == NULL ? 0 : (int)(colon - why.text),
                   why.text);
    char *cut = path;
    while (cut != NULL && json_object_get(places, path) == NULL) {
        cut = strrchr(path, '/');
        *(cut == NULL ? path : cut) = '\0';
    }
    note_place(&note, json_object_get(places, cut == NULL ? "#" : path));
    if (!note_is_said(notes, note.fault.message)) {
        note_add(notes, &note);
    }
}

/* What comes from the checker is looked at as if a script had said it. */
static void note_take(const json_t *given, struct script_notes *notes) {
    static const char *const codes[] = {
        "effort",         "foreign_model",      "host",           "import",
        "isolation",      "locale",             "main_member",    "main_parameter",
        "not_a_function", "not_awaited",        "not_in_flow",    "not_deterministic",
        "phase",          NOTE_RESULT_MEMBER,   "timer",          "too_many_items",
        "undefined_name", "unknown_agent_type", "unknown_option", "unknown_connection",
        "unknown_workflow", NULL};
    static const char *const abouts[] = {[NOTE_ABOUT_SCRIPT] = "",
                                         [NOTE_ABOUT_MODEL] = "model",
                                         [NOTE_ABOUT_CONNECTION] = "connection",
                                         [NOTE_ABOUT_AGENT_TYPE] = "agent_type",
                                         [NOTE_ABOUT_WORKFLOW] = "workflow",
                                         NULL};
    unsigned code = 0, about = NOTE_ABOUT_SCRIPT;
    const struct bytes message = json_bytes(given, "message"), name = json_bytes(given, "name");
    if (!bytes_find(json_bytes(given, "code"), codes, &code) ||
        !bytes_find(json_bytes(given, "about"), abouts, &about)) {
        return;
    }
    struct script_note note = {.grave = json_is_true(json_object_get(given, "grave")),
                               .doubt = about > NOTE_ABOUT_MODEL,
                               .about = (enum script_note_about)about,
                               .fault = {.code = codes[code]}};
    (void)snprintf(note.fault.message, sizeof note.fault.message, "%.*s",
                   (int)utf8_cut(message, sizeof note.fault.message - 1), message.data);
    (void)snprintf(note.name, sizeof note.name, "%.*s", (int)utf8_cut(name, sizeof note.name - 1),
                   name.data);
    note_place(&note, json_object_get(given, "at"));
    note_add(notes, &note);
}

static struct err answer_take(struct bytes answer, struct script_notes *notes) {
    AUTO(json_release) json_t *said = NULL;
    struct why why;
    TRY(json_parse_wide(answer.data, answer.len, ANSWER_DEPTH_MAX, &said, &why));
    const json_t *list = json_object_get(said, "notes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *given = json_array_get(list, i);
        if (json_object_get(given, "schema") != NULL) {
            schema_take(given, notes);
        } else {
            note_take(given, notes);
        }
    }
    notes->names_no_model = json_is_true(json_object_get(said, "names_no_model"));
    return ERR_OK;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    struct {
        struct sha256 key;
        struct bytes answer; /* Owned; NULL: none. */
    } list[KEPT_MAX];
    unsigned next; /* The oldest. */
    void (*failed)(void *ctx, struct err err);
    void *ctx;
    bool told;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

void script_judge_watch(void (*failed)(void *ctx, struct err err), void *ctx) {
    (void)pthread_mutex_lock(&kept.lock); /* Cannot fail for this kind, nor does unlock. */
    kept.failed = failed;
    kept.ctx = ctx;
    (void)pthread_mutex_unlock(&kept.lock);
}

static void failure_tell(struct err err) {
    (void)pthread_mutex_lock(&kept.lock);
    if (kept.failed != NULL && !kept.told) {
        kept.told = true;
        kept.failed(kept.ctx, err);
    }
    (void)pthread_mutex_unlock(&kept.lock);
}

static bool answer_find(const struct sha256 *key, struct bytes *ret_answer) {
    bool found = false;
    (void)pthread_mutex_lock(&kept.lock);
    for (unsigned i = 0; i < KEPT_MAX && !found; i++) {
        const struct bytes answer = kept.list[i].answer;
        found = answer.data != NULL && sha256_equal(&kept.list[i].key, key);
        if (found) {
            *ret_answer = (struct bytes){mem_copy(answer.data, answer.len), answer.len};
        }
    }
    (void)pthread_mutex_unlock(&kept.lock);
    return found;
}

static void answer_keep(const struct sha256 *key, struct bytes answer) {
    if (answer.len > KEPT_BYTES_MAX) {
        return;
    }
    (void)pthread_mutex_lock(&kept.lock);
    mem_free((char *)kept.list[kept.next].answer.data);
    kept.list[kept.next].key = *key;
    kept.list[kept.next].answer =
        (struct bytes){mem_copy(answer.data, answer.len), answer.len};
    kept.next = (kept.next + 1) % KEPT_MAX;
    (void)pthread_mutex_unlock(&kept.lock);
}

struct err script_judge(const struct script_source *source, const struct script_prepared *prepared,
                        struct script_notes *ret_notes) {
    static const char *const forms[] = {[SCRIPT_FORM_BODY] = "body",
                                        [SCRIPT_FORM_MAIN] = "main",
                                        [SCRIPT_FORM_FLOW] = "flow"};
    AUTO(text_done) struct text question = text_up_to(QUESTION_MAX);
    text_addf(&question, "{\"form\":\"%s\",\"objects\":%s,\"timers\":%s,\"text\":",
              forms[prepared->form], prepared->objects ? "true" : "false",
              prepared->timers ? "true" : "false");
    text_add_json(&question, source->text.data, source->text.len);
    text_add_str(&question, "}");
    if (text_failed(&question)) {
        return text_error(&question, "judge: question");
    }
    *ret_notes = (struct script_notes){.count = 0};
    const struct sha256 key = sha256_of(question.data, question.len);
    struct bytes answer = BYTES("");
    struct err err = ERR_OK;
    if (!answer_find(&key, &answer)) {
        err = checker_ask(text_bytes(&question), &answer);
        if (err_failed(err)) { /* Then without notes. */
            failure_tell(err);
            return ERR_OK;
        }
        answer_keep(&key, answer);
    }
    err = answer_take(answer, ret_notes);
    mem_free((char *)answer.data);
    if (err_failed(err)) {
        failure_tell(err);
    }
    return ERR_OK;
}
