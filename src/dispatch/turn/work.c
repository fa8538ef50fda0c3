/* work.c: the life of a call of a tool, by whichever file it is performed: see work.h. */
#include "dispatch/turn/work.h"

#include <stdio.h>

#include "base/json/json.h"
#include "base/memory.h"
#include "dispatch/turn/tool_settings.h"

enum { WORK_MS = 60000 };

bool work__is_away(const struct talk_work *work) {
    const struct talk_review *review = work->review;
    return work->away || work->fetch != NULL ||
           (review != NULL && (side_call_is_out(&review->call) || review->ask.state == ASK_AWAY));
}

static void review_free(struct talk_review *review) {
    if (review != NULL) {
        ask_drop(&review->ask);
        side_call_done(&review->call);
        text_done(&review->request);
        text_done(&review->transcript);
        text_done(&review->reason);
        mem_free(review->model);
        mem_free(review);
    }
}

static void fresh_free(struct talk_work *work) {
    if (work->fresh != NULL) {
        text_done(&work->fresh->settings);
        text_done(&work->fresh->program);
        text_done(&work->fresh->model);
        text_done(&work->fresh->content);
        must_wait_stop(&work->fresh->wait);
        work->talk->turns->options.workflow_tool->free(work->fresh->launch);
        mem_free(work->fresh);
    }
}

void work__free(struct talk_work *work) {
    struct talk_work **at = &work->talk->works;
    assert(!work__is_away(work));
    while (*at != work) {
        at = &(*at)->next;
    }
    *at = work->next;
    review_free(work->review);
    tool_call_done(&work->call);
    tool_result_done(&work->result);
    for (size_t i = 0; i < work->owned_count; i++) {
        mem_free(work->owned[i]);
    }
    point_wait_cancel(&work->point);
    text_done(&work->spec);
    fresh_free(work);
    mem_free(work);
}

bool work__is_over(struct talk_work *work) {
    struct talk *talk = work->talk;
    bool over = talk__is_over(talk);
    if (over) {
        work__free(work);
        talk__maybe_free(talk);
    }
    return over;
}

bool work__is_back(struct talk_work *work) {
    work->away = false;
    return !work__is_over(work);
}

static void work_in_pool(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    work->run(work);
}

static void work_on_back(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (work__is_back(work)) {
        work->back(work);
    }
}

void work__pool(struct talk_work *work, void (*run)(struct talk_work *),
                void (*back)(struct talk_work *)) {
    work->away = true;
    work->run = run;
    work->back = back;
    pool_begin(&work->talk->turns->pool, &work->job, POOL_QUICK, work_in_pool, work_on_back);
}

struct talk_errand *work__errand(struct talk_work *work, enum errand_kind kind) {
    struct talk_errand *errand = talk__errand(work->talk, kind, errand__perform);
    errand->work = work;
    return errand;
}

/* A tool that edits one file writes nothing else. */
bool work__point(struct talk_work *work, enum point_phase phase) {
    char call[POINT_CALL_MAX];
    const bool edits = (tool_get(work->call.id)->needs & TOOL_NEEDS_COMMAND) == 0;
    (void)snprintf(call, sizeof call, "part-%lld", (long long)work->card.part); /* Fits. */
    const struct talk_point point = {.root = work->root,
                                     .call = call,
                                     .path =
                                         edits ? json_str(work->call.input, "path", NULL) : NULL,
                                     .phase = phase};
    return talk__point(work->talk, &point, phase == POINT_BEFORE ? &work->point : NULL);
}

void work__settle(struct talk_work *work) {
    if (work__is_over(work)) {
        return;
    }
    if (work->points == WORK_POINT_AFTER) {
        work__point(work, POINT_AFTER);
    }
    struct talk_errand *errand = work__errand(work, ERRAND_CARD);
    errand->card = (struct turn_card_result){.key = errand->key,
                                             .part = work->card.part,
                                             .cause = work->result.cause,
                                             .result = text_bytes(&work->result.content),
                                             .wrote = work->wrote};
    talk__send(errand);
}

void work__open_place(const struct talk_work *work, struct toolplace *place) {
    const struct toolplace_seat seat = {.turns = &work->talk->turns->options,
                                        .root = work->root,
                                        .settings = work->settings,
                                        .project = work->project,
                                        .roots = work->roots,
                                        .cancelled = &work->cancelled,
                                        .time_ms = WORK_MS};
    toolplace_open(place, &seat);
}
