/* worker.c: see worker.h. The loop of one run, what the prelude may ask of it, and the ways in
 * which a run ends. The language itself is in prelude.js.
 *
 * Each end writes its message, with all that was collected before it, and ends the process. One
 * that went well leads back to the beginning instead, if the host wants that: the engine is as it
 * was at boot then, byte for byte.
 */
#include "script/worker/worker.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "script/protocol.h"
#include "script/worker/frames.h"
#include "script/worker/place.h"
#include "script/worker/vm.h"

enum {
    JOBS_BETWEEN_LOOKS = 64, /* Asking for the time costs a system call. */
    /* The engine asks us at each 10,000th turn or call of its own, and then knows its line: a chain
     * of jobs goes on for so many looks more until it does. */
    LOOKS_AFTER_TIME = 3000,
    MESSAGE_MAX = 16 << 10,
    STACK_MAX = 16 << 10,
    WHERE_ASKED_MAX = 16,
    PLACE_MAX = 256,
    SCRIPTS_MAX = 100, /* A process runs no more. */
};
/* A process that has used more takes no other script: little beside SCRIPT_CPU_TOTAL_S. */
static const uint64_t CPU_MAX_NS = 10000000000U;

/* A script's text stands between these. The first is a line of its own, so that lines and columns
 * are the user's. Its names are parameters of an outer function: a script may declare its own. */
#define WRAP_NAMES "agent,parallel,pipeline,phase,log,args,budget,workflow,console,meta"
#define WRAP_BEGIN "return async function(){\"use strict\";\n\n"
static const char WRAP_HEAD[] = "(function(" WRAP_NAMES "){" WRAP_BEGIN;
static const char WRAP_HEAD_TIMERS[] =
    "(function(" WRAP_NAMES ",setTimeout,clearTimeout,sleep,setInterval){" WRAP_BEGIN;
static const char WRAP_TAIL[] = "\n}})";

/* Our own JavaScript, carried in the program: scripts/image.sh. world: what a script may not find;
 * format: the texts of log(); flow: the functions of a flow; prelude: what a script finds. */
extern const char world_bytes[], format_bytes[], flow_bytes[], prelude_bytes[];
extern const size_t world_bytes_size, format_bytes_size, flow_bytes_size, prelude_bytes_size;

/* A script as it was compiled, for the line of a loop. */
struct script_text {
    struct script_text *next; /* Owned, like all of it. */
    char *file, *code;
    struct bytes body; /* Inside of code: what its file holds. */
};

struct worker {
    struct vm vm; /* First: the engine calls with its address. */
    struct frames frames;
    uint64_t start, take, next, done, failed, where; /* The prelude's functions. */
    uint64_t promise; /* Of the whole run; of a flow, until it is described: then undefined. */
    struct script_text *scripts; /* Owned; the latest first. */
    char *where_stack;           /* Owned. Where the script was when its time was over. */
    uint32_t where_asked;
    bool kept;  /* The engine was kept, so that it can be restored. */
    bool again; /* The host has another script, perhaps. */
    unsigned scripts_done;
    jmp_buf over; /* The end of a script after which the next is awaited. */
};

static struct worker *of_vm(struct vm *vm) {
    return CONTAINER_OF(vm, struct worker, vm);
}

/* --- Ends ------------------------------------------------------------------------------------- */

struct fault {
    struct bytes code, name, message, stack;
    struct place place; /* Unknown: that of the stack's first line that has one. */
};

static noreturn void send_all(struct worker *worker) {
    frames_send(&worker->frames, FRAMES_NOW);
    _exit(SCRIPT_EXIT_OK);
}

static void add_member(struct frames *frames, struct bytes name, struct bytes value) {
    frames_add(frames, name);
    frames_add_string(frames, value);
}

static void add_number(struct frames *frames, struct bytes name, uint32_t value) {
    if (value > 0) {
        frames_add(frames, name);
        frames_add_number(frames, value);
    }
}

static struct bytes cut(struct bytes text, size_t len_max) {
    return (struct bytes){text.data, utf8_cut(text, len_max)};
}

