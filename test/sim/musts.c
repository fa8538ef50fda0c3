/* musts.c: see musts.h. */
#include "musts.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "asks.h"
#include "base/json/json.h"
#include "base/memory.h"
#include "boards.h"
#include "chat_ops.h"
#include "dispatch/board/must.h"
#include "engine/board/must.h"
#include "inside.h"
#include "main/work.h"

#define LABEL "must-have: "
#define SEEN_NS (UINT64_C(5) * 1000 * 1000 * 1000)   /* From an end to its reading. */
#define TAKEN_NS (UINT64_C(60) * 1000 * 1000 * 1000) /* From a fingerprint to its commit. */
enum { ENDED_MAX = 64, PATH_BYTES = 300, LINE_BYTES = 64, PRINT_BYTES = 200 };

enum watched_file { FILE_MADE, FILE_KEPT, FILE_COUNT };
static const char *const names[FILE_COUNT] = {"made.txt", "kept.txt"};
struct ended {
    char line[LINE_BYTES];
    bool succeeded;
    uint64_t ended_ns;
};
static struct {
    bool exists[FILE_COUNT];
    uint64_t changed_ns[FILE_COUNT];
    unsigned version;
    struct ended ended[ENDED_MAX]; /* A ring. */
    size_t ended_count;
    char prints[BOARD_TASKS_MAX + 1][PRINT_BYTES]; /* By number of the task. */
    uint64_t prints_ns[BOARD_TASKS_MAX + 1]; /* When those were first seen; 0: nobody knows. */
    bool replayed[BOARD_TASKS_MAX + 1];      /* By this life. */
    struct id told[BOARD_TASKS_MAX + 1][2];  /* Attempts whose claim and review were heard of. */
} seen;

struct must_findings {
    struct must_wait wait;
    struct link link; /* Until the checks are done. */
    struct errand *errand;
    uint64_t since_ns;                            /* The check began then, or later. */
    struct text attempt, must_haves, unmet, told; /* Owned. told: by the move itself. */
    struct task_checked checked;
    bool first; /* The first request that hears of this move. */
};
static struct link waits;

/* --- Asked for -------------------------------------------------------------------------------- */

void musts_write(struct sim *sim, unsigned op, struct text *text) {
    static const char *const lists[] = {
        "[\"It is neat.\"]",
        "[{\"output\":\"code\"}]",
        "[{\"text\":\"hello\"},\"It is neat.\"]",
        "[{\"output\":\"song\"}]",
        "[{\"file\":\"made.txt\"}]",
        "[{\"unchanged\":\"kept.txt\"}]",
        "[{\"unchanged\":\"kept.txt\"},{\"file\":\"made.txt\"},{\"text\":\"hello\"}]",
    };
    const uint64_t drawn = sim_hash(sim_seed(sim), op, "must-haves", 0) % 20;
    if (drawn < COUNT_OF(lists)) {
        text_add_str(text, lists[drawn]);
    } else if (drawn < COUNT_OF(lists) + 3) {
        text_addf(text, "[{\"command\":\"graze %u\"}%s]", op,
                  drawn == COUNT_OF(lists) ? ",{\"file\":\"made.txt\"}" : "");
    } else {
        text_add_str(text, "[]");
    }
}

static void findings_take(struct must_findings *findings) {
    const struct task_checked *checked = findings->wait.checked;
    text_add(&findings->attempt, checked->attempt.data, checked->attempt.len);
    text_add(&findings->must_haves, checked->must_haves.data, checked->must_haves.len);
    text_add(&findings->unmet, checked->unmet.data, checked->unmet.len);
    findings->checked = (struct task_checked){.moved = checked->moved,
                                              .attempt = text_bytes(&findings->attempt),
                                              .must_haves = text_bytes(&findings->must_haves),
                                              .unmet = text_bytes(&findings->unmet)};
    const struct board_asking *asking = &findings->errand->what.board;
    struct id *told = &seen.told[asking->number][asking->to == TASK_CLAIMED ? 0 : 1];
    findings->first = checked->moved && strcmp(told->text, asking->checking.attempt.text) != 0;
    *told = findings->first ? asking->checking.attempt : *told;
}

