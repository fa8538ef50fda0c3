/* world.h: the only way to what is outside: clock, randomness, durable files.
 *
 * Promise    code above asks the world and never the system, so that a test can be the world.
 * Threads    every function may be called from any thread.
 * Failure    `wall_ms`, `mono_ns` and `random` cannot fail.
 *
 * The network and processes join here with the first code that needs them; listening sockets belong
 * to http/, which is tested over real ones.
 */
#ifndef DROVER_LOOP_WORLD_H
#define DROVER_LOOP_WORLD_H

#include "base/base.h"
#include "base/err.h"
#include "base/id.h"

struct world {
    void *ctx;
    int64_t (*wall_ms)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);
    /* mono_ns and the time that the machine was suspended; NULL: never. */
    uint64_t (*boot_ns)(void *ctx);
    void (*random)(void *ctx, void *bytes, size_t len);
    /* Replaces or makes `path` so that after a crash it holds the old or the new bytes, whole:
     * temporary file in the same folder, fsync, rename, fsync of the folder. */
    struct err (*file_replace)(void *ctx, const char *path, struct bytes content, unsigned mode);
    /* At most size_max bytes; *ret_content is owned, terminated (mem_free). */
    struct err (*file_read)(void *ctx, const char *path, size_t size_max, char **ret_content,
                            size_t *ret_len);
};

const struct world *world_real(void);

static inline int64_t world_wall_ms(const struct world *world) {
    return world->wall_ms(world->ctx);
}
static inline uint64_t world_mono_ns(const struct world *world) {
    return world->mono_ns(world->ctx);
}
static inline uint64_t world_boot_ns(const struct world *world) {
    return world->boot_ns == NULL ? world_mono_ns(world) : world->boot_ns(world->ctx);
}
static inline void world_random(const struct world *world, void *bytes, size_t len) {
    world->random(world->ctx, bytes, len);
}
/* Id of a row that a transaction will make. */
static inline struct id world_new_id(const struct world *world, const char *prefix) {
    uint8_t random[10];
    world_random(world, random, sizeof random);
    return id_make(prefix, world_wall_ms(world), random);
}

#endif
