/* worker.c: the worker of a workflow, as far as others use it: sent to, closed, evicted; the memory
 * of the frame that is read from it (frames.c), and the lines of its log, many in one commit.
 *
 * Eviction. Scripts wait for agents for minutes, and a worker costs some hundred kilobytes
 * meanwhile. Where more than `workers_max` live, those that have waited longest are ended. Such a
 * workflow stays LIVE: its agents go on, and their outcomes are stored as ever. When there is an
 * outcome to deliver, the history is read again and a new worker replays it (workflow__deliver), as
 * after a crash, but at once, and uncounted. To stop the workflow, none is needed. Evicts only
 * workers whose state is fully journaled: the script waits after its whole history, and nothing is
 * on its way from it or to it: no frame, no outcome, no result of another run, no script of a
 * workflow(). */
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/workflow/history.h"

/* --- A frame ---------------------------------------------------------------------------------- */

/* A long frame has hundreds of thousands of values: they are freed in the pool. */
void workflows__free_frame(struct frame_reader *reader) {
    loop_task_cancel(reader->workflows->options.loop, &reader->task);
    script_close(reader->orphan);
    text_done(&reader->result);
    workflows__free_json(reader->workflows, reader->messages);
    mem_free(reader);
}

void workflow__leave_frame(struct workflow *workflow) {
    struct frame_reader *reader = workflow->reader;
    workflow->reader = NULL;
    if (reader == NULL) {
        return;
    }
    const enum reader_state state = reader->state;
    reader->state = READER_LEFT;
    if (state == READER_PARSING) { /* The pool still reads what is the worker's. */
        reader->orphan = workflow->worker;
        workflow->worker = NULL;
    } else if (state != READER_TAKING) {
        workflows__free_frame(reader);
    }
}

bool workflow__is_full(const struct workflow *workflow) {
    struct workflows *workflows = workflow->workflows;
    if (workflow->resumed_from != 0 || workflow->pending_bytes < WORKFLOW_PENDING_SHARE) {
        return false;
    }
    const bool all_full = workflows->pending_bytes >= WORKFLOWS_PENDING_MAX;
    workflows->pending_full = workflows->pending_full || all_full;
    return all_full || workflow->pending_bytes >= WORKFLOW_PENDING_MAX;
}

void workflow__go_on_with_frame(struct frame_reader *reader) {
    reader->state = workflow__is_full(reader->workflow) ? READER_FULL : READER_READY;
    if (reader->state == READER_READY) {
        loop_soon(reader->workflows->options.loop, &reader->task);
    }
}

void workflow__resume_frame(struct workflow *workflow) {
    if (workflow->reader != NULL && workflow->reader->state == READER_FULL) {
        workflow__go_on_with_frame(workflow->reader);
    }
}

/* Not at each byte less: all of them are looked through. */
void workflows__resume_frames(struct workflows *workflows) {
    if (workflows->pending_full && !workflows->asker.stopping &&
        workflows->pending_bytes < WORKFLOWS_PENDING_MAX / 4 * 3) {
        workflows->pending_full = false;
        for (struct table_node *node = NULL;
             (node = table_next(&workflows->workflows, node)) != NULL;) {
            workflow__resume_frame(CONTAINER_OF(node, struct workflow, node));
        }
    }
}

/* --- The process ------------------------------------------------------------------------------ */

/* A paused worker does not end by itself, so nothing is in the pool then. */
void workflow__leave_worker(struct workflow *workflow) {
    link_remove(&workflow->idle);
    workflow__computing_end(workflow);
    workflow__leave_frame(workflow);
}

void workflow__close_worker(struct workflow *workflow) {
    workflow__leave_worker(workflow); /* A frame may need the worker a little longer. */
    script_close(workflow->worker);
    workflow->worker = NULL;
}

void workflow__give_worker_back(struct workflow *workflow) {
    workflow__leave_worker(workflow);
    if (workflow->worker != NULL) {
        script_give_back(workflow->worker);
    }
    workflow->worker = NULL;
}

void workflow__reload(struct workflow *workflow) {
    if (workflow->load != NULL) {
        workflow->load->stale = true;
    } else if (workflow->state == WORKFLOW_LIVE) {
        workflow__close_worker(workflow);
        workflow__reload_in(workflow, 0);
    }
}

