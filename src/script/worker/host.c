/* host.c: see host.h. */
#include "script/worker/host.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "script/protocol.h"
#include "script/worker/leave.h"
#include "script/worker/loops.h"
#include "script/worker/place.h"

enum { MESSAGE_MAX = 16 << 10, STACK_MAX = 16 << 10, WHERE_ASKED_MAX = 16 };

/* A script's text stands between these. The first is a line of its own, so that lines and columns
 * are the user's. Its names are parameters of an outer function: a script may declare its own. */
static const char WRAP_HEAD[] =
    "(function(agent,parallel,pipeline,phase,log,args,budget,workflow,console){"
    "return async function(){\"use strict\";\n\n";
static const char WRAP_TAIL[] = "\n}})";

static struct worker *of_vm(struct vm *vm) {
    return CONTAINER_OF(vm, struct worker, vm);
}

/* --- Ends ------------------------------------------------------------------------------------ */

struct fault {
    struct bytes code, name, message, stack;
    struct place place; /* Unknown: that of the stack's first line that has one. */
};

static struct place first_place(struct bytes stack) {
    struct bytes line;
    struct place place = {0, 0};
    while (place.line == 0 && place_next(&stack, &line, &place)) {
    }
    return place;
}

static noreturn void say_all(struct worker *worker) {
    frames_send(&worker->frames, FRAMES_NOW);
    leave(SCRIPT_EXIT_OK);
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

/* The lines of the user's alone. */
static void add_stack(struct frames *frames, struct bytes stack) {
    struct bytes rest, line;
    struct place at;
    bool is_first = true;
    for (rest = stack; place_next(&rest, &line, &at); is_first = false) {
        frames_add(frames, is_first ? BYTES(",\"stack\":\"") : BYTES("\\n"));
        frames_add_string_inside(frames, line);
    }
    if (!is_first) {
        frames_add(frames, BYTES("\""));
    }
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

/* Of a script within: the host knows its own. */
static void add_file(struct worker *worker, struct bytes stack) {
    struct bytes line;
    struct place at;
    if (!place_next(&stack, &line, &at)) {
        return;
    }
    const struct script_text *script = script_of(worker, line);
    if (script != NULL && script->next != NULL) {
        add_member(&worker->frames, BYTES(",\"file\":"),
                   (struct bytes){script->file, strlen(script->file)});
    }
}

static noreturn void fail(struct worker *worker, const struct fault *fault) {
    struct frames *frames = &worker->frames;
    frames_open(frames);
    frames_add(frames, BYTES("{\"t\":\"end\",\"ok\":false"));
    add_member(frames, BYTES(",\"code\":"), fault->code);
    add_member(frames, BYTES(",\"name\":"), fault->name);
    add_member(frames, BYTES(",\"message\":"), cut(fault->message, MESSAGE_MAX));
    struct place place = fault->place.line > 0 ? fault->place : first_place(fault->stack);
    add_number(frames, BYTES(",\"line\":"), place.line);
    add_number(frames, BYTES(",\"column\":"), place.column);
    add_file(worker, fault->stack);
    add_stack(frames, cut(fault->stack, STACK_MAX));
    frames_add(frames, BYTES("}"));
    say_all(worker);
}

noreturn void host_fail_bare(struct worker *worker, struct bytes code, struct bytes message) {
    fail(worker, &(struct fault){code, BYTES("Error"), message, {"", 0}, {0, 0}});
}

static bool is_place(struct bytes stack) {
    struct bytes line;
    struct place place;
    return place_next(&stack, &line, &place);
}

/* The engine asks at each 10,000th turn of a loop or entry of a function. When that is the entry of
 * one that a job calls, nothing of the script's is on the stack: the next time may tell more. */
static bool over(struct vm *vm) {
    struct worker *worker = of_vm(vm);
    if (worker->where_stack == NULL) {
        uint64_t told = vm_call(vm, worker->where, NULL /* no arguments */, 0);
        if (vm_failed(told)) {
            vm_free(vm, vm_exception(vm)); /* No memory, or no stack: then without. */
            return true;
        }
        struct vm_text text = vm_text(vm, told);
        if (text.text.len > 0 && is_place(text.text)) {
            worker->where_stack = mem_copy(text.text.data, text.text.len);
        }
        vm_text_free(vm, text);
        vm_free(vm, told);
    }
    return worker->where_stack != NULL || ++worker->where_asked > WHERE_ASKED_MAX;
}

/* The place of a loop that the stack's first line is in, or near. */
static struct place find_loop(const struct worker *worker, struct bytes stack) {
    struct bytes line;
    struct place at;
    if (!place_next(&stack, &line, &at)) {
        return (struct place){0, 0};
    }
    const struct script_text *script = script_of(worker, line);
    return script == NULL ? at : loops_find(script->body, at);
}

noreturn void host_fail_stuck(struct worker *worker, uint64_t error) {
    struct vm *vm = &worker->vm;
    vm->cpu_max_ns = 0; /* Whoever asks now is us. */
    vm->stuck = false;
    struct bytes stack = {"", 0};
    uint64_t told = vm_call(vm, worker->where, &error, 1);
    if (!vm_failed(told)) {
        stack = vm_text(vm, told).text;
    }
    /* What was thrown knows best, if it was thrown inside of the script. */
    if ((stack.data == NULL || !is_place(stack)) && worker->where_stack != NULL) {
        stack = (struct bytes){worker->where_stack, strlen(worker->where_stack)};
    }
    fail(worker, &(struct fault){BYTES("script_stuck"), BYTES("Error"),
                                 BYTES("the script computed for too long without waiting"), stack,
                                 find_loop(worker, stack)});
}

/* --- What the prelude asks for --------------------------------------------------------------- */

/* Hashes the text of a value. False: there is no memory for it. */
static bool add_text(struct vm *vm, struct sha256_stream *hash, uint64_t value) {
    struct vm_text text = vm_text(vm, value);
    if (text.text.data == NULL) {
        return false;
    }
    sha256_add(hash, text.text.data, text.text.len);
    vm_text_free(vm, text);
    return true;
}

/* keyOf(kind, path, options, prompt): the SHA-256 of what makes a call the same call: protocol.h.
 * `kind` brings its line's end with it; no prompt: no line of it. */
static uint64_t key_of(struct worker *worker, const uint64_t *arguments) {
    struct vm *vm = &worker->vm;
    struct sha256_stream hash;
    sha256_start(&hash);
    bool is_whole = add_text(vm, &hash, arguments[0]) && add_text(vm, &hash, arguments[1]);
    for (size_t i = 2; i < 4 && is_whole && arguments[i] != VM_UNDEFINED; i++) {
        sha256_add(&hash, "\n", 1);
        is_whole = add_text(vm, &hash, arguments[i]);
    }
    if (!is_whole) {
        return vm_throw_out_of_memory(vm);
    }
    struct sha256 key = sha256_finish(&hash);
    struct sha256_hex hex = sha256_hex(&key);
    return vm_string(vm, (struct bytes){hex.text, sizeof hex.text - 1});
}

/* sizeOf(text): its bytes of UTF-8. */
static uint64_t size_of(struct worker *worker, const uint64_t *arguments) {
    struct vm_text text = vm_text(&worker->vm, arguments[0]);
    if (text.text.data == NULL) {
        return vm_throw_out_of_memory(&worker->vm);
    }
    vm_text_free(&worker->vm, text);
    return (uint64_t)text.text.len;
}

/* emit(message): sent with others. */
static uint64_t emit(struct worker *worker, const uint64_t *arguments) {
    struct vm_text text = vm_text(&worker->vm, arguments[0]);
    if (text.text.data == NULL) {
        return vm_throw_out_of_memory(&worker->vm);
    }
    frames_open(&worker->frames);
    frames_add(&worker->frames, text.text);
    vm_text_free(&worker->vm, text);
    frames_send(&worker->frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

enum add_as { ADD_AS_JSON, ADD_AS_STRING };
static bool add_value(struct worker *worker, struct bytes name, uint64_t value, enum add_as as) {
    struct vm_text text = vm_text(&worker->vm, value);
    if (text.text.data == NULL) {
        return false;
    }
    frames_add(&worker->frames, name);
    if (as == ADD_AS_STRING) {
        frames_add_string(&worker->frames, text.text);
    } else {
        frames_add(&worker->frames, text.text);
    }
    vm_text_free(&worker->vm, text);
    return true;
}

/* call(id, key, n, prompt, options, label, phase): a call of agent(). The last two may be missing.
 * Half a message is never sent: who has no memory for one has none for the script's next step. */
static uint64_t emit_call(struct worker *worker, const uint64_t *arguments) {
    struct frames *frames = &worker->frames;
    frames_open(frames);
    frames_add(frames, BYTES("{\"t\":\"call\",\"id\":"));
    frames_add_number(frames, (uint32_t)arguments[0]);
    bool is_whole = add_value(worker, BYTES(",\"k\":"), arguments[1], ADD_AS_STRING);
    frames_add(frames, BYTES(",\"n\":"));
    frames_add_number(frames, (uint32_t)arguments[2]);
    is_whole = is_whole && add_value(worker, BYTES(",\"prompt\":"), arguments[3], ADD_AS_STRING) &&
               add_value(worker, BYTES(",\"opts\":"), arguments[4], ADD_AS_JSON);
    if (is_whole && arguments[5] != VM_UNDEFINED) {
        is_whole = add_value(worker, BYTES(",\"label\":"), arguments[5], ADD_AS_STRING);
    }
    if (is_whole && arguments[6] != VM_UNDEFINED) {
        is_whole = add_value(worker, BYTES(",\"phase\":"), arguments[6], ADD_AS_STRING);
    }
    if (!is_whole) {
        frames_undo(frames);
        host_fail_bare(worker, BYTES("memory_exceeded"), BYTES("out of memory"));
    }
    frames_add(frames, BYTES("}"));
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* line(head, no, text): a line of phase() or log(), whose message begins with `head`. */
static uint64_t emit_line(struct worker *worker, const uint64_t *arguments) {
    struct frames *frames = &worker->frames;
    frames_open(frames);
    if (!add_value(worker, BYTES(""), arguments[0], ADD_AS_JSON) ||
        !add_value(worker, BYTES(""), arguments[2], ADD_AS_STRING)) {
        frames_undo(frames);
        host_fail_bare(worker, BYTES("memory_exceeded"), BYTES("out of memory"));
    }
    frames_add(frames, BYTES(",\"no\":"));
    frames_add_number(frames, (uint32_t)arguments[1]);
    frames_add(frames, BYTES("}"));
    frames_send(frames, FRAMES_WHEN_MUCH);
    return VM_UNDEFINED;
}

/* end(json): the result; empty: there is none. Does not return. */
static uint64_t end(struct worker *worker, const uint64_t *arguments) {
    struct vm_text result = vm_text(&worker->vm, arguments[0]);
    if (result.text.data == NULL) {
        host_fail_bare(worker, BYTES("memory_exceeded"), BYTES("out of memory"));
    }
    if (result.text.len > SCRIPT_RESULT_MAX) {
        host_fail_bare(worker, BYTES("output_too_large"), BYTES("the result is over 1 MB of JSON"));
    }
    frames_open(&worker->frames);
    frames_add(&worker->frames, BYTES("{\"t\":\"end\",\"ok\":true"));
    if (result.text.len > 0) {
        frames_add(&worker->frames, BYTES(",\"result\":"));
        frames_add(&worker->frames, result.text);
    }
    frames_add(&worker->frames, BYTES("}"));
    say_all(worker);
}

/* fail(code, name, message, stack). Does not return. */
static uint64_t fail_as_told(struct worker *worker, const uint64_t *arguments) {
    struct bytes told[4];
    char *copies[COUNT_OF(told)];
    for (size_t i = 0; i < COUNT_OF(told); i++) {
        /* Copied: the next text may move the engine's memory. Never freed: the process ends. */
        struct vm_text text = vm_text(&worker->vm, arguments[i]);
        size_t len = text.text.len < STACK_MAX ? text.text.len : STACK_MAX;
        copies[i] = mem_copy(len > 0 ? text.text.data : "", len);
        told[i] = (struct bytes){copies[i], len};
        vm_text_free(&worker->vm, text);
    }
    fail(worker, &(struct fault){told[0], told[1], told[2], told[3], {0, 0}});
}

/* compile(script, file): the outer function of the script's. */
static uint64_t compile(struct worker *worker, const uint64_t *arguments) {
    struct vm *vm = &worker->vm;
    struct vm_text script = vm_text(vm, arguments[0]);
    if (script.text.data == NULL) {
        return vm_throw_out_of_memory(vm);
    }
    size_t script_len = script.text.len;
    size_t len = sizeof WRAP_HEAD - 1 + script_len + sizeof WRAP_TAIL - 1;
    char *code = mem_new(len + 1);
    char *end_of_head =
        (char *)memcpy(code, WRAP_HEAD, sizeof WRAP_HEAD - 1) + sizeof WRAP_HEAD - 1;
    memcpy(end_of_head, script.text.data, script.text.len);
    memcpy(end_of_head + script.text.len, WRAP_TAIL, sizeof WRAP_TAIL - 1);
    vm_text_free(vm, script);
    struct vm_text file = vm_text(vm, arguments[1]);
    char *name = mem_copy(file.text.len > 0 ? file.text.data : "", file.text.len);
    vm_text_free(vm, file);
    struct script_text *kept = mem_new(sizeof *kept);
    *kept = (struct script_text){worker->scripts, name, code, {end_of_head, script_len}};
    worker->scripts = kept;
    /* Two lines stand before the script's first. (The engine takes a line 0 for a 1.) */
    struct vm_source source = {{code, len}, name, -1};
    return vm_eval(vm, &source);
}

/* limit(cpu_ms, memory_mb): from now on. */
static uint64_t limit(struct worker *worker, const uint64_t *arguments) {
    worker->vm.cpu_max_ns = (uint64_t)(uint32_t)arguments[0] * 1000000U;
    vm_limit_memory(&worker->vm, (uint32_t)arguments[1]);
    vm_rest(&worker->vm);
    return VM_UNDEFINED;
}

/* leave(code): the host said something that ends this process. */
static uint64_t leave_as_told(struct worker *worker, const uint64_t *arguments) {
    leave((enum script_exit)(uint32_t)arguments[0]);
}

static const char *const names[] = {"keyOf", "sizeOf", "call",    "line",  "emit",
                                    "end",   "fail",   "compile", "limit", "leave"};
static uint64_t (*const functions[])(struct worker *worker, const uint64_t *arguments) = {
    key_of, size_of, emit_call, emit_line, emit, end, fail_as_told, compile, limit, leave_as_told};
static_assert(COUNT_OF(names) == COUNT_OF(functions), "a function for each name");

static uint64_t call(struct vm *vm, size_t which, const uint64_t *arguments, size_t count) {
    return functions[which](of_vm(vm), arguments);
}

const struct vm_host *host_table(void) {
    static const struct vm_host table = {names, COUNT_OF(names), call, over};
    return &table;
}

uint64_t host_functions(struct vm *vm) {
    uint64_t object = vm_object(vm);
    for (size_t i = 0; i < COUNT_OF(names) && !vm_failed(object); i++) {
        uint64_t function = vm_host_function(vm, names[i]);
        if (vm_failed(function) || !vm_set(vm, object, names[i], function)) {
            object = VM_EXCEPTION;
        }
    }
    return object;
}