static void on_checked(struct must_wait *wait) {
    struct must_findings *findings = CONTAINER_OF(wait, struct must_findings, wait);
    findings_take(findings);
    must_wait_stop(wait);
    link_remove(&findings->link);
    errand_send(findings->errand);
}

/* Others may have begun it. Where the clock was set meanwhile, nobody knows when. */
void musts_begun(struct tx *tx, struct errand *errand) {
    struct board_asking *asking = &errand->what.board;
    const int64_t since_ms =
        tx_number(tx, "SELECT COALESCE(checking_ms, 0) FROM task_attempts WHERE attempt = $1",
                  ARGS(arg_str(asking->checking.attempt.text)));
    const int64_t age_ms = tx_now_ms(tx) - since_ms;
    const uint64_t now_ns = sim_now_ns(errand->sim), age_ns = (uint64_t)age_ms * 1000 * 1000;
    asking->since_ns = age_ms < 0 || age_ns > now_ns ? 0 : now_ns - age_ns;
}

struct must_findings *musts_new(struct errand *errand) {
    struct must_findings *findings = mem_new(sizeof *findings);
    struct text *const texts[] = {&findings->attempt, &findings->must_haves, &findings->unmet,
                                  &findings->told};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        text_init(texts[i], MUST_UNMET_MAX);
    }
    findings->errand = errand;
    findings->since_ns = sim_now_ns(errand->sim);
    return findings;
}

void musts_ask(struct errand *errand) {
    const struct board_asking *asking = &errand->what.board;
    struct must_findings *findings = asking->findings;
    if (!sim_life(errand->sim)->ready) {
        return; /* Nobody waits any more. */
    }
    findings->since_ns = asking->since_ns;
    findings->wait.done = on_checked;
    link_add_last(&waits, &findings->link);
    must_wait_start(work_tasks_api(sim_life(errand->sim)->work).musts, &asking->checking,
                    &findings->wait);
}

bool musts_moved(const struct must_findings *findings) {
    return findings != NULL && findings->checked.moved;
}

bool musts_moved_first(const struct must_findings *findings) {
    return findings->first;
}

void musts_give(struct must_findings *findings, struct task_move *move) {
    if (findings != NULL) {
        move->checked = findings->checked.attempt.len > 0 ? &findings->checked : NULL;
        move->unmet = &findings->told;
        text_clear(&findings->told); /* The transaction may run again. */
    }
}

void musts_findings_free(struct must_findings *findings) {
    if (findings != NULL) {
        text_done(&findings->attempt);
        text_done(&findings->must_haves);
        text_done(&findings->unmet);
        text_done(&findings->told);
        mem_free(findings);
    }
}

/* --- Judged ----------------------------------------------------------------------------------- */

enum verdict { IS_MET, IS_UNMET, IS_EITHER };

static const struct ended *ended_find(struct bytes line, bool succeeded, uint64_t since_ns) {
    for (size_t i = 0; i < seen.ended_count && i < ENDED_MAX; i++) {
        const struct ended *ended = &seen.ended[i];
        if (bytes_is(line, ended->line) && ended->succeeded == succeeded &&
            ended->ended_ns + SEEN_NS >= since_ns) {
            return ended;
        }
    }
    return NULL;
}

/* A check may have been cut short for many causes, but finds no success that was none. */
static enum verdict command_judge(const struct must *must, uint64_t since_ns) {
    return ended_find(must->value, true, since_ns) != NULL ? IS_EITHER : IS_UNMET;
}

