/* vm.c: see vm.h. First what we ask of the engine, then the imports: all that it can call outside
 * of itself, and nothing of it is of this world. The clock stands still and random numbers are
 * zeros, so that a script which finds a way around the prelude's guards sees the same at each
 * replay.
 */
#include "script/worker/vm.h"

#include <quickjs.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "script/protocol.h"

enum {
    WASM_PAGE = 64 << 10,
    /* Of the engine's own stack of 1 MB; the rest is for what does not look. */
    SCRIPT_STACK_MAX = 256 << 10,
    /* The same depth on the processor's stack, several times over. */
    NATIVE_STACK = 64 << 20,
    FIRST_PAGES_MAX = (1 << 30) / WASM_PAGE, /* Until the limit of the run is known. */
    UNCOUNTED_MAX =
        32 << 20, /* Memory beyond the engine's own limit: its stack, texts on their way. */
    /* Everything of the language but WeakRef, FinalizationRegistry and performance. */
    INTRINSICS = 0x1ff,
    COMPILE_SEALED = 16, /* JS_WRITE_OBJ_STRIP_SOURCE */
    OPTIONS_VERSION = 1,
    ERRNO_BADF = 8,      /* As WASI numbers it. */
    GROWN_MAX = 8 << 20, /* Memory that a process may keep for its next script. */
    PAGE = 4 << 10,      /* The unit in which memory is restored. */
    WARM = 16 * PAGE,    /* The part of the stack that most scripts touch. */
    GROWS = 8 * PAGE,    /* The memory that a short script takes beside the engine's. */
    POPULATE_WRITE = 23, /* MADV_POPULATE_WRITE, which musl does not name. */
};
static const uint64_t STANDING_CLOCK_NS = 946684800000000000U; /* The first second of 2000. */

/* JSEvalOptions, in the engine's memory. */
struct eval_options {
    int32_t version;
    int32_t flags;
    uint32_t file;
    int32_t line;
};

char *vm_at(struct vm *vm, uint32_t address) {
    assert(address < vm->wasm->w2c_memory.size);
    return (char *)vm->wasm->w2c_memory.data + address;
}

uint32_t vm_room(struct vm *vm, uint32_t size) {
    return Z_quickjsZ_wasm_malloc(vm->wasm, size);
}

static void room_free(struct vm *vm, uint32_t address) {
    Z_quickjsZ_wasm_free(vm->wasm, address);
}

/* A copy in the engine's memory, terminated. */
static uint32_t copy_in(struct vm *vm, struct bytes text) {
    if (text.len >= UINT32_MAX) {
        return VM_NULL;
    }
    uint32_t address = vm_room(vm, (uint32_t)text.len + 1);
    if (address != VM_NULL) {
        memcpy(vm_at(vm, address), text.data, text.len);
        *vm_at(vm, address + (uint32_t)text.len) = '\0';
    }
    return address;
}

static uint32_t copy_name(struct vm *vm, const char *name) {
    return copy_in(vm, (struct bytes){name, strlen(name)});
}

/* qjs_ functions hand values over in little rooms of their own. */
static uint64_t take_boxed(struct vm *vm, uint32_t address) {
    if (address == VM_NULL) {
        return VM_EXCEPTION;
    }
    uint64_t value;
    memcpy(&value, vm_at(vm, address), sizeof value);
    room_free(vm, address);
    return value;
}

