/* worker.c: see worker.h. The loop of one run; the language itself is in prelude.js. */
#include "script/worker/worker.h"

#include "base/memory.h"
#include "script/protocol.h"
#include "script/worker/frames.h"
#include "script/worker/host.h"
#include "script/worker/leave.h"
#include "script/worker/place.h"
#include "script/worker/prelude.h"

enum {
    JOBS_BETWEEN_LOOKS = 64, /* Asking for the time costs a system call. */
    /* The engine asks us at each 10,000th turn or call of its own, and then knows its line: a chain
     * of jobs goes on for so many looks more until it does. */
    LOOKS_AFTER_TIME = 3000,
};

static uint64_t must(uint64_t value) {
    if (vm_failed(value)) {
        leave(SCRIPT_EXIT_BROKEN);
    }
    return value;
}

static uint64_t read_sealed(struct vm *vm, struct bytes text) {
    struct vm_source source = {text, PLACE_PRELUDE, 1};
    return vm_eval_sealed(vm, &source);
}

/* The prelude is a function; what it returns is what we call. */
static bool read_prelude(struct worker *worker) {
    struct vm *vm = &worker->vm;
    if (vm_failed(read_sealed(vm, prelude_world()))) {
        return false;
    }
    uint64_t texts = read_sealed(vm, prelude_texts());
    uint64_t prelude = read_sealed(vm, prelude_text());
    uint64_t given[] = {host_functions(vm), VM_UNDEFINED};
    if (vm_failed(texts) || vm_failed(prelude) || vm_failed(given[0])) {
        return false;
    }
    given[1] = vm_call(vm, texts, given, 1);
    uint64_t ours = vm_failed(given[1]) ? VM_EXCEPTION : vm_call(vm, prelude, given, 2);
    if (vm_failed(ours)) {
        return false;
    }
    worker->start = vm_get(vm, ours, "start");
    worker->take = vm_get(vm, ours, "take");
    worker->next = vm_get(vm, ours, "next");
    worker->done = vm_get(vm, ours, "done");
    worker->failed = vm_get(vm, ours, "failed");
    worker->where = vm_get(vm, ours, "where");
    vm_free(vm, ours);
    vm_free(vm, given[0]);
    vm_free(vm, given[1]);
    vm_free(vm, texts);
    vm_free(vm, prelude);
    return true;
}

struct worker *worker_boot(void) {
    struct worker *worker = mem_new(sizeof *worker);
    if (!vm_boot(&worker->vm, host_table()) || !read_prelude(worker)) {
        mem_free(worker);
        return NULL;
    }
    return worker;
}

/* One frame of the host's, as a value. */
static uint64_t receive(struct worker *worker) {
    uint32_t len = frames_next(&worker->frames);
    uint32_t room = vm_room(&worker->vm, len + 1);
    if (room == VM_NULL) {
        host_fail_bare(worker, BYTES("memory_exceeded"), BYTES("out of memory"));
    }
    frames_read(&worker->frames, vm_at(&worker->vm, room), len);
    uint64_t messages = vm_parse(&worker->vm, room, len);
    if (vm_failed(messages)) {
        leave(SCRIPT_EXIT_NONSENSE);
    }
    return messages;
}

/* An exception reached us: the script is over, one way or another. Does not return. */
static noreturn void fail(struct worker *worker, struct bytes code) {
    struct vm *vm = &worker->vm;
    uint64_t error = vm_exception(vm);
    if (vm->stuck) {
        host_fail_stuck(worker, error);
    }
    uint64_t arguments[] = {must(vm_string(vm, code)), error};
    vm_rest(vm);
    /* It ends the process, unless a getter of what was thrown computes for too long. */
    if (vm_failed(vm_call(vm, worker->failed, arguments, COUNT_OF(arguments))) && vm->stuck) {
        host_fail_stuck(worker, vm_exception(vm));
    }
    leave(SCRIPT_EXIT_BROKEN);
}

/* The promise of the run has settled. */
static noreturn void finish(struct worker *worker, enum vm_promise state) {
    struct vm *vm = &worker->vm;
    uint64_t result = vm_promise_result(vm, worker->promise);
    if (state == VM_REJECTED) {
        (void)vm_throw(vm, result);
        fail(worker, BYTES("script_error"));
    }
    vm_rest(vm);
    /* It ends the process, unless a toJSON() of the result's computes for too long. */
    if (vm_failed(vm_call(vm, worker->done, &result, 1))) {
        fail(worker, BYTES("script_error"));
    }
    leave(SCRIPT_EXIT_BROKEN);
}

/* Jobs are short, so an endless chain of them is seen here and not by the engine. */
static void run_until_quiet(struct worker *worker) {
    uint32_t jobs = 0, late = 0;
    for (;;) {
        if (worker->vm.interrupted) { /* Whoever caught that, it is the end. */
            host_fail_stuck(worker, VM_UNDEFINED);
        }
        enum vm_promise state = vm_promise(&worker->vm, worker->promise);
        if (state == VM_FULFILLED || state == VM_REJECTED) {
            finish(worker, state);
        }
        enum vm_job job = vm_job(&worker->vm);
        if (job == VM_JOB_NONE) {
            return;
        }
        if (job == VM_JOB_FAILED) {
            fail(worker, BYTES("script_error"));
        }
        if (++jobs % JOBS_BETWEEN_LOOKS == 0 && vm_is_over(&worker->vm) &&
            ++late > LOOKS_AFTER_TIME) {
            host_fail_stuck(worker, VM_UNDEFINED);
        }
    }
}

/* Settles one outcome. False: the host is to say more. */
static bool settle_next(struct worker *worker) {
    vm_rest(&worker->vm);
    uint64_t more = vm_call(&worker->vm, worker->next, NULL /* no arguments */, 0);
    if (vm_failed(more) || worker->vm.interrupted) {
        fail(worker, BYTES("script_error"));
    }
    return more == VM_TRUE;
}

static void begin(struct worker *worker) {
    struct vm *vm = &worker->vm;
    uint64_t order = receive(worker);
    worker->promise = vm_call(vm, worker->start, &order, 1);
    if (vm_failed(worker->promise)) {
        fail(worker, BYTES("syntax_error"));
    }
    vm_free(vm, order);
    if (vm_promise(vm, worker->promise) == VM_NO_PROMISE) {
        host_fail_bare(worker, BYTES("syntax_error"),
                       BYTES("the script is not one function's body"));
    }
}

noreturn void worker_run(struct worker *worker, int fd) {
    frames_init(&worker->frames, fd);
    begin(worker);
    for (;;) {
        run_until_quiet(worker);
        if (!settle_next(worker)) {
            frames_send(&worker->frames, FRAMES_NOW);
            uint64_t messages = receive(worker);
            vm_free(&worker->vm, must(vm_call(&worker->vm, worker->take, &messages, 1)));
            vm_free(&worker->vm, messages);
        }
    }
}
