/* script_kit.c: see script_kit.h. */
#include "script_kit.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "loop/loop_uv.h"
#include "loop/world.h"
#include "scale.h"

enum { PATIENCE_MS = 60000, STEP_MS = 2 };

/* --- The loop --------------------------------------------------------------------------------- */

static void on_reaped(void *ctx, struct reap_ended ended) {
}

static void on_failed(void *ctx, struct err err) {
    struct pen *pen = ctx;
    pen->failures++;
    pen->failure = err;
}

struct scripts *pen_scripts(struct pen *pen, const char *program) {
    const struct scripts_options options = {pen->loop, program, on_failed, pen, pen->shortage};
    return scripts_open(&options);
}

int pen_open(void **state) {
    struct pen *pen = calloc(1, sizeof *pen);
    const struct loop_options options = {.world = world_real()};
    assert_false(err_failed(loop_open(&options, &pen->loop)));
    assert_false(err_failed(reap_open(pen->loop, on_reaped, pen, &pen->reap)));
    pen->shortage = shortage_new(&(struct shortage_options){.loop = pen->loop});
    pen->scripts = pen_scripts(pen, getenv("DROVER_SCRIPT_TOY"));
    *state = pen;
    return 0;
}

int pen_close(void **state) {
    struct pen *pen = *state;
    scripts_close(pen->scripts);
    shortage_free(pen->shortage);
    reap_close(pen->reap);
    loop_stop(pen->loop);
    loop_run(pen->loop); /* The pool frees what is left. */
    loop_close(pen->loop);
    while (waitpid(-1, NULL, 0) > 0) { /* All end with their zygote: this would hang else. */
    }
    free(pen);
    return 0;
}

static void give_up(struct timer *timer) {
    fail_msg("nothing happened for a minute");
}

void pen_turn(struct pen *pen) {
    (void)uv_run(loop_uv(pen->loop), UV_RUN_ONCE);
}

void pen_run_until(struct pen *pen, const bool *flag) {
    uv_update_time(loop_uv(pen->loop));
    timer_start(pen->loop, &pen->patience, (uint64_t)scaled_ms(PATIENCE_MS), give_up);
    while (!*flag) {
        pen_turn(pen);
    }
    timer_stop(pen->loop, &pen->patience);
}

/* --- Hearing ---------------------------------------------------------------------------------- */

static void on_heard(void *ctx, struct bytes frame) {
    struct ear *ear = ctx;
    assert_false(ear->ended || ear->busy_when_heard);
    ear->frames++;
    ear->bytes += frame.len;
    ear->heard = true;
    free(ear->before);
    ear->before = ear->last;
    ear->len_before = ear->len;
    ear->last = malloc(frame.len + 1);
    memcpy(ear->last, frame.data, frame.len);
    ear->last[frame.len] = '\0';
    ear->len = frame.len;
    if (ear->at_frame == EAR_CLOSES) {
        script_close(ear->worker);
        ear->worker = NULL;
        ear->busy_when_heard = true;
    } else if (ear->at_frame == EAR_GIVES_BACK) {
        script_give_back(ear->worker);
        ear->worker = NULL;
        ear->busy_when_heard = true;
    } else if (ear->at_frame == EAR_PAUSES) {
        ear->paused = script_pause(ear->worker);
    }
}

static void on_ended(void *ctx, const struct script_end *end) {
    struct ear *ear = ctx;
    assert_false(ear->ended || ear->busy_when_heard);
    ear->ended = true;
    ear->end = *end;
    if (ear->closes_at_end) {
        script_close(ear->worker);
    }
    ear->worker = NULL;
}

void ear_start_bound(struct ear *ear, struct pen *pen, const struct script_bounds *bounds) {
    static const struct script_watch watch = {on_heard, on_ended};
    *ear = (struct ear){.pen = pen};
    ear->worker = script_start(pen->scripts, bounds, &watch, ear);
}

void ear_start(struct ear *ear, struct pen *pen) {
    const struct script_bounds bounds = {.cpu_ms = 1000};
    ear_start_bound(ear, pen, &bounds);
}

void ear_tell_bytes(struct ear *ear, struct bytes bytes) {
    size_t before = ear->frames;
    const struct script_piece frame = {mem_copy(bytes.data, bytes.len), bytes.len};
    script_send(ear->worker, &frame, 1);
    assert_int_equal(ear->frames, before); /* Never inside the call. */
}

void ear_tell(struct ear *ear, const char *text) {
    ear_tell_bytes(ear, (struct bytes){text, strlen(text)});
}

void ear_wait(struct ear *ear) {
    ear->heard = false;
    pen_run_until(ear->pen, &ear->heard);
}

void ear_ask(struct ear *ear, const char *text) {
    ear_tell(ear, text);
    ear_wait(ear);
}

void ear_expect(const struct ear *ear, const char *last) {
    assert_non_null(ear->last);
    assert_string_equal(ear->last, last);
}

void ear_wait_end(struct ear *ear, enum script_end_kind kind) {
    pen_run_until(ear->pen, &ear->ended);
    if (ear->end.kind != kind) {
        fail_msg("kind %d and not %d: %s (%d)", ear->end.kind, kind, ear->end.detail,
                 ear->end.number);
    }
}

void ear_done(struct ear *ear) {
    script_close(ear->worker);
    ear->worker = NULL;
    free(ear->last);
    free(ear->before);
    ear->last = ear->before = NULL;
}

/* --- Looking ---------------------------------------------------------------------------------- */

static bool read_stat(pid_t pid, char *ret_name, char *ret_state, pid_t *ret_parent) {
    char path[64], text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(text, 1, sizeof text - 1, file);
    (void)fclose(file);
    text[len] = '\0';
    const char *rest = strrchr(text, ')');
    int parent = 0;
    bool read = rest != NULL && sscanf(text, "%*d (%63[^)])", ret_name) == 1 &&
                sscanf(rest, ") %c %d", ret_state, &parent) == 2;
    *ret_parent = parent;
    return read;
}

/* Living children of `parent` with the toy's name. */
static unsigned count_children(pid_t parent, pid_t *ret_any) {
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    unsigned count = 0;
    for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        char name[64], state = 'Z';
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), its_parent = 0;
        if (pid > 0 && read_stat(pid, name, &state, &its_parent) && its_parent == parent &&
            state != 'Z' && strcmp(name, "script-toy") == 0) {
            count++;
            *ret_any = pid;
        }
    }
    (void)closedir(proc);
    return count;
}

pid_t find_zygote(void) {
    pid_t pid = 0;
    for (int waited = 0; count_children(getpid(), &pid) == 0; waited += STEP_MS) {
        assert_true(waited < scaled_ms(PATIENCE_MS));
        (void)poll(NULL, 0, STEP_MS); /* In the middle of execve it has another name. */
    }
    assert_int_equal(count_children(getpid(), &pid), 1);
    return pid;
}

unsigned count_workers(pid_t *ret_any) {
    return count_children(find_zygote(), ret_any);
}

void wait_until_gone(pid_t pid) {
    char name[64], state = 'Z';
    pid_t parent = 0;
    for (int waited = 0; read_stat(pid, name, &state, &parent) && state != 'Z'; waited += STEP_MS) {
        assert_true(waited < scaled_ms(PATIENCE_MS));
        (void)poll(NULL, 0, STEP_MS); /* A stranger's end tells nobody. */
    }
}

unsigned count_descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    unsigned count = 0;
    while (readdir(folder) != NULL) {
        count++;
    }
    (void)closedir(folder);
    return count;
}