bool vm_boot(struct vm *vm, const struct vm_host *host) {
    struct rlimit stack;
    if (getrlimit(RLIMIT_STACK, &stack) < 0) {
        return false;
    }
    if (stack.rlim_cur != RLIM_INFINITY && stack.rlim_cur < NATIVE_STACK) {
        stack.rlim_cur = NATIVE_STACK;
        if (setrlimit(RLIMIT_STACK, &stack) < 0) {
            return false;
        }
    }
    vm->host = host;
    vm->wasm = mem_new(sizeof *vm->wasm);
    wasm_rt_init();
    Z_quickjs_init_module();
    Z_quickjs_instantiate(vm->wasm, (struct Z_env_instance_t *)vm,
                          (struct Z_wasi_snapshot_preview1_instance_t *)vm);
    vm->wasm->w2c_memory.max_pages = FIRST_PAGES_MAX;
    Z_quickjsZ__initialize(vm->wasm);
    if (Z_quickjsZ_qjs_init2(vm->wasm, INTRINSICS) != 0) {
        return false;
    }
    vm->runtime = Z_quickjsZ_qjs_get_runtime_ptr(vm->wasm);
    vm->context = Z_quickjsZ_qjs_get_context_ptr(vm->wasm);
    Z_quickjsZ_qjs_set_max_stack_size(vm->wasm, SCRIPT_STACK_MAX);
    Z_quickjsZ_qjs_set_interrupt_handler(vm->wasm, 1);
    Z_quickjsZ_qjs_set_module_loader(vm->wasm, 1); /* Ours, which loads none and says so. */
    /* That tags are what this file takes them for. */
    return take_boxed(vm, Z_quickjsZ_qjs_get_undefined(vm->wasm)) == VM_UNDEFINED;
}

/* --- Kept, and restored ----------------------------------------------------------------------- */

/* The engine's memory is moved to where nothing else is near, so that it grows in place, and it is
 * copied. What a script has changed of it is copied back, page by page: less than making another
 * process, and its pages stay where they are. Only at its beginning, where the engine's stack is,
 * which grows downwards, most pages are never touched: there they are given back to the system
 * unseen, and are zeros again. */
#define KEPT_AT ((uint8_t *)0x1000000000)

typedef __typeof__(((wasm_rt_memory_t *)NULL)->pages) page_count;
page_count __real_wasm_rt_grow_memory(wasm_rt_memory_t *memory, page_count delta);
page_count __wrap_wasm_rt_grow_memory(wasm_rt_memory_t *memory, page_count delta);

struct vm_kept {
    struct Z_quickjs_instance_t wasm;
    size_t cold;    /* Bytes at the beginning that are zeros, and most often stay so. */
    size_t used;    /* Bytes up to the end of the heap, as far as most scripts take it. */
    uint8_t *bytes; /* Owned: the rest of the memory. */
};

static bool map_at(uint8_t *address, size_t size) {
    void *at = mmap(address, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0 /* offset */);
    if (at != MAP_FAILED && at != address) { /* An old kernel takes it for a wish. */
        (void)munmap(at, size);
    }
    return at == address;
}

static bool is_page_same(const uint8_t *page, const uint8_t *other) {
    uint64_t differs = 0;
    for (size_t at = 0; at < PAGE && differs == 0; at += 8 * sizeof differs) {
        uint64_t some[8], others[8];
        memcpy(some, page + at, sizeof some);
        memcpy(others, other + at, sizeof others);
        for (size_t i = 0; i < COUNT_OF(some); i++) {
            differs |= some[i] ^ others[i];
        }
    }
    return differs == 0;
}

bool vm_keep(struct vm *vm) {
    static const uint8_t zeros[PAGE];
    wasm_rt_memory_t *memory = &vm->wasm->w2c_memory;
    size_t cold = 0;
    const uint32_t end = vm_room(vm, WASM_PAGE); /* Larger than any piece that is free before. */
    room_free(vm, end);
    const size_t size = memory->size;
    if (end == VM_NULL || !map_at(KEPT_AT, size)) {
        return false;
    }
    while (cold < size && is_page_same(memory->data + cold, zeros)) {
        cold += PAGE;
    }
    memcpy(KEPT_AT + cold, memory->data + cold, size - cold);
    wasm_rt_free_memory(memory);
    memory->data = KEPT_AT;
    vm->kept = mem_new(sizeof *vm->kept);
    *vm->kept = (struct vm_kept){
        .wasm = *vm->wasm, .cold = cold < WARM ? 0 : cold - WARM, .used = end + GROWS};
    vm->kept->bytes = mem_new(size - vm->kept->cold);
    memcpy(vm->kept->bytes, KEPT_AT + vm->kept->cold, size - vm->kept->cold);
    return true;
}