static enum verdict unchanged_judge(struct tx *tx, int64_t number, uint64_t since_ns) {
    const struct bytes prints =
        tx_text(tx, "SELECT prints FROM tasks WHERE place = $1", ARGS(arg_int(number)));
    const uint64_t changed_ns = seen.changed_ns[FILE_KEPT], prints_ns = seen.prints_ns[number];
    return prints.len == 0                            ? IS_UNMET
           : changed_ns >= since_ns || prints_ns == 0 ? IS_EITHER
           : !bytes_is(prints, seen.prints[number])   ? IS_EITHER
           : changed_ns > prints_ns                   ? IS_UNMET
           : changed_ns + TAKEN_NS < prints_ns        ? IS_MET
                                                      : IS_EITHER;
}

static enum verdict must_judge(struct tx *tx, int64_t number, const struct must *must,
                               uint64_t since_ns) {
    switch (must->kind) {
    case MUST_OUTPUT:
        return tx_number(tx,
                         "SELECT count(*) FROM task_outputs o JOIN tasks t ON t.task = o.task"
                         " WHERE t.place = $1 AND o.type = $2",
                         ARGS(arg_int(number), arg_text(must->value))) > 0
                   ? IS_MET
                   : IS_UNMET;
    case MUST_TEXT: /* Each output says hello. */
        return tx_number(tx,
                         "SELECT count(*) FROM task_outputs o JOIN tasks t ON t.task = o.task"
                         " WHERE t.place = $1",
                         ARGS(arg_int(number))) > 0
                   ? IS_MET
                   : IS_UNMET;
    case MUST_FILE:
        return seen.changed_ns[FILE_MADE] >= since_ns ? IS_EITHER
               : seen.exists[FILE_MADE]               ? IS_MET
                                                      : IS_UNMET;
    case MUST_UNCHANGED:
        return unchanged_judge(tx, number, since_ns);
    case MUST_COMMAND:
        return command_judge(must, since_ns);
    default:
        return IS_MET;
    }
}

/* The sentence about the must-have; no bytes: there is none. */
static struct bytes sentence_find(const json_t *unmet, const struct must *must) {
    AUTO(text_done) struct text head = text_up_to(PATH_BYTES);
    text_addf(&head, "%s \"%.*s\": ", must->kind == MUST_SENTENCE ? "" : must_names[must->kind],
              (int)must->value.len, must->value.data);
    for (size_t i = 0; i < json_array_size(unmet); i++) {
        const struct bytes sentence = json_text(json_array_get(unmet, i));
        if (bytes_begin(sentence, text_bytes(&head))) {
            return sentence;
        }
    }
    return BYTES("");
}

void musts_judge(struct tx *tx, struct errand *errand, struct err err) {
    const struct board_asking *asking = &errand->what.board;
    struct sim *sim = errand->sim;
    AUTO(json_release) json_t *list = NULL, *unmet = NULL;
    const struct must_findings *findings = asking->findings;
    const struct bytes must_haves =
        tx_text(tx, "SELECT must_haves FROM tasks WHERE place = $1", ARGS(arg_int(asking->number)));
    const bool refused = err.code == ERR_MUST_HAVE;
    size_t told = 0;
    if (!asking->changes || (err_failed(err) && !refused)) {
        return;
    }
    if (findings == NULL || err_failed(json_parse_wrapped(must_haves, &list, NULL)) ||
        (refused && err_failed(json_parse_wrapped(text_bytes(&findings->told), &unmet, NULL)))) {
        sim_fail(sim, "T-%lld has must-haves that nobody can read", (long long)asking->number);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const struct must must = must_read(json_array_get(list, i));
        const enum verdict verdict = must_judge(tx, asking->number, &must, findings->since_ns);
        const struct bytes sentence = sentence_find(unmet, &must);
        told += sentence.len > 0 ? 1 : 0;
        if (verdict == (sentence.len > 0 ? IS_MET : IS_UNMET)) {
            sim_fail(
                sim, "T-%lld is asked to be reviewed, and its must-have %s '%.*s' is %s met: %.*s",
                (long long)asking->number, must.kind == MUST_SENTENCE ? "" : must_names[must.kind],
                (int)must.value.len, must.value.data, sentence.len > 0 ? "called not" : "called",
                (int)sentence.len, sentence.data);
        }
    }
    if (told != json_array_size(unmet) || refused != (told > 0)) {
        sim_fail(sim, "T-%lld lacks %zu must-haves, and hears of %zu", (long long)asking->number,
                 told, json_array_size(unmet));
    }
    sim_trace(sim, "T-%lld: %zu of %zu must-haves are not met", (long long)asking->number, told,
              json_array_size(list));
}

