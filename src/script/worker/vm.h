/* vm.h: the JavaScript engine, in words of C.
 *
 * Promise    nothing that a script does reaches outside of its memory: the engine is WebAssembly
 *            turned into C, each access to its memory is checked, and it can call nothing but the
 *            imports in vm.c. Clock and random numbers are constants there.
 * Ownership  one engine for each process, never freed. A value that a function here returned is
 *            the caller's, who ends it with vm_free; arguments stay the caller's.
 * Threads    none.
 * Failure    VM_EXCEPTION: something was thrown; vm_exception takes it.
 */
#ifndef DROVER_SCRIPT_WORKER_VM_H
#define DROVER_SCRIPT_WORKER_VM_H

#include "base/base.h"

/* A value of the language: the tag in the high half, as quickjs.h has it for 32 bits. */
enum vm_tag { VM_TAG_BOOL = 1, VM_TAG_UNDEFINED = 3, VM_TAG_EXCEPTION = 6 };
#define VM_UNDEFINED ((uint64_t)VM_TAG_UNDEFINED << 32)
#define VM_FALSE ((uint64_t)VM_TAG_BOOL << 32)
#define VM_TRUE ((uint64_t)VM_TAG_BOOL << 32 | 1)
#define VM_EXCEPTION ((uint64_t)VM_TAG_EXCEPTION << 32)

/* An address in the engine's own memory. 0: none. */
#define VM_NULL 0U

struct vm;

/* Functions of the host that the prelude calls. A function returns a value, or
 * VM_EXCEPTION after vm_throw; of its arguments those that were not given are VM_UNDEFINED. */
enum { VM_ARGUMENTS_MAX = 8 };
struct vm_function {
    const char *name;
    uint64_t (*call)(struct vm *vm, const uint64_t *arguments);
};
struct vm_host {
    const struct vm_function *functions;
    size_t count;
    /* The script's time is over, and the engine is at a point where it can stop. May call into it.
     * True: it stops now, with an exception that no script catches. */
    bool (*over)(struct vm *vm);
};

struct vm {
    struct Z_quickjs_instance_t *wasm; /* Owned, as is the next. */
    struct vm_kept *kept;              /* NULL: it was not kept. */
    const struct vm_host *host;
    uint32_t runtime, context; /* Addresses. */
    uint64_t cpu_max_ns;       /* How much a script may compute between two waits. 0: no limit. */
    uint64_t cpu_until_ns;     /* 0: nobody has asked since the script began. */
    bool stuck;                /* The limit was reached. */
    bool interrupted;          /* The engine was told so: nothing of the script runs any more. */
};

/* Once for each process. */
MUST_CHECK bool vm_boot(struct vm *vm, const struct vm_host *host);

/* Once, before any script: keeps the engine as it is now. False: the system does not let us, and
 * vm_restore must not be called. */
MUST_CHECK bool vm_keep(struct vm *vm);
/* In a fork, once: what most scripts write is copied. */
void vm_own_heap(const struct vm *vm);
/* The engine as it was kept, byte for byte: nothing of a script is left. */
void vm_restore(struct vm *vm);
/* Whether a script took more memory than a process keeps for the next one. */
MUST_CHECK bool vm_has_grown(const struct vm *vm);

/* Limit on the memory of the engine in all. */
void vm_limit_memory(struct vm *vm, uint32_t megabytes);

/* From now on the script has its whole time again. */
void vm_rest(struct vm *vm);
/* True when that time is over; sets vm->stuck. */
MUST_CHECK bool vm_is_over(struct vm *vm);
uint64_t vm_used_ns(void); /* CPU time of this process. */

void vm_free(struct vm *vm, uint64_t value);
MUST_CHECK bool vm_failed(uint64_t value);

MUST_CHECK uint64_t vm_string(struct vm *vm, struct bytes text);
/* An object with all functions of the host. */
MUST_CHECK uint64_t vm_host_functions(struct vm *vm);

/* `code` is terminated. The first line has the number `line`; of sealed code it is 1. */
struct vm_source {
    struct bytes code;
    const char *file;
    int line;
    bool sealed; /* Functions made of it do not show their source. */
};
MUST_CHECK uint64_t vm_eval(struct vm *vm, const struct vm_source *source);

/* Room of `size` bytes in the engine's memory, for vm_parse. VM_NULL: there is none. */
MUST_CHECK uint32_t vm_room(struct vm *vm, uint32_t size);
MUST_CHECK char *vm_at(struct vm *vm, uint32_t address);
/* JSON of `len` bytes in such room, which must have one more; ends the room. */
MUST_CHECK uint64_t vm_parse(struct vm *vm, uint32_t address, uint32_t len);

MUST_CHECK uint64_t vm_get(struct vm *vm, uint64_t object, const char *name);
MUST_CHECK uint64_t vm_call(struct vm *vm, uint64_t function, const uint64_t *arguments,
                            size_t count);

/* The text of a string (of another value: its String()), valid UTF-8, in the engine itself:
 * borrowed until any other call, ended with vm_text_free. `text.data` is NULL if there is none. */
struct vm_text {
    struct bytes text;
    uint32_t address;
};
MUST_CHECK struct vm_text vm_text(struct vm *vm, uint64_t value);
void vm_text_free(struct vm *vm, struct vm_text text);

MUST_CHECK uint64_t vm_exception(struct vm *vm);
/* Each returns VM_EXCEPTION. */
uint64_t vm_throw_out_of_memory(struct vm *vm);
uint64_t vm_throw(struct vm *vm, uint64_t value); /* Takes the value. */

enum vm_job { VM_JOB_NONE, VM_JOB_DONE, VM_JOB_FAILED };
MUST_CHECK enum vm_job vm_job(struct vm *vm);

enum vm_promise { VM_NO_PROMISE = -1, VM_PENDING = 0, VM_FULFILLED = 1, VM_REJECTED = 2 };
MUST_CHECK enum vm_promise vm_promise(struct vm *vm, uint64_t value);
MUST_CHECK uint64_t vm_promise_result(struct vm *vm, uint64_t value);

#endif