/* A script writes nearly every page of the engine's heap, whose first piece is its runtime. In a
 * fork each is copied then, by an exception of its own, unless all are copied at once. */
void vm_own_heap(const struct vm *vm) {
    const size_t heap = vm->runtime / PAGE * PAGE;
    (void)madvise(KEPT_AT + heap, vm->kept->used - heap, POPULATE_WRITE); /* Refused: they are. */
}

/* The program is linked so that the engine calls this. */
page_count __wrap_wasm_rt_grow_memory(wasm_rt_memory_t *memory, page_count delta) {
    const page_count before = memory->pages;
    if (memory->data != KEPT_AT || delta == 0) {
        return __real_wasm_rt_grow_memory(memory, delta);
    }
    const size_t more = (size_t)delta * WASM_PAGE;
    if (delta > memory->max_pages || before > memory->max_pages - delta ||
        !map_at(KEPT_AT + memory->size, more)) {
        return (page_count)-1;
    }
    memory->pages += delta;
    memory->size += (page_count)more;
    return before;
}

void vm_restore(struct vm *vm) {
    const struct vm_kept *kept = vm->kept;
    const size_t size = kept->wasm.w2c_memory.size, now = vm->wasm->w2c_memory.size;
    const bool shrunk = now == size || munmap(KEPT_AT + size, now - size) == 0;
    if (!shrunk || (kept->cold > 0 && madvise(KEPT_AT, kept->cold, MADV_DONTNEED) < 0)) {
        _exit(SCRIPT_EXIT_BROKEN);
    }
    for (size_t at = kept->cold; at < size; at += PAGE) {
        const uint8_t *page = kept->bytes + (at - kept->cold);
        if (!is_page_same(KEPT_AT + at, page)) {
            memcpy(KEPT_AT + at, page, PAGE);
        }
    }
    *vm->wasm = kept->wasm;
    vm->cpu_max_ns = vm->cpu_until_ns = 0;
    vm->stuck = vm->interrupted = false;
}

bool vm_has_grown(const struct vm *vm) {
    return vm->wasm->w2c_memory.size - vm->kept->wasm.w2c_memory.size > GROWN_MAX;
}

/* --- What we ask of it ------------------------------------------------------------------------ */

void vm_limit_memory(struct vm *vm, uint32_t megabytes) {
    if (megabytes == 0 || megabytes >= FIRST_PAGES_MAX / 16) {
        return;
    }
    uint32_t bytes = megabytes << 20;
    Z_quickjsZ_qjs_set_memory_limit(vm->wasm, bytes);
    vm->wasm->w2c_memory.max_pages = (bytes + UNCOUNTED_MAX) / WASM_PAGE;
}

/* Asking for the time costs a system call, which most settlements are too short to be worth: the
 * first question after a rest, some 10,000 turns of a loop later, begins to count. */
void vm_rest(struct vm *vm) {
    vm->cpu_until_ns = 0;
}

uint64_t vm_used_ns(void) {
    struct timespec used;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used); /* Cannot fail: the clock is valid. */
    return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

bool vm_is_over(struct vm *vm) {
    if (vm->cpu_max_ns > 0 && !vm->stuck) {
        uint64_t now = vm_used_ns();
        if (vm->cpu_until_ns == 0) {
            vm->cpu_until_ns = now + vm->cpu_max_ns;
        }
        vm->stuck = now >= vm->cpu_until_ns;
    }
    return vm->stuck;
}

void vm_free(struct vm *vm, uint64_t value) {
    Z_quickjsZ_JS_FreeValue(vm->wasm, vm->context, value);
}

bool vm_failed(uint64_t value) {
    return value >> 32 == VM_TAG_EXCEPTION;
}