size_t workflow__send(struct workflow *workflow, const struct script_piece *pieces, size_t count) {
    if (workflow->worker == NULL) {
        return 0;
    }
    workflow->script = workflow->script == WORKFLOW_REPLAYING ? WORKFLOW_REPLAYING : WORKFLOW_BUSY;
    link_remove(&workflow->idle);
    workflow__computing_begin(workflow);
    script_busy(workflow->worker);
    script_send(workflow->worker, pieces, count);
    return count;
}

/* --- Idle ------------------------------------------------------------------------------------- */

void workflows_make_room(struct workflows *workflows, size_t wanted) {
    for (struct link *link = workflows->idle.next, *next; link != &workflows->idle; link = next) {
        struct workflow *workflow = CONTAINER_OF(link, struct workflow, idle);
        struct scripts_stats stats;
        workflows_get_script_stats(workflows, &stats);
        if (stats.live + wanted <= (size_t)workflows->options.limits.workers_max) {
            return;
        }
        next = link->next;
        if (workflow->state == WORKFLOW_LIVE && workflow->script == WORKFLOW_QUIET &&
            workflow->worker != NULL && workflow->reader == NULL &&
            workflow__first(workflow, CALL_DONE) == NULL &&
            workflow__first(workflow, CALL_DEFERRED) == NULL && workflow->storing == 0 &&
            workflow->cached == 0 && workflow->searched == NULL && workflow->line_count == 0) {
            workflow__close_worker(workflow); /* This takes it out of the list. */
            workflow->script = WORKFLOW_EVICTED;
            workflows->stats.dropped++;
        }
    }
}

void workflow__maybe_idle(struct workflow *workflow) {
    if (workflow->state == WORKFLOW_LIVE && workflow->script >= WORKFLOW_QUIET &&
        workflow->worker != NULL && !link_listed(&workflow->idle)) {
        link_add_last(&workflow->workflows->idle, &workflow->idle);
        workflows_make_room(workflow->workflows, 0);
    }
}

/* --- Lines ------------------------------------------------------------------------------------ */

struct lines_op {
    struct workflow_op op;
    struct workflow_line lines[WORKFLOW_LINES]; /* The texts are owned. */
};

static struct err lines_tx(struct tx *tx, void *ctx) {
    struct lines_op *own = ctx;
    const struct workflow_place place = workflow__place(own->op.workflow);
    return tx_workflow_lines(tx, &place, own->lines, own->op.rows);
}

static void lines_forget(struct workflow_op *op) {
    for (size_t i = 0; i < op->rows; i++) {
        mem_free((char *)CONTAINER_OF(op, struct lines_op, op)->lines[i].text.data);
    }
}

void workflow__flush_lines(struct workflow *workflow) {
    if (workflow->line_count == 0) {
        return;
    }
    struct lines_op *own = workflow__op(workflow, sizeof *own, lines_tx, NULL);
    memcpy(own->lines, workflow->lines, workflow->line_count * sizeof *own->lines);
    own->op.rows = workflow->line_count;
    own->op.forget = lines_forget;
    own->op.lazy = true;
    workflow->line_count = 0;
    workflow__op_send(&own->op);
}

static void workflow_put_line(struct workflow *workflow, enum workflow_line_kind kind,
                              int64_t number, struct bytes text) {
    if (workflow->line_count == WORKFLOW_LINES) {
        workflow__flush_lines(workflow);
    }
    size_t len = utf8_cut(text, WORKFLOW_LINE_MAX);
    workflow->lines[workflow->line_count++] = (struct workflow_line){
        .kind = kind, .number = number, .text = {mem_copy(text.data, len), len}};
}

void workflow__warn_once(struct workflow *workflow, const char *text) {
    workflow->warned = workflow->warned == NULL ? json_object() : workflow->warned;
    if (json_object_get(workflow->warned, text) == NULL) {
        (void)json_object_set_new_nocheck(workflow->warned, text,
                                          json_true()); /* Else said again. */
        workflow_put_line(workflow, LINE_LOG, WORKFLOW_LINE_OURS, bytes_of(text));
        workflow__flush_lines(workflow);
    }
}

void workflow__add_line(struct workflow *workflow, enum workflow_line_kind kind,
                        const json_t *message, const char *member) {
    const struct bytes text = json_bytes(message, member);
    int64_t number = json_int(message, "no", 0);
    if (!json_is_string(json_object_get(message, member)) || number <= workflow->line_last ||
        number > WORKFLOW_LINES_MAX) {
        return;
    }
    workflow->line_last = number;
    workflow_put_line(workflow, kind, number, text);
}
