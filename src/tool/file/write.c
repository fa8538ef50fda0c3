/* write.c: write_file and delete_file. */
#include <string.h>

#include "base/text.h"
#include "tool/file/change.h"
#include "tool/file/diff.h"
#include "tool/work.h"

static struct bytes old_bytes(const struct change *change) {
    return change->exists ? (struct bytes){change->old.data, change->old.len}
                          : (struct bytes){NULL, 0};
}

/* No diff of what is no text, or larger than is read. */
static bool is_shown(const struct change *change) {
    return !change->exists || (change->whole && !content_is_binary(old_bytes(change)));
}

static struct err work_finish(struct tool_work *work) {
    const struct text *failed = text_failed(work_diff(work)) ? work_diff(work)
                                : work->step == WORK_DO      ? &work->result->content
                                                             : NULL;
    return failed != NULL && text_failed(failed) ? text_error(failed, "tool: result") : ERR_OK;
}

struct err tool_write_file(struct tool_work *work) {
    const struct bytes new = json_bytes(work->call->input, "content");
    AUTO(change_done) struct change change = {.work = work, .parent = {.fd = -1}};
    struct err err =
        change_open(&change, json_str(work->call->input, "path", ""), LAST_FOLLOW, MISSING_MAKE);
    if (err_failed(err)) {
        return err;
    }
    struct bytes old = old_bytes(&change);
    bool same = change.exists && change.whole && bytes_equal(old, new);
    struct diff_counts counts = {0};
    if (!same && is_shown(&change)) {
        counts = diff_write(&(struct diff_sides){.path = change.path.shown, .old = old, .new = new},
                            work_diff(work));
    }
    if (work->step == WORK_LOOK) {
        return work_finish(work);
    }
    if (!same) {
        err = change_replace(&change, new);
    }
    if (err_failed(err)) {
        return err;
    }
    struct text *told = &work->result->content;
    if (same) {
        text_addf(told, "%s has exactly this content already; nothing was changed\n",
                  change.path.shown);
    } else {
        text_addf(told, "%s %s: %zu bytes", change.exists ? "changed" : "made", change.path.shown,
                  new.len);
        if (is_shown(&change)) {
            text_addf(told, ", +%zu -%zu lines", counts.added, counts.removed);
        }
        text_add_char(told, '\n');
    }
    return work_finish(work);
}

struct err tool_delete_file(struct tool_work *work) {
    AUTO(change_done) struct change change = {.work = work, .parent = {.fd = -1}};
    struct err err =
        change_open(&change, json_str(work->call->input, "path", ""), LAST_ITSELF, MISSING_REFUSE);
    if (!err_failed(err) && !change.exists) {
        why_set(&work->why, "there is no \"%.200s\"", change.path.shown);
        err = err_make(ERR_NOT_FOUND, "tool: delete");
    }
    if (err_failed(err)) {
        return err;
    }
    if (is_shown(&change)) {
        (void)diff_write(&(struct diff_sides){.path = change.path.shown, .old = old_bytes(&change)},
                         work_diff(work));
    }
    if (work->step == WORK_DO) {
        err = change_remove(&change);
        text_addf(&work->result->content, "removed %s (%lld bytes)\n", change.path.shown,
                  (long long)change.old.about.st_size);
    }
    return err_failed(err) ? err : work_finish(work);
}