uint64_t vm_string(struct vm *vm, struct bytes text) {
    uint32_t address = copy_in(vm, text);
    if (address == VM_NULL) {
        return VM_EXCEPTION;
    }
    uint64_t value = Z_quickjsZ_JS_NewStringLen(vm->wasm, vm->context, address, (uint32_t)text.len);
    room_free(vm, address);
    return value;
}

uint64_t vm_host_functions(struct vm *vm) {
    uint64_t object = Z_quickjsZ_JS_NewObject(vm->wasm, vm->context);
    for (size_t i = 0; i < vm->host->count && !vm_failed(object); i++) {
        const char *name = vm->host->functions[i].name;
        uint32_t address = copy_name(vm, name);
        if (address == VM_NULL) {
            return VM_EXCEPTION;
        }
        uint64_t function = take_boxed(
            vm, Z_quickjsZ_qjs_new_host_function(vm->wasm, address, (uint32_t)strlen(name), 0));
        if (vm_failed(function) || (int32_t)Z_quickjsZ_JS_SetPropertyStr(
                                       vm->wasm, vm->context, object, address, function) < 0) {
            object = VM_EXCEPTION;
        }
        room_free(vm, address);
    }
    return object;
}

uint64_t vm_eval(struct vm *vm, const struct vm_source *source) {
    uint32_t code = copy_in(vm, source->code), len = (uint32_t)source->code.len;
    uint32_t file = copy_name(vm, source->file);
    uint32_t at = vm_room(vm, sizeof(struct eval_options));
    uint64_t value = VM_EXCEPTION;
    if (code != VM_NULL && file != VM_NULL && at != VM_NULL && source->sealed) {
        uint32_t compiled =
            Z_quickjsZ_qjs_compile(vm->wasm, code, len, file, 0 /* a script */, COMPILE_SEALED, at);
        if (compiled != VM_NULL) {
            uint32_t compiled_len;
            memcpy(&compiled_len, vm_at(vm, at), sizeof compiled_len);
            value = take_boxed(vm, Z_quickjsZ_qjs_eval_bytecode(vm->wasm, compiled, compiled_len));
            room_free(vm, compiled);
        }
    } else if (code != VM_NULL && file != VM_NULL && at != VM_NULL) {
        struct eval_options options = {
            .version = OPTIONS_VERSION, .file = file, .line = source->line};
        memcpy(vm_at(vm, at), &options, sizeof options);
        value = Z_quickjsZ_JS_Eval2(vm->wasm, vm->context, code, len, at);
    }
    room_free(vm, at);
    room_free(vm, file);
    room_free(vm, code);
    return value;
}

uint64_t vm_parse(struct vm *vm, uint32_t address, uint32_t len) {
    *vm_at(vm, address + len) = '\0';
    uint32_t name = copy_name(vm, "<order>");
    uint64_t value = VM_EXCEPTION;
    if (name != VM_NULL) {
        value = Z_quickjsZ_JS_ParseJSON(vm->wasm, vm->context, address, len, name);
    }
    room_free(vm, name);
    room_free(vm, address);
    return value;
}

uint64_t vm_get(struct vm *vm, uint64_t object, const char *name) {
    uint32_t address = copy_name(vm, name);
    if (address == VM_NULL) {
        return VM_EXCEPTION;
    }
    uint64_t value = Z_quickjsZ_JS_GetPropertyStr(vm->wasm, vm->context, object, address);
    room_free(vm, address);
    return value;
}

uint64_t vm_call(struct vm *vm, uint64_t function, const uint64_t *arguments, size_t count) {
    uint32_t size = (uint32_t)(count * sizeof *arguments);
    uint32_t at = vm_room(vm, size + 1);
    if (at == VM_NULL) {
        return VM_EXCEPTION;
    }
    if (count > 0) {
        memcpy(vm_at(vm, at), arguments, size);
    }
    uint64_t value =
        Z_quickjsZ_JS_Call(vm->wasm, vm->context, function, VM_UNDEFINED, (uint32_t)count, at);
    room_free(vm, at);
    return value;
}

