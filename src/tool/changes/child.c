/* child.c: see child.h. */
#include "tool/changes/child.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json/json.h"
#include "base/number.h"
#include "tool/changes/apply.h"
#include "tool/changes/blame.h"
#include "tool/changes/compare.h"
#include "tool/changes/content_diff.h"
#include "tool/changes/prune.h"
#include "tool/changes/rewind.h"
#include "tool/changes/shadow.h"
#include "tool/changes/take.h"
#include "tool/changes/tree_report.h"

enum { NICE = 10, IO_LEVEL = 7 /* The lowest of those that are served at all times. */ };

static const char name[] = "drover-changes";

bool changes_child_is(const char *program) {
    const char *slash = program == NULL ? NULL : strrchr(program, '/');
    return program != NULL && strcmp(slash == NULL ? program : slash + 1, name) == 0;
}

/* --- One order -------------------------------------------------------------------------------- */

static const char *code_name(enum err_code code) {
    switch (code) {
    case ERR_UNREACHABLE:
        return "git_missing";
    case ERR_UPGRADE_REQUIRED:
        return "git_old";
    case ERR_INTERNAL:
        return "git_failed";
    default:
        return err_name(code);
    }
}

static struct err check_answer(const json_t *order, struct text *answer, struct why *why) {
    char version[32];
    TRY(shadow_check_git(json_str(order, "git", "/usr/bin/git"), version, why));
    text_add_char(answer, '{');
    text_add_member_str(answer, "version", version);
    text_add_char(answer, '}');
    return ERR_OK;
}

static struct err order_perform(struct bytes bytes, struct text *answer, struct text *body,
                                struct why *why) {
    AUTO(json_release) json_t *order = NULL;
    TRY(json_parse(bytes.data, bytes.len, JSON_DEPTH_MAX, &order, why));
    const struct bytes what = json_bytes(order, "do");
    if (bytes_is(what, "point")) {
        return take_point(order, answer, why);
    }
    if (bytes_is(what, "list")) {
        return compare_list(order, answer, why);
    }
    if (bytes_is(what, "diff")) {
        return compare_diff(order, answer, body, why);
    }
    if (bytes_is(what, "blame")) {
        return blame_lines(order, answer, why);
    }
    if (bytes_is(what, "contents")) {
        return content_diff(order, answer, body, why);
    }
    if (bytes_is(what, "prune")) {
        return prune_objects(order, answer, why);
    }
    if (bytes_is(what, "rewind")) {
        return rewind_plan(order, answer, why);
    }
    if (bytes_is(what, "apply")) {
        return apply_files(order, answer, why);
    }
    if (bytes_is(what, "trees")) {
        return trees_report(order, answer, why);
    }
    if (bytes_is(what, "tree_diff")) {
        return tree_diff(order, answer, body, why);
    }
    if (bytes_is(what, "check")) {
        return check_answer(order, answer, why);
    }
    return err_why(why, ERR_BAD_FIELD,
                   "do: point, list, diff, contents, blame, prune, rewind, apply, trees, tree_diff "
                   "or check");
}

void changes_answer(struct bytes order, struct text *answer, struct text *body) {
    struct why why = {.text = ""};
    const struct err err = order_perform(order, answer, body, &why);
    if (!err_failed(err)) {
        return;
    }
    text_clear(answer);
    text_clear(body);
    text_add_str(answer, "{\"error\":{");
    text_add_member_str(answer, "code", code_name(err.code));
    text_add_member_str(answer, "detail", err_words(err, &why));
    text_add_str(answer, "}}");
}

/* --- The program ------------------------------------------------------------------------------ */

static bool order_read(struct text *order) {
    char piece[64 << 10];
    ssize_t got = 1;
    while (got > 0 && !text_failed(order)) {
        do {
            got = read(STDIN_FILENO, piece, sizeof piece);
        } while (got < 0 && errno == EINTR);
        text_add(order, piece, got > 0 ? (size_t)got : 0);
    }
    return got == 0 && !text_failed(order);
}

static bool answer_write(struct bytes rest) {
    while (rest.len > 0) {
        const ssize_t put = write(STDOUT_FILENO, rest.data, rest.len);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        const size_t used = put < 0 ? 0 : (size_t)put;
        rest = (struct bytes){rest.data + used, rest.len - used};
    }
    return true;
}

int changes_child_main(const char *daemon) {
    /* A daemon that is killed before the first line of this would not be missed: its pid tells. */
    int64_t pid = 0;
    const bool told = daemon != NULL &&
                      number_parse(bytes_of(daemon), (struct number_bounds){1, INT32_MAX}, &pid);
    const int parent = told ? (int)pid : getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
        return 1; /* The daemon has died meanwhile. */
    }
    /* Both are a courtesy to others, and may fail. Idle priority of the disk is not for us: an
     * agent waits for the point, which would never come on a busy disk. */
    (void)setpriority(PRIO_PROCESS, 0, NICE);
    (void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                  IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, IO_LEVEL));
    json_setup();
    AUTO(text_done) struct text order = text_up_to(CHANGES_ORDER_MAX);
    AUTO(text_done) struct text answer = text_up_to(CHANGES_ANSWER_MAX);
    AUTO(text_done) struct text body = text_up_to(CHANGES_ANSWER_MAX);
    if (!order_read(&order)) {
        text_add_str(&answer, "{\"error\":{\"code\":\"bad_json\",\"detail\":\"the order cannot be "
                              "read, or is too long\"}}");
    } else {
        changes_answer(text_bytes(&order), &answer, &body);
    }
    text_add_char(&answer, '\n');
    return answer_write(text_bytes(&answer)) && answer_write(text_bytes(&body)) ? 0 : 1;
}
