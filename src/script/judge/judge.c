/* judge.c: see judge.h. The judge is JavaScript (judge.js), and runs in the checker; here are the
 * notes that it gives, and the latest of its answers. */
#include "script/judge.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/hash.h"
#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/utf8.h"
#include "script/judge/checker.h"

enum {
    KEPT_BYTES_MAX = 512 << 10,
    ANSWER_KEPT_MAX = 32 << 10,
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

/* The checker may have been taken over: its words are looked at as if a script had said them. */
static void note_take(const json_t *given, struct script_notes *notes) {
    static const char *const codes[] = {"effort",
                                        "foreign_model",
                                        "host",
                                        "import",
                                        "isolation",
                                        "locale",
                                        "main_member",
                                        "main_parameter",
                                        "not_a_function",
                                        "not_awaited",
                                        "not_in_flow",
                                        "not_deterministic",
                                        "phase",
                                        NOTE_RESULT_MEMBER,
                                        "timer",
                                        "too_many_items",
                                        "undefined_name",
                                        "unknown_agent_type",
                                        "unknown_option",
                                        "unknown_connection",
                                        "unknown_workflow",
                                        NULL};
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

/* The latest answers, each a line: the key, a blank, the answer. Where there is a data directory
 * they are in a file, too: nothing is lost with it, so nothing is synced, and what cannot be read
 * or written there is only in memory. */
static struct {
    pthread_mutex_t lock;
    char *lines; /* Owned. */
    size_t len;
    char *path; /* Owned; NULL: no file. */
    bool told;
    void (*failed)(void *ctx, struct err err);
    void *ctx;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void kept_lock(void) {
    const int rc = pthread_mutex_lock(&kept.lock);
    assert(rc == 0); /* Cannot fail for this kind. */
}

static void kept_unlock(void) {
    const int rc = pthread_mutex_unlock(&kept.lock);
    assert(rc == 0);
}

/* Begins to keep, with what the file has: its whole lines. */
static void lines_load(void) {
    if (kept.lines != NULL) {
        return;
    }
    kept.lines = mem_new(KEPT_BYTES_MAX);
    AUTO(fd_release) int fd = kept.path == NULL ? -1 : open(kept.path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;
    while (fd >= 0 && got > 0 && kept.len < KEPT_BYTES_MAX) {
        got = read(fd, kept.lines + kept.len, KEPT_BYTES_MAX - kept.len);
        kept.len += got > 0 ? (size_t)got : 0;
    }
    while (kept.len > 0 && kept.lines[kept.len - 1] != '\n') {
        kept.len--;
    }
}

/* The file, or what was added to it. */
static void lines_store(const char *from, size_t len, int how) {
    AUTO(fd_release)
    int fd = kept.path == NULL ? -1 : open(kept.path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0600);
    if (fd >= 0 && write(fd, from, len) != (ssize_t)len) {
        (void)ftruncate(fd, 0); /* The file begins again. */
    }
}

static bool answer_find(struct sha256_hex key, struct bytes *ret_answer) {
    kept_lock();
    lines_load();
    const char *end = kept.lines + kept.len,
               *at = memmem(kept.lines, kept.len, key.text, sizeof key.text - 1);
    const char *line_end = at == NULL ? NULL : memchr(at, '\n', (size_t)(end - at));
    const bool found = line_end != NULL && line_end > at + sizeof key.text;
    if (found) {
        const char *answer = at + sizeof key.text;
        const size_t len = (size_t)(line_end - answer);
        *ret_answer = (struct bytes){mem_copy(answer, len), len};
    }
    kept_unlock();
    return found;
}

/* `lasts`: in the file, too. */
static void answer_keep(struct sha256_hex key, struct bytes answer, bool lasts) {
    AUTO(text_done) struct text line = text_up_to(ANSWER_KEPT_MAX);
    text_addf(&line, "%s ", key.text);
    text_add(&line, answer.data, answer.len);
    text_add_char(&line, '\n');
    if (text_failed(&line)) { /* A long one is asked for again. */
        return;
    }
    kept_lock();
    lines_load();
    const bool full = kept.len + line.len > KEPT_BYTES_MAX;
    if (full) { /* The later half stays. */
        const char *half = kept.lines + kept.len / 2;
        const char *cut = memchr(half, '\n', (size_t)(kept.lines + kept.len - half));
        kept.len -= (size_t)(cut + 1 - kept.lines);
        memmove(kept.lines, cut + 1, kept.len);
    }
    memcpy(kept.lines + kept.len, line.data, line.len);
    kept.len += line.len;
    if (full) {
        lines_store(kept.lines, kept.len, O_TRUNC);
    } else if (lasts) {
        lines_store(line.data, line.len, O_APPEND);
    }
    kept_unlock();
}

void script_judge_open(const char *data_dir, void (*failed)(void *ctx, struct err err), void *ctx) {
    AUTO(text_done) struct text path = text_up_to(PATH_MAX);
    text_addf(&path, "%s/" SCRIPT_JUDGE_FILE, data_dir);
    script_judge_close();
    kept_lock();
    kept.path = text_failed(&path) ? NULL : mem_copy(path.data, path.len);
    kept.failed = failed;
    kept.ctx = ctx;
    kept.told = false;
    kept_unlock();
}

void script_judge_close(void) {
    kept_lock();
    mem_free(kept.lines);
    mem_free(kept.path);
    kept.lines = kept.path = NULL;
    kept.len = 0;
    kept.failed = NULL;
    kept_unlock();
}

static void failure_tell(struct err err) {
    kept_lock();
    if (kept.failed != NULL && !kept.told) {
        kept.told = true;
        kept.failed(kept.ctx, err);
    }
    kept_unlock();
}

/* The checker's version is a part of it. */
static struct sha256_hex key_of(struct bytes question) {
    const struct sha256 version = checker_version();
    struct sha256_stream stream;
    sha256_start(&stream);
    sha256_add(&stream, version.bytes, sizeof version.bytes);
    sha256_add(&stream, question.data, question.len);
    const struct sha256 key = sha256_finish(&stream);
    return sha256_hex(&key);
}

static struct err answer_get(struct bytes question, struct bytes *ret_answer) {
    const struct sha256_hex key = key_of(question);
    if (answer_find(key, ret_answer)) {
        return ERR_OK;
    }
    const struct err err = checker_ask(question, ret_answer);
    if (!err_failed(err)) {
        answer_keep(key, *ret_answer, true);
    } else if (err.code == ERR_INTERNAL) {
        /* The text broke it: this daemon does not ask about it again. */
        answer_keep(key, BYTES("{}"), false);
    }
    return err;
}

struct err script_judge(const struct script_source *source, const struct script_prepared *prepared,
                        struct script_notes *ret_notes) {
    static const char *const forms[] = {
        [SCRIPT_FORM_BODY] = "body", [SCRIPT_FORM_MAIN] = "main", [SCRIPT_FORM_FLOW] = "flow"};
    AUTO(text_done) struct text question = text_up_to(QUESTION_MAX);
    text_addf(&question,
              "{\"form\":\"%s\",\"objects\":%s,\"timers\":%s,\"text\":", forms[prepared->form],
              prepared->objects ? "true" : "false", prepared->timers ? "true" : "false");
    text_add_json(&question, source->text.data, source->text.len);
    text_add_str(&question, "}");
    if (text_failed(&question)) {
        return text_error(&question, "judge: question");
    }
    *ret_notes = (struct script_notes){.count = 0};
    struct bytes answer = BYTES("");
    struct err err = answer_get(text_bytes(&question), &answer);
    if (!err_failed(err)) {
        err = answer_take(answer, ret_notes);
        mem_free((char *)answer.data);
    }
    if (err_failed(err)) { /* Then without notes. */
        failure_tell(err);
    }
    return ERR_OK;
}