/* Half a character, which a string of the language may hold, becomes U+FFFD: in UTF-8 it has no
 * place. Only a copy of our own can hold one: the engine hands out its own bytes of ASCII alone. */
static void replace_halves(char *bytes, size_t len) {
    char *end = bytes + len;
    for (char *at = memchr(bytes, 0xed, len); at != NULL && end - at >= 3;
         at = memchr(at + 1, 0xed, (size_t)(end - at) - 1)) {
        if ((unsigned char)at[1] >= 0xa0) {
            memcpy(at, "\xef\xbf\xbd", 3);
        }
    }
}

struct vm_text vm_text(struct vm *vm, uint64_t value) {
    uint32_t len_at = vm_room(vm, sizeof(uint32_t));
    struct vm_text found = {{NULL, 0}, VM_NULL};
    if (len_at == VM_NULL) {
        return found;
    }
    found.address =
        Z_quickjsZ_JS_ToCStringLen2(vm->wasm, vm->context, len_at, value, 0 /* true UTF-8 */);
    if (found.address == VM_NULL) {
        vm_free(vm, vm_exception(vm)); /* Its String() threw: it has no text. */
    } else {
        uint32_t len;
        memcpy(&len, vm_at(vm, len_at), sizeof len);
        replace_halves(vm_at(vm, found.address), len);
        found.text = (struct bytes){vm_at(vm, found.address), len};
    }
    room_free(vm, len_at);
    return found;
}

void vm_text_free(struct vm *vm, struct vm_text text) {
    if (text.address != VM_NULL) {
        Z_quickjsZ_JS_FreeCString(vm->wasm, vm->context, text.address);
    }
}

uint64_t vm_exception(struct vm *vm) {
    return Z_quickjsZ_JS_GetException(vm->wasm, vm->context);
}

uint64_t vm_throw_out_of_memory(struct vm *vm) {
    return Z_quickjsZ_JS_ThrowOutOfMemory(vm->wasm, vm->context);
}

uint64_t vm_throw(struct vm *vm, uint64_t value) {
    return Z_quickjsZ_JS_Throw(vm->wasm, vm->context, value);
}

enum vm_job vm_job(struct vm *vm) {
    if (Z_quickjsZ_JS_IsJobPending(vm->wasm, vm->runtime) == 0) {
        return VM_JOB_NONE;
    }
    uint32_t ran = Z_quickjsZ_qjs_execute_pending_job(vm->wasm);
    return (int32_t)ran < 0 ? VM_JOB_FAILED : VM_JOB_DONE;
}

enum vm_promise vm_promise(struct vm *vm, uint64_t value) {
    return (enum vm_promise)Z_quickjsZ_JS_PromiseState(vm->wasm, vm->context, value);
}

uint64_t vm_promise_result(struct vm *vm, uint64_t value) {
    return Z_quickjsZ_JS_PromiseResult(vm->wasm, vm->context, value);
}

/* --- Imports ---------------------------------------------------------------------------------- */

static struct vm *of_env(struct Z_env_instance_t *env) {
    return (struct vm *)env;
}

static struct vm *of_wasi(struct Z_wasi_snapshot_preview1_instance_t *wasi) {
    return (struct vm *)wasi;
}

/* An access outside of the engine's memory, a stack that ran over, an assertion: whatever it was,
 * nothing in there can be believed any more. wasm2c's runtime calls this. */
noreturn void engine_trapped(unsigned code);
noreturn void engine_trapped(unsigned code) {
    (void)code; /* The kind of trap is of no use. */
    _exit(SCRIPT_EXIT_BROKEN);
}

/* Returns a value in a room of its own, for the engine to take over. VM_NULL: an exception, which
 * is set. */
