/* imports.c: all that the engine can call outside of itself, and nothing of it is of this world.
 *
 * The clock stands still and random numbers are zeros, so that a script which finds a way around
 * the prelude's guards sees the same at each replay.
 */
#include <quickjs.h>
#include <stdnoreturn.h>
#include <string.h>

#include "script/worker/leave.h"
#include "script/worker/vm.h"

enum { ERRNO_BADF = 8 /* Of WASI. */, HOST_ARGUMENTS_MAX = 8 };
static const uint64_t STANDING_CLOCK_NS = 946684800000000000U; /* The first second of 2000. */

static struct vm *of_env(struct Z_env_instance_t *env) {
    return (struct vm *)env;
}

static struct vm *of_wasi(struct Z_wasi_snapshot_preview1_instance_t *wasi) {
    return (struct vm *)wasi;
}

/* An access outside of the engine's memory, a stack that ran over, an assertion: whatever it was,
 * nothing in there can be believed any more. wasm2c's runtime calls this. */
noreturn void engine_trapped(int code);
noreturn void engine_trapped(int code) {
    (void)code; /* What kind of trap it was, nobody can use. */
    leave(SCRIPT_EXIT_BROKEN);
}

static uint64_t load_boxed(struct vm *vm, uint32_t address) {
    uint64_t value;
    memcpy(&value, vm_at(vm, address), sizeof value);
    return value;
}

static size_t place_of(const struct vm_host *host, const char *name, size_t len) {
    size_t i = 0;
    while (i < host->count &&
           (strlen(host->names[i]) != len || memcmp(host->names[i], name, len))) {
        i++;
    }
    return i;
}

/* A value for the engine to take over. VM_NULL: an exception, which is set. */
static uint32_t boxed(struct vm *vm, uint64_t value) {
    if (vm_failed(value)) {
        return VM_NULL;
    }
    uint32_t address = vm_room(vm, sizeof value);
    if (address == VM_NULL) {
        engine_trapped(0 /* out of memory for eight bytes */);
    }
    memcpy(vm_at(vm, address), &value, sizeof value);
    return address;
}

u32 Z_envZ_host_call(struct Z_env_instance_t *env, u32 name, u32 name_len, u32 this_at, u32 count,
                     u32 arguments_at) {
    struct vm *vm = of_env(env);
    uint64_t arguments[HOST_ARGUMENTS_MAX];
    for (size_t i = 0; i < HOST_ARGUMENTS_MAX; i++) {
        arguments[i] = VM_UNDEFINED;
    }
    size_t which = place_of(vm->host, vm_at(vm, name), name_len);
    if (which == vm->host->count) {
        engine_trapped(0 /* the prelude knows no other names */);
    }
    size_t known = count < HOST_ARGUMENTS_MAX ? count : HOST_ARGUMENTS_MAX;
    for (size_t i = 0; i < known; i++) {
        uint32_t at;
        memcpy(&at, vm_at(vm, arguments_at + (uint32_t)(i * sizeof at)), sizeof at);
        arguments[i] = load_boxed(vm, at);
    }
    return boxed(vm, vm->host->call(vm, which, arguments, known));
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

/* For hosts that hear of rejections. Nobody switched it on. */
void Z_envZ_host_promise_rejection(struct Z_env_instance_t *env, u32 promise, u32 reason,
                                   u32 handled) {
}

u32 Z_envZ_host_module_normalize(struct Z_env_instance_t *env, u32 base, u32 name) {
    (void)vm_throw_error(of_env(env), "import() is not available: a workflow is one file");
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