/* The script that a line of a stack is of; the longest name: one may be the end of another. */
static const struct script_text *script_of(const struct worker *worker, struct bytes line) {
    const struct script_text *found = NULL;
    for (const struct script_text *script = worker->scripts; script != NULL;
         script = script->next) {
        size_t len = strlen(script->file);
        bool longer = found == NULL || len > strlen(found->file);
        if (longer && memmem(line.data, line.len, script->file, len) != NULL) {
            found = script;
        }
    }
    return found;
}

static noreturn void fail(struct worker *worker, const struct fault *fault) {
    struct frames *frames = &worker->frames;
    struct bytes rest = fault->stack, line;
    struct place place = fault->place, at;
    while (place.line == 0 && place_next(&rest, &line, &place)) {
    }
    frames_open(frames);
    frames_add(frames, BYTES("{\"t\":\"end\",\"ok\":false"));
    add_member(frames, BYTES(",\"code\":"), fault->code);
    add_member(frames, BYTES(",\"name\":"), fault->name);
    add_member(frames, BYTES(",\"message\":"), cut(fault->message, MESSAGE_MAX));
    add_number(frames, BYTES(",\"line\":"), place.line);
    add_number(frames, BYTES(",\"column\":"), place.column);
    rest = fault->stack;
    if (place_next(&rest, &line, &at)) {
        /* Only the file of a script within is named: the host knows its own. */
        const struct script_text *script = script_of(worker, line);
        if (script != NULL && script->next != NULL) {
            add_member(frames, BYTES(",\"file\":"), bytes_of(script->file));
        }
    }
    /* The lines of the user's alone. */
    bool is_first = true;
    for (rest = cut(fault->stack, STACK_MAX); place_next(&rest, &line, &at); is_first = false) {
        frames_add(frames, is_first ? BYTES(",\"stack\":\"") : BYTES("\\n"));
        frames_add_string_inside(frames, line);
    }
    frames_add(frames, is_first ? BYTES("}") : BYTES("\"}"));
    send_all(worker);
}

static noreturn void fail_bare(struct worker *worker, struct bytes code, struct bytes message) {
    fail(worker, &(struct fault){code, BYTES("Error"), message, {"", 0}, {0, 0}});
}

static noreturn void fail_without_memory(struct worker *worker) {
    fail_bare(worker, BYTES("memory_exceeded"), BYTES("out of memory"));
}

/* `error`: what the engine threw when the script's time was over, which says where that was. */
static noreturn void fail_stuck(struct worker *worker, uint64_t error) {
    struct vm *vm = &worker->vm;
    vm->cpu_max_ns = 0; /* From here on only we ask. */
    vm->stuck = false;
    struct bytes stack = {"", 0}, rest, line;
    struct place at = {0, 0};
    uint64_t where = vm_call(vm, worker->where, &error, 1);
    if (!vm_failed(where)) {
        stack = vm_text(vm, where).text;
    }
    /* The thrown error knows best, if it was thrown inside of the script. */
    rest = stack;
    bool found = stack.data != NULL && place_next(&rest, &line, &at);
    if (!found && worker->where_stack != NULL) {
        rest = stack = bytes_of(worker->where_stack);
        found = place_next(&rest, &line, &at);
    }
    /* The place of a loop that the stack's first line is in, or near. */
    const struct script_text *script = found ? script_of(worker, line) : NULL;
    at = script != NULL ? loops_find(script->body, at) : at;
    fail(worker,
         &(struct fault){BYTES("script_stuck"), BYTES("Error"),
                         BYTES("the script computed for too long without waiting"), stack, at});
}

/* The engine asks at each 10,000th turn of a loop or entry of a function. When that is the entry of
 * one that a job calls, nothing of the script's is on the stack: the next time may tell more. */