u32 Z_envZ_host_call(struct Z_env_instance_t *env, u32 name, u32 name_len, u32 this_at, u32 count,
                     u32 arguments_at) {
    struct vm *vm = of_env(env);
    struct bytes wanted = {vm_at(vm, name), name_len};
    const struct vm_function *function = vm->host->functions, *end = function + vm->host->count;
    while (function != end && !bytes_is(wanted, function->name)) {
        function++;
    }
    if (function == end) {
        engine_trapped(0 /* the prelude knows no other names */);
    }
    uint64_t arguments[VM_ARGUMENTS_MAX], value;
    for (uint32_t i = 0; i < VM_ARGUMENTS_MAX; i++) {
        arguments[i] = VM_UNDEFINED;
        if (i < count) {
            uint32_t at;
            memcpy(&at, vm_at(vm, arguments_at + i * (uint32_t)sizeof at), sizeof at);
            memcpy(&arguments[i], vm_at(vm, at), sizeof arguments[i]);
        }
    }
    value = function->call(vm, arguments);
    if (vm_failed(value)) {
        return VM_NULL;
    }
    uint32_t boxed = vm_room(vm, sizeof value);
    if (boxed == VM_NULL) {
        engine_trapped(0 /* out of memory for eight bytes */);
    }
    memcpy(vm_at(vm, boxed), &value, sizeof value);
    return boxed;
}

u32 Z_envZ_host_interrupt(struct Z_env_instance_t *env) {
    struct vm *vm = of_env(env);
    bool ends = vm_is_over(vm) && vm->host->over(vm);
    vm->interrupted = vm->interrupted || ends;
    return ends ? 1 : 0;
}

u32 Z_envZ_host_get_timezone_offset(struct Z_env_instance_t *env, u32 high, u32 low) {
    return 0; /* UTC, at any time. */
}

/* For hosts that are notified of rejections: never switched on. */
void Z_envZ_host_promise_rejection(struct Z_env_instance_t *env, u32 promise, u32 reason,
                                   u32 handled) {
}

u32 Z_envZ_host_module_normalize(struct Z_env_instance_t *env, u32 base, u32 name) {
    struct vm *vm = of_env(env);
    uint32_t format = copy_name(vm, "import() is not available: a workflow is one file");
    if (format == VM_NULL) {
        (void)vm_throw_out_of_memory(vm);
        return VM_NULL;
    }
    (void)Z_quickjsZ_JS_ThrowPlainError(vm->wasm, vm->context, format, VM_NULL /* no values */);
    room_free(vm, format);
    return VM_NULL;
}

u32 Z_envZ_host_module_load(struct Z_env_instance_t *env, u32 name, u32 len_at) {
    return VM_NULL;
}

u32 Z_wasi_snapshot_preview1Z_clock_time_get(struct Z_wasi_snapshot_preview1_instance_t *wasi,
                                             u32 clock, u64 precision, u32 time_at) {
    memcpy(vm_at(of_wasi(wasi), time_at), &STANDING_CLOCK_NS, sizeof STANDING_CLOCK_NS);
    return 0;
}

u32 Z_wasi_snapshot_preview1Z_random_get(struct Z_wasi_snapshot_preview1_instance_t *wasi, u32 at,
                                         u32 len) {
    struct vm *vm = of_wasi(wasi);
    if (len > 0) {
        assert(vm_at(vm, at) < vm_at(vm, at + len - 1) + 1);
        memset(vm_at(vm, at), 0, len);
    }
    return 0;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(struct Z_wasi_snapshot_preview1_instance_t *wasi, u32 fd,
                                       u32 pieces, u32 count, u32 written_at) {
    return ERRNO_BADF;
}

u32 Z_wasi_snapshot_preview1Z_fd_close(struct Z_wasi_snapshot_preview1_instance_t *wasi, u32 fd) {
    return ERRNO_BADF;
}

u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(struct Z_wasi_snapshot_preview1_instance_t *wasi,
                                            u32 fd, u32 about_at) {
    return ERRNO_BADF;
}

u32 Z_wasi_snapshot_preview1Z_fd_seek(struct Z_wasi_snapshot_preview1_instance_t *wasi, u32 fd,
                                      u64 offset, u32 whence, u32 offset_at) {
    return ERRNO_BADF;
}
