/* worker.h: the worker of a workflow, its frames and its lines; for the files of this folder alone,
 * on the loop.
 */
#ifndef DROVER_DISPATCH_WORKFLOW_WORKER_H
#define DROVER_DISPATCH_WORKFLOW_WORKER_H

#include "dispatch/workflow/workflow.h"

/*   PARSING ──> READY <──> FULL
 *     │  └──────> │ a part: TAKING ──> READY, FULL, or the end of the frame
 *     └─────> LEFT <────────┘
 */
enum reader_state {
    READER_PARSING, /* In the pool. */
    READER_READY,   /* The task takes the next part. */
    READER_FULL,    /* Calls hold too much: workflow__resume_frame goes on. */
    READER_TAKING,  /* A part is being taken right now. */
    READER_LEFT,    /* The workflow, or the worker, went meanwhile: the frame is only freed. */
};

/* A frame that is being processed. */
struct frame_reader {
    enum reader_state state;
    struct workflow *workflow; /* Not of one that was LEFT. */
    struct workflows *workflows;
    struct pool_job job;
    struct loop_task task;
    struct bytes frame;           /* Borrowed from the worker, which is paused. */
    struct script_worker *orphan; /* Owned: that worker, once its workflow has closed it. */
    json_t *messages;             /* Owned. */
    struct text result;           /* Owned: of an `end`, written in the pool. */
    bool ends;                    /* There is one. */
    size_t at;
    struct err err;
    struct why why;
};

/* --- worker.c --------------------------------------------------------------------------------- */

void workflow__close_worker(struct workflow *workflow);
void workflow__leave_worker(struct workflow *workflow); /* It has ended, or is closed. */
/* Answers with the number of pieces taken: all, or, without a worker, none. */
MUST_CHECK size_t workflow__send(struct workflow *workflow, const struct script_piece *pieces,
                                 size_t count);
void workflow__reload(
    struct workflow *workflow); /* The history changed: a new worker replays it. */
void workflow__maybe_idle(struct workflow *workflow);
void workflows__free_frame(struct frame_reader *reader);
void workflow__leave_frame(struct workflow *workflow);
MUST_CHECK bool workflow__is_full(const struct workflow *workflow); /* Calls hold too much. */
void workflow__go_on_with_frame(struct frame_reader *reader);       /* Soon, or when they do not. */
void workflow__resume_frame(
    struct workflow *workflow); /* Calls hold less: a frame that waits goes on. */
void workflows__resume_frames(struct workflows *workflows); /* The same, of all of them. */

void workflow__add_line(struct workflow *workflow, enum workflow_line_kind kind,
                        const json_t *message, const char *member);
void workflow__flush_lines(struct workflow *workflow);
/* A line of the log that is not the script's; once for each text, and again after a restart. */
void workflow__warn_once(struct workflow *workflow, const char *text);

/* --- frames.c --------------------------------------------------------------------------------- */

void workflow__start_worker(struct workflow *workflow, struct text *order);

#endif
