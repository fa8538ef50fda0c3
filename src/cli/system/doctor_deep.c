/* doctor_deep.c: what drover doctor --deep reads beside the usual checks. */
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/system/doctor.h"
#include "proc/spool/spool.h"
#include "store/datadir.h"
#include "store/store.h"

/* --- Deep: pages ------------------------------------------------------------------------------ */

static void pages_fail(struct doctor *doctor, const struct store_pages *pages) {
    AUTO(text_done) struct text text;
    text_init(&text, DOCTOR_TEXT_MAX);
    text_addf(&text, "%lld of %lld pages of the file are not what was written (",
              (long long)pages->damaged, (long long)pages->pages);
    for (int64_t i = 0; i < pages->damaged && i < STORE_PAGES_SHOWN; i++) {
        text_addf(&text, "%s%lu", i == 0 ? "" : ", ", (unsigned long)pages->numbers[i]);
    }
    text_add_str(&text, pages->damaged > STORE_PAGES_SHOWN ? ", …)" : ")");
    text_add_str(&text, "; stop the daemon and restore a backup; if another program wrote the file,"
                        " 'drover restore --rewrite-sums'");
    doctor->failure = doctor->failed ? doctor->failure : ERR_STORE_CORRUPT;
    doctor_row(doctor, VERDICT_FAIL, "file", text.data);
}

/* Pages of the file, those that no row needs included. */
void doctor_check_pages(struct doctor *doctor) {
    struct store_pages pages = {.pages = 0};
    struct why why = {.text = ""};
    if (doctor->database != NULL || !doctor_database_exists(doctor)) {
        return; /* check_database has read every row. */
    }
    struct err err = store_check_pages(doctor->data, &pages, &why);
    if (err_failed(err)) {
        doctor_fail(doctor, "file", err, &why);
    } else if (!pages.sums) {
        doctor_row(doctor, VERDICT_WARN, "file", "its pages have no checksums to compare with");
    } else if (pages.damaged > 0) {
        pages_fail(doctor, &pages);
    } else {
        why_set(&why, "each of its %lld pages is what was written; free pages: %lld",
                (long long)pages.pages, (long long)pages.free);
        doctor_row(doctor, VERDICT_OK, "file", why.text);
    }
}

/* --- Deep: the spool -------------------------------------------------------------------------- */

enum { FOLDERS_ASKED = 50, FOLDERS_SHOWN_MAX = 20, FOLDERS_BYTES_MAX = 64 << 20 };

struct folders {
    struct doctor *doctor;
    struct spool *spool; /* Owned. */
    struct text names;   /* Owned; each terminated. */
    int64_t count, unknown;
};

static struct err folder_add(void *ctx, const char *name) {
    struct folders *folders = ctx;
    if (strchr(name, '.') != NULL && strchr(name, ',') == NULL) {
        text_add(&folders->names, name, strlen(name) + 1);
        folders->count += !text_failed(&folders->names);
    }
    return ERR_OK;
}

/* A folder in which no command began says nothing, and may be gone by now with the row. */
static void folder_judge(struct folders *folders, const char *name, const char *what) {
    struct spool_state state;
    struct why why;
    struct err err =
        spool_decide(folders->spool, name, SPOOL_LOOK, 0 /* changes nothing */, &state);
    bool ran = !err_failed(err) && (state.found == SPOOL_ALIVE || state.found == SPOOL_ENDED ||
                                    state.found == SPOOL_GONE);
    if (!ran || folders->unknown++ >= FOLDERS_SHOWN_MAX) {
        return;
    }
    why_set(&why,
            "%s/%s: the database does not know %s: it has lost it, or belongs to another"
            " directory; copy what is of use out of it",
            spool_path(folders->spool), name,
            strcmp(what, "attempt_unknown") == 0 ? "this attempt of its run" : "its run");
    doctor_fail(folders->doctor, "folder", err_make(ERR_STORE_INCOMPLETE, "doctor: folder"), &why);
}

/* Asks for a few names from *io_at on. */
static struct err folders_ask(struct folders *folders, struct talk *talk, struct doctor_down *down,
                              size_t *io_at, struct why *why) {
    static const char path[] = "/api/v1/damage/folders?names=";
    AUTO(text_done) struct text target;
    AUTO(json_release) json_t *answer = NULL;
    text_init(&target, DOCTOR_TARGET_MAX);
    text_add_str(&target, path);
    for (int i = 0; i < FOLDERS_ASKED && *io_at < folders->names.len; i++) {
        const char *name = folders->names.data + *io_at;
        text_addf(&target, "%s%s", i == 0 ? "" : ",", name);
        *io_at += strlen(name) + 1;
    }
    struct client_request request = {
        .method = "GET", .target = target.data, .timeout_ms = DOCTOR_LOOK_MS};
    struct err err = down != NULL
                         ? doctor_down_folders(down, target.data + sizeof path - 1, &answer)
                         : talk_ask(talk, &request, NULL /* parsed is enough */, &answer, why);
    const json_t *items = err_failed(err) ? NULL : json_object_get(answer, "items");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        folder_judge(folders, talk_text(item, "folder"), talk_text(item, "what"));
    }
    return err;
}

static void folders_tell(struct folders *folders, struct err err, const struct why *why) {
    struct why said;
    if (err_failed(err)) {
        doctor_row(folders->doctor, VERDICT_WARN, "folders",
                   why->text[0] != '\0' ? why->text : err_title(err.code));
    } else if (folders->unknown > 0) {
        why_set(&said, "the database does not know %lld of %lld folders; %s",
                (long long)folders->unknown, (long long)folders->count,
                folders->unknown > FOLDERS_SHOWN_MAX ? "the first 20 are shown" : "see above");
        doctor_row(folders->doctor, VERDICT_WARN, "folders", said.text);
    } else {
        why_set(&said, "the database knows the runs of all folders of the spool (%lld)",
                (long long)folders->count);
        doctor_row(folders->doctor, VERDICT_OK, "folders", said.text);
    }
}

void doctor_check_folders(struct doctor *doctor, struct talk *talk, struct doctor_down *down) {
    struct why why = {.text = ""};
    struct folders folders = {.doctor = doctor};
    AUTO(mem_release) char *spool = datadir_path(doctor->data, "spool");
    if (access(spool, F_OK) < 0) {
        return; /* spool_open would make it. */
    }
    struct err err = spool_open(doctor->data, &folders.spool);
    text_init(&folders.names, FOLDERS_BYTES_MAX);
    if (!err_failed(err)) {
        err = spool_each(folders.spool, folder_add, &folders);
    }
    for (size_t at = 0; at < folders.names.len && !err_failed(err);) {
        err = folders_ask(&folders, talk, down, &at, &why);
    }
    folders_tell(&folders, err, &why);
    text_done(&folders.names);
    spool_close(folders.spool);
}