static bool over(struct vm *vm) {
    struct worker *worker = of_vm(vm);
    if (worker->where_stack == NULL) {
        uint64_t where = vm_call(vm, worker->where, NULL /* no arguments */, 0);
        if (vm_failed(where)) {
            vm_free(vm, vm_exception(vm)); /* No memory, or no stack: then without. */
            return true;
        }
        struct vm_text text = vm_text(vm, where);
        struct bytes rest = text.text, line;
        struct place place;
        if (text.text.len > 0 && place_next(&rest, &line, &place)) {
            worker->where_stack = mem_copy(text.text.data, text.text.len);
        }
        vm_text_free(vm, text);
        vm_free(vm, where);
    }
    return worker->where_stack != NULL || ++worker->where_asked > WHERE_ASKED_MAX;
}

/* --- What the prelude asks for ---------------------------------------------------------------- */

/* Hashes the text of a value. False: there is no memory for it. */
static bool hash_add(struct vm *vm, struct sha256_stream *hash, uint64_t value) {
    struct vm_text text = vm_text(vm, value);
    if (text.text.data != NULL) {
        sha256_add(hash, text.text.data, text.text.len);
        vm_text_free(vm, text);
    }
    return text.text.data != NULL;
}

/* keyOf(kind, path, options, prompt): the SHA-256 of what makes a call the same call: protocol.h.
 * `kind` brings its line's end with it; no prompt: no line of it. */
static uint64_t key_of(struct vm *vm, const uint64_t *arguments) {
    struct sha256_stream hash;
    sha256_start(&hash);
    bool is_whole = hash_add(vm, &hash, arguments[0]) && hash_add(vm, &hash, arguments[1]);
    for (size_t i = 2; i < 4 && is_whole && arguments[i] != VM_UNDEFINED; i++) {
        sha256_add(&hash, "\n", 1);
        is_whole = hash_add(vm, &hash, arguments[i]);
    }
    if (!is_whole) {
        return vm_throw_out_of_memory(vm);
    }
    struct sha256 key = sha256_finish(&hash);
    struct sha256_hex hex = sha256_hex(&key);
    return vm_string(vm, (struct bytes){hex.text, sizeof hex.text - 1});
}

/* sizeOf(text): its bytes of UTF-8. */
static uint64_t size_of(struct vm *vm, const uint64_t *arguments) {
    struct vm_text text = vm_text(vm, arguments[0]);
    if (text.text.data == NULL) {
        return vm_throw_out_of_memory(vm);
    }
    vm_text_free(vm, text);
    return (uint64_t)text.text.len;
}

