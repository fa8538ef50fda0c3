/* authors.c: see authors.h. */
#include "rules/changes/authors.h"

#include "base/memory.h"

void authors_done(struct authors *authors) {
    for (size_t i = 0; i < authors->step_count; i++) {
        for (size_t j = 0; j < authors->steps[i].named_count; j++) {
            mem_free(authors->steps[i].named[j].path);
        }
        mem_free(authors->steps[i].named);
    }
    for (size_t i = 0; i < authors->call_count; i++) {
        mem_free(authors->calls[i].path);
    }
    mem_free(authors->steps);
    mem_free(authors->calls);
    *authors = (struct authors){.count = 0};
}

/* Room for one more of `size` bytes each. */
static void *array_grow(void *array, size_t count, size_t *io_room, size_t size) {
    if (count < *io_room) {
        return array;
    }
    const size_t room = *io_room == 0 ? 8 : 2 * *io_room;
    char *grown = mem_new(room * size);
    if (count > 0) {
        memcpy(grown, array, count * size);
    }
    mem_free(array);
    *io_room = room;
    return grown;
}

/* Calls of one session are of one author, whatever their run is. */
static int author_find(struct authors *authors, const struct point *point) {
    for (size_t i = 0; i < authors->count; i++) {
        const struct author *author = &authors->list[i];
        if (author->session == point->session &&
            (author->session != 0 || author->run == point->run)) {
            return (int)i;
        }
    }
    if (authors->count == AUTHORS_MAX) {
        return AUTHOR_OTHERS;
    }
    authors->list[authors->count] = (struct author){.session = point->session, .run = point->run};
    return (int)authors->count++;
}

void authors_open(struct authors *authors, const struct point *before) {
    assert(before->phase == POINT_BEFORE);
    if (authors->call_count == AUTHORS_CALLS_MAX) {
        authors->others_opened = true;
        return;
    }
    authors->calls = array_grow(authors->calls, authors->call_count, &authors->call_size,
                                sizeof *authors->calls);
    struct author_call *call = &authors->calls[authors->call_count++];
    *call = (struct author_call){.path = mem_copy(before->path.data, before->path.len),
                                 .run = before->run,
                                 .closed = before->closed,
                                 .author = author_find(authors, before)};
    const size_t len = before->call.len < POINT_CALL_MAX ? before->call.len : POINT_CALL_MAX;
    memcpy(call->call, before->call.data, len);
}

/* --- Steps ------------------------------------------------------------------------------------ */

static int64_t run_join(int64_t before, int64_t run) {
    return before == 0 || before == run ? run : AUTHOR_RUNS;
}

static void step_name(struct author_step *step, const struct author_call *call) {
    size_t at = 0;
    while (at < step->named_count && strcmp(step->named[at].path, call->path) != 0) {
        at++;
    }
    if (at == AUTHORS_NAMED_MAX) {
        step->by |= INT64_C(1) << call->author;
        step->run = run_join(step->run, call->run);
        return;
    }
    if (at == step->named_count) {
        step->named = array_grow(step->named, at, &step->named_size, sizeof *step->named);
        step->named[step->named_count++] =
            (struct author_path){.path = mem_copy(call->path, strlen(call->path))};
    }
    step->named[at].by |= INT64_C(1) << call->author;
    step->named[at].run = run_join(step->named[at].run, call->run);
}

static void step_add(struct authors *authors, const struct author_call *call) {
    struct author_step *step = &authors->steps[authors->step_count - 1];
    if (call->path[0] == '\0') {
        step->by |= INT64_C(1) << call->author;
        step->run = run_join(step->run, call->run);
    } else {
        step_name(step, call);
    }
}

/* A call that began before the step ended, and not before the step began. */
static void step_add_late(struct authors *authors, const struct author_call *call) {
    struct author_step *step = &authors->steps[authors->step_count - 1];
    int64_t *by = &step->by;
    step_add(authors, call);
    for (size_t i = 0; i < step->named_count; i++) {
        by = strcmp(step->named[i].path, call->path) == 0 ? &step->named[i].by : by;
    }
    if (*by == INT64_C(1) << call->author) {
        *by |= INT64_C(1) << AUTHOR_UNKNOWN;
    }
}

/* The step that leads to `point`. A step that is joined with the one before keeps all authors of
 * both: paths that one of them names are of all others, too, since nobody knows which step wrote
 * them. */
static void step_begin(struct authors *authors, const struct point *point) {
    const struct bytes tree = point->tree;
    struct author_step *step = NULL;
    if (authors->step_count == AUTHORS_STEPS_MAX) {
        step = &authors->steps[authors->step_count - 1];
        for (size_t i = 0; i < step->named_count; i++) {
            step->by |= step->named[i].by;
            step->run = AUTHOR_RUNS;
            mem_free(step->named[i].path);
        }
        step->named_count = 0;
    } else {
        authors->steps = array_grow(authors->steps, authors->step_count, &authors->step_size,
                                    sizeof *authors->steps);
        step = &authors->steps[authors->step_count++];
        *step = (struct author_step){.by = 0};
    }
    assert(tree.len < sizeof step->tree);
    memcpy(step->tree, tree.data, tree.len);
    step->tree[tree.len] = '\0';
    step->at_ms = point->at_ms;
}

static void calls_drop_ended(struct authors *authors, int64_t number) {
    size_t kept = 0;
    for (size_t i = 0; i < authors->call_count; i++) {
        if (authors->calls[i].closed > number) {
            authors->calls[kept++] = authors->calls[i];
        } else {
            mem_free(authors->calls[i].path);
        }
    }
    authors->call_count = kept;
}

void authors_add(struct authors *authors, const struct point *point) {
    const bool first = authors->tree[0] == '\0';
    const bool moved = !first && !bytes_equal(bytes_of(authors->tree), point->tree);
    assert(point->tree.len < sizeof authors->tree);
    if (moved) {
        step_begin(authors, point);
        for (size_t i = 0; i < authors->call_count; i++) {
            step_add(authors, &authors->calls[i]);
        }
        if (authors->others_opened) {
            authors->steps[authors->step_count - 1].by |= INT64_C(1) << AUTHOR_OTHERS;
        }
    }
    memcpy(authors->tree, point->tree.data, point->tree.len);
    authors->tree[point->tree.len] = '\0';
    calls_drop_ended(authors, point->number);
    if (point->phase == POINT_BEFORE && point->closed > point->number) {
        authors_open(authors, point);
        /* Writes of the call may be in the tree of this point already. Points of one pass have one
         * time, so a step that ended at another time is an earlier one. */
        if (point->late && authors->call_count > 0 && authors->step_count > 0 &&
            authors->steps[authors->step_count - 1].at_ms == point->at_ms) {
            step_add_late(authors, &authors->calls[authors->call_count - 1]);
        }
    }
}

void authors_write(const struct authors *authors, struct text *text) {
    text_add_str(text, ",\"steps\":[");
    for (size_t i = 0; i < authors->step_count; i++) {
        const struct author_step *step = &authors->steps[i];
        text_add_str(text, i > 0 ? ",{" : "{");
        text_add_member_str(text, "tree", step->tree);
        text_add_member_int(text, "by", step->by);
        text_add_str(text, ",\"named\":[");
        for (size_t j = 0; j < step->named_count; j++) {
            text_add_str(text, j > 0 ? ",[" : "[");
            text_add_json(text, step->named[j].path, strlen(step->named[j].path));
            text_addf(text, ",%lld]", (long long)step->named[j].by);
        }
        text_add_str(text, "]}");
    }
    text_add_char(text, ']');
}