/* --- Files, and ends of commands -------------------------------------------------------------- */

static void file_change(struct sim *sim, enum watched_file which, bool exists) {
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/%s", sim_project_dir(sim), names[which]);
    seen.exists[which] = exists;
    seen.changed_ns[which] = sim_now_ns(sim);
    if (!exists) {
        (void)unlink(path);
        return;
    }
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    const bool written = fprintf(file, "version %u\n", ++seen.version) > 0;
    const int rc = fclose(file);
    assert(written && rc == 0);
}

void musts_file(struct sim *sim) {
    const bool kept = sim_chance(sim, "which file", 50);
    file_change(sim, kept ? FILE_KEPT : FILE_MADE, kept || !seen.exists[FILE_MADE]);
}

void musts_noted(struct sim *sim, const struct run_row *row) {
    if (row->kind == KIND_JOB && run_state_final(row->state) &&
        bytes_begin(row->label, BYTES(LABEL))) {
        struct ended *ended = &seen.ended[seen.ended_count++ % ENDED_MAX];
        const size_t skip = sizeof LABEL - 1;
        *ended =
            (struct ended){.succeeded = row->state == RUN_SUCCEEDED, .ended_ns = sim_now_ns(sim)};
        (void)snprintf(ended->line, sizeof ended->line, "%.*s", (int)(row->label.len - skip),
                       row->label.data + skip);
    }
}

static void prints_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    const int64_t number = row->number[0];
    (void)ctx;
    if (number > BOARD_TASKS_MAX || strcmp(seen.prints[number], row->text[1].data) == 0) {
        seen.replayed[number <= BOARD_TASKS_MAX ? number : 0] = true;
        return;
    }
    if (seen.replayed[number] && seen.prints[number][0] != '\0' && row->text[1].len > 0) {
        sim_fail(sim, "T-%lld had the fingerprints %s, and has %s, and was not opened again",
                 (long long)number, seen.prints[number], row->text[1].data);
    }
    (void)snprintf(seen.prints[number], PRINT_BYTES, "%s", row->text[1].data);
    seen.prints_ns[number] = seen.replayed[number] ? sim_now_ns(sim) : 0;
    seen.replayed[number] = true;
}

void musts_look(struct sim *sim) {
    if (!boards_play(&sim->options)) {
        return;
    }
    ask_each(sim, "SELECT place, prints FROM tasks", NULL, prints_take, NULL);
}

/* --- Lives ------------------------------------------------------------------------------------ */

void musts_begin(struct sim *sim) {
    memset(&seen, 0, sizeof seen);
    links_init(&waits);
    file_change(sim, FILE_KEPT, true);
    file_change(sim, FILE_MADE, sim_hash(sim_seed(sim), 0, "made", 0) % 2 == 0);
}

void musts_stopping(struct sim *sim) {
    (void)sim;
    while (waits.next != NULL && !links_empty(&waits)) {
        struct must_findings *findings =
            CONTAINER_OF(links_take(&waits), struct must_findings, link);
        must_wait_stop(&findings->wait);
        errand_drop(findings->errand);
        musts_findings_free(findings);
    }
}

/* A power cut may have taken back what was seen. */
void musts_crashed(struct sim *sim) {
    (void)sim;
    memset(seen.replayed, 0, sizeof seen.replayed);
    links_init(&waits);
}