/* emit(message): sent with others. */
static uint64_t emit(struct vm *vm, const uint64_t *arguments) {
    struct frames *frames = &of_vm(vm)->frames;
    struct vm_text text = vm_text(vm, arguments[0]);
    if (text.text.data == NULL) {
        return vm_throw_out_of_memory(vm);
    }
    frames_open(frames);
    frames_add(frames, text.text);
    vm_text_free(vm, text);
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* Half a message is never sent: who has no memory for one has none for the script's next step. */
enum add_as { ADD_AS_JSON, ADD_AS_STRING };
static void add_value(struct vm *vm, struct bytes name, uint64_t value, enum add_as as) {
    struct worker *worker = of_vm(vm);
    struct vm_text text = vm_text(vm, value);
    if (text.text.data == NULL) {
        frames_undo(&worker->frames);
        fail_without_memory(worker);
    }
    frames_add(&worker->frames, name);
    if (as == ADD_AS_STRING) {
        frames_add_string(&worker->frames, text.text);
    } else {
        frames_add(&worker->frames, text.text);
    }
    vm_text_free(vm, text);
}

/* The place of a call, by the stack of an error that was made in it: the first line of the user's.
 * Where that is in a script within, its file is named, as in `fail`. */
static void add_place(struct vm *vm, uint64_t stack) {
    struct worker *worker = of_vm(vm);
    struct vm_text text = vm_text(vm, stack);
    struct bytes rest = text.text, line;
    struct place place = {0, 0};
    if (rest.data == NULL) {
        return; /* The call is sent without it. */
    }
    if (place_next(&rest, &line, &place) && place.line > 0) {
        add_number(&worker->frames, BYTES(",\"line\":"), place.line);
        add_number(&worker->frames, BYTES(",\"column\":"), place.column);
        const struct script_text *script =
            worker->scripts->next == NULL ? NULL : script_of(worker, line);
        if (script != NULL && script->next != NULL) {
            add_member(&worker->frames, BYTES(",\"file\":"), bytes_of(script->file));
        }
    }
    vm_text_free(vm, text);
}

/* emitAt(head, stack): a message that begins with `head`, then the place that the stack tells. */
static uint64_t emit_at(struct vm *vm, const uint64_t *arguments) {
    struct frames *frames = &of_vm(vm)->frames;
    frames_open(frames);
    add_value(vm, BYTES(""), arguments[0], ADD_AS_JSON);
    add_place(vm, arguments[1]);
    frames_add(frames, BYTES("}"));
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* call(id, key, n, prompt, options, label, phase, stack): a call of agent(). The last three may be
 * missing. */
static uint64_t emit_call(struct vm *vm, const uint64_t *arguments) {
    struct frames *frames = &of_vm(vm)->frames;
    frames_open(frames);
    frames_add(frames, BYTES("{\"t\":\"call\",\"id\":"));
    frames_add_number(frames, (uint32_t)arguments[0]);
    add_value(vm, BYTES(",\"k\":"), arguments[1], ADD_AS_STRING);
    frames_add(frames, BYTES(",\"n\":"));
    frames_add_number(frames, (uint32_t)arguments[2]);
    add_value(vm, BYTES(",\"prompt\":"), arguments[3], ADD_AS_STRING);
    add_value(vm, BYTES(",\"opts\":"), arguments[4], ADD_AS_JSON);
    if (arguments[5] != VM_UNDEFINED) {
        add_value(vm, BYTES(",\"label\":"), arguments[5], ADD_AS_STRING);
    }
    if (arguments[6] != VM_UNDEFINED) {
        add_value(vm, BYTES(",\"phase\":"), arguments[6], ADD_AS_STRING);
    }
    if (arguments[7] != VM_UNDEFINED) {
        add_place(vm, arguments[7]);
    }
    frames_add(frames, BYTES("}"));
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* line(head, no, text): a line of phase() or log(), whose message begins with `head`. */
static uint64_t emit_line(struct vm *vm, const uint64_t *arguments) {
    struct frames *frames = &of_vm(vm)->frames;
    frames_open(frames);
    add_value(vm, BYTES(""), arguments[0], ADD_AS_JSON);
    add_value(vm, BYTES(""), arguments[2], ADD_AS_STRING);
    frames_add(frames, BYTES(",\"no\":"));
    frames_add_number(frames, (uint32_t)arguments[1]);
    frames_add(frames, BYTES("}"));
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* A process that was anything out of the ordinary is not used again. */
static bool may_take_another(const struct worker *worker) {
    return worker->again && worker->scripts_done < SCRIPTS_MAX - 1 && !vm_has_grown(&worker->vm) &&
           !worker->vm.stuck && vm_used_ns() < CPU_MAX_NS;
}

/* end_with(json): the result; empty: there is none. Does not return. */
static uint64_t end_with(struct vm *vm, const uint64_t *arguments) {
    struct worker *worker = of_vm(vm);
    struct frames *frames = &worker->frames;
    struct vm_text result = vm_text(vm, arguments[0]);
    if (result.text.data == NULL) {
        fail_without_memory(worker);
    }
    if (result.text.len > SCRIPT_RESULT_MAX) {
        fail_bare(worker, BYTES("output_too_large"), BYTES("the result is over 1 MB of JSON"));
    }
    frames_open(frames);
    frames_add(frames, BYTES("{\"t\":\"end\",\"ok\":true"));
    frames_add(frames, result.text.len > 0 ? BYTES(",\"result\":") : BYTES(""));
    frames_add(frames, result.text);
    if (!may_take_another(worker)) {
        frames_add(frames, BYTES("}"));
        send_all(worker);
    }
    frames_add(frames, BYTES(",\"again\":true}"));
    frames_send(frames, FRAMES_NOW);
    longjmp(worker->over, 1);
}

/* fail(code, name, message, stack). Does not return. */
static uint64_t fail_as_told(struct vm *vm, const uint64_t *arguments) {
    struct bytes told[4];
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        /* Copied: the next text may move the engine's memory. Never freed: the process ends. */
        struct vm_text text = vm_text(vm, arguments[i]);
        size_t len = text.text.len < STACK_MAX ? text.text.len : STACK_MAX;
        told[i] = (struct bytes){mem_copy(len > 0 ? text.text.data : "", len), len};
        vm_text_free(vm, text);
    }
    fail(of_vm(vm), &(struct fault){told[0], told[1], told[2], told[3], {0, 0}});
}

/* compile(script, file, timers): the outer function of the script's. timers: the names of timers
 * are its own, too. */
static uint64_t compile(struct vm *vm, const uint64_t *arguments) {
    struct worker *worker = of_vm(vm);
    struct vm_text text = vm_text(vm, arguments[0]);
    if (text.text.data == NULL) {
        return vm_throw_out_of_memory(vm);
    }
    const bool timers = arguments[2] == VM_TRUE;
    const char *begin = timers ? WRAP_HEAD_TIMERS : WRAP_HEAD;
    size_t head = (timers ? sizeof WRAP_HEAD_TIMERS : sizeof WRAP_HEAD) - 1, body = text.text.len,
           tail = sizeof WRAP_TAIL - 1;
    struct script_text *script = mem_new(sizeof *script);
    script->code = mem_new(head + body + tail + 1);
    memcpy(script->code, begin, head);
    memcpy(script->code + head, text.text.data, body);
    memcpy(script->code + head + body, WRAP_TAIL, tail);
    script->body = (struct bytes){script->code + head, body};
    vm_text_free(vm, text);
    text = vm_text(vm, arguments[1]);
    script->file = mem_copy(text.text.len > 0 ? text.text.data : "", text.text.len);
    vm_text_free(vm, text);
    script->next = worker->scripts;
    worker->scripts = script;
    /* Two lines stand before the script's first. (The engine takes a line 0 for a 1.) */
    struct vm_source source = {
        .code = {script->code, head + body + tail}, .file = script->file, .line = -1};
    return vm_eval(vm, &source);
}

/* placeOf(stack): "FILE:LINE:COLUMN" of the first line that is the user's; "": none. FILE is a name
 * without folders. */
static uint64_t place_of(struct vm *vm, const uint64_t *arguments) {
    struct vm_text text = vm_text(vm, arguments[0]);
    struct bytes rest = text.text, line = BYTES("");
    struct place place = {0, 0};
    char words[PLACE_MAX] = "";
    while (rest.data != NULL && place.line == 0 && place_next(&rest, &line, &place)) {
    }
    if (place.line > 0) {
        const struct script_text *script = script_of(of_vm(vm), line);
        const char *file = script == NULL || script->file[0] == '\0' ? "script" : script->file;
        const char *slash = strrchr(file, '/');
        (void)snprintf(words, sizeof words, "%.200s:%u:%u", slash == NULL ? file : slash + 1,
                       place.line, place.column); /* Fits. */
    }
    if (text.text.data != NULL) {
        vm_text_free(vm, text);
    }
    return vm_string(vm, bytes_of(words));
}

/* limit(cpu_ms, memory_mb, again): from now on. */
static uint64_t limit(struct vm *vm, const uint64_t *arguments) {
    struct worker *worker = of_vm(vm);
    worker->again = worker->kept && arguments[2] == VM_TRUE;
    vm->cpu_max_ns = (uint64_t)(uint32_t)arguments[0] * 1000000U;
    vm_limit_memory(vm, (uint32_t)arguments[1]);
    vm_rest(vm);
    return VM_UNDEFINED;
}

/* leave(code): the host said something that ends this process. */
static uint64_t leave(struct vm *vm, const uint64_t *arguments) {
    _exit((int)(uint32_t)arguments[0]);
}

/* --- Beginning -------------------------------------------------------------------------------- */

static uint64_t must(uint64_t value) {
    if (vm_failed(value)) {
        _exit(SCRIPT_EXIT_BROKEN);
    }
    return value;
}

/* The prelude is a function; what it returns is what we call. */
static bool read_prelude(struct worker *worker) {
    struct vm *vm = &worker->vm;
    const struct vm_source world = {{world_bytes, world_bytes_size}, PLACE_PRELUDE, 1, true},
                           format = {{format_bytes, format_bytes_size}, PLACE_PRELUDE, 1, true},
                           flow = {{flow_bytes, flow_bytes_size}, PLACE_PRELUDE, 1, true},
                           ours = {{prelude_bytes, prelude_bytes_size}, PLACE_PRELUDE, 1, true};
    if (vm_failed(vm_eval(vm, &world))) {
        return false;
    }
    uint64_t prelude = vm_eval(vm, &ours);
    const uint64_t given[] = {vm_host_functions(vm), vm_eval(vm, &format), vm_eval(vm, &flow)};
    bool failed = vm_failed(prelude);
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        failed = failed || vm_failed(given[i]);
    }
    if (failed) {
        return false;
    }
    uint64_t object = vm_call(vm, prelude, given, COUNT_OF(given));
    if (vm_failed(object)) {
        return false;
    }
    worker->start = vm_get(vm, object, "start");
    worker->take = vm_get(vm, object, "take");
    worker->next = vm_get(vm, object, "next");
    worker->done = vm_get(vm, object, "done");
    worker->failed = vm_get(vm, object, "failed");
    worker->where = vm_get(vm, object, "where");
    vm_free(vm, object);
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        vm_free(vm, given[i]);
    }
    vm_free(vm, prelude);
    return true;
}

struct worker *worker_boot(void) {
    static const struct vm_function functions[] = {
        {"keyOf", key_of}, {"sizeOf", size_of}, {"call", emit_call},    {"line", emit_line},
        {"emit", emit},    {"end", end_with},   {"fail", fail_as_told}, {"compile", compile},
        {"limit", limit},  {"leave", leave},    {"placeOf", place_of},  {"emitAt", emit_at},
    };
    static const struct vm_host host = {functions, COUNT_OF(functions), over};
    struct worker *worker = mem_new(sizeof *worker);
    if (!vm_boot(&worker->vm, &host) || !read_prelude(worker)) {
        mem_free(worker);
        return NULL;
    }
    worker->kept = vm_keep(&worker->vm); /* Else each process takes one script. */
    return worker;
}

/* --- The loop --------------------------------------------------------------------------------- */

/* Reads one frame of the host's, as a value. */
static uint64_t receive(struct worker *worker) {
    uint32_t len = frames_next(&worker->frames);
    uint32_t room = vm_room(&worker->vm, len + 1);
    if (room == VM_NULL) {
        fail_without_memory(worker);
    }
    frames_read(&worker->frames, vm_at(&worker->vm, room), len);
    uint64_t messages = vm_parse(&worker->vm, room, len);
    if (vm_failed(messages)) {
        _exit(SCRIPT_EXIT_NONSENSE);
    }
    return messages;
}

/* An exception reached us: the script is over, one way or another. Does not return. */
static noreturn void fail_thrown(struct worker *worker, struct bytes code) {
    struct vm *vm = &worker->vm;
    uint64_t error = vm_exception(vm);
    if (vm->stuck) {
        fail_stuck(worker, error);
    }
    uint64_t arguments[] = {must(vm_string(vm, code)), error};
    vm_rest(vm);
    /* The call ends the process, unless a getter of what was thrown computes for too long. */
    if (vm_failed(vm_call(vm, worker->failed, arguments, COUNT_OF(arguments))) && vm->stuck) {
        fail_stuck(worker, vm_exception(vm));
    }
    _exit(SCRIPT_EXIT_BROKEN);
}

/* The promise of the run has settled. Returns for a flow alone. */
static void finish(struct worker *worker, enum vm_promise state) {
    struct vm *vm = &worker->vm;
    uint64_t result = vm_promise_result(vm, worker->promise);
    if (state == VM_REJECTED) {
        (void)vm_throw(vm, result);
        fail_thrown(worker, BYTES("script_error"));
    }
    vm_rest(vm);
    /* The call ends the process, unless a toJSON() of the result's computes for too long, or the
     * result is no flow. */
    uint64_t more = vm_call(vm, worker->done, &result, 1);
    if (vm_failed(more)) {
        fail_thrown(worker, BYTES("script_error"));
    }
    if (more != VM_TRUE) {
        _exit(SCRIPT_EXIT_BROKEN);
    }
    vm_free(vm, result);
    vm_free(vm, worker->promise);
    worker->promise = VM_UNDEFINED;
}

/* Jobs are short, so an endless chain of them is seen here and not by the engine. */
static void run_until_quiet(struct worker *worker) {
    uint32_t jobs = 0, late = 0;
    for (;;) {
        if (worker->vm.interrupted) { /* The script ends, also where it caught that. */
            fail_stuck(worker, VM_UNDEFINED);
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
            fail_thrown(worker, BYTES("script_error"));
        }
        if (++jobs % JOBS_BETWEEN_LOOKS == 0 && vm_is_over(&worker->vm) &&
            ++late > LOOKS_AFTER_TIME) {
            fail_stuck(worker, VM_UNDEFINED);
        }
    }
}

/* As it was before the first script. Bytes that were read ahead are of what comes next. */
static void forget(struct worker *worker) {
    while (worker->scripts != NULL) {
        struct script_text *script = worker->scripts;
        worker->scripts = script->next;
        mem_free(script->file);
        mem_free(script->code);
        mem_free(script);
    }
    mem_free(worker->where_stack);
    worker->where_stack = NULL;
    worker->where_asked = 0;
    worker->again = false;
    frames_shrink(&worker->frames);
    vm_restore(&worker->vm);
}

/* The promise of the next script. What the host said to the one before, which had ended by then,
 * counts for nothing. */
static uint64_t begin(struct worker *worker) {
    struct vm *vm = &worker->vm;
    for (;;) {
        const uint64_t given[] = {receive(worker), worker->scripts_done > 0 ? VM_TRUE : VM_FALSE};
        const uint64_t promise = vm_call(vm, worker->start, given, COUNT_OF(given));
        if (vm_failed(promise)) {
            fail_thrown(worker, BYTES("syntax_error"));
        }
        if (promise != VM_UNDEFINED || worker->scripts_done == 0) {
            vm_free(vm, given[0]);
            return promise;
        }
        forget(worker);
    }
}

static noreturn void run(struct worker *worker) {
    struct vm *vm = &worker->vm;
    worker->promise = begin(worker);
    if (vm_promise(vm, worker->promise) == VM_NO_PROMISE) {
        fail_bare(worker, BYTES("syntax_error"), BYTES("the script is not one function's body"));
    }
    for (;;) {
        run_until_quiet(worker);
        vm_rest(vm);
        /* Settles one outcome. Not true: it is the host's turn. */
        uint64_t more = vm_call(vm, worker->next, NULL /* no arguments */, 0);
        if (vm_failed(more) || vm->interrupted) {
            fail_thrown(worker, BYTES("script_error"));
        }
        if (more != VM_TRUE) {
            frames_send(&worker->frames, FRAMES_NOW);
            uint64_t messages = receive(worker);
            vm_free(vm, must(vm_call(vm, worker->take, &messages, 1)));
            vm_free(vm, messages);
        }
    }
}

noreturn void worker_run(struct worker *worker, int fd) {
    frames_init(&worker->frames, fd);
    if (worker->kept) {
        vm_own_heap(&worker->vm);
    }
    if (setjmp(worker->over) != 0) {
        worker->scripts_done++;
        forget(worker);
    }
    run(worker);
}
