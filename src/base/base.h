/* base.h: the few words that every file of this project speaks.
 *
 * The only header that everybody may include. It declares no function and no type with a life;
 * whatever grows one of those belongs in a header of its own.
 */
#ifndef DROVER_BASE_BASE_H
#define DROVER_BASE_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The result must be looked at, or cast to (void) with the reason beside the cast. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* `AUTO(release) type name = ...;` calls release(&name) when the scope ends, on every path. That is
 * a use: clang would otherwise warn of a variable that is only held. */
#define AUTO(release) __attribute__((cleanup(release), unused))

#define PRINTF_LIKE(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The object that embeds `member`, from a pointer to that member. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* A borrowed run of bytes; not terminated. Whoever hands one over says until when it lives. */
struct bytes {
    const char *data;
    size_t len;
};

#define BYTES(literal) ((struct bytes){(literal), sizeof(literal) - 1})
/* The same inside the initialiser of a static table, where a compound literal is not allowed. */
/* clang-format off */
#define BYTES_INIT(literal) {(literal), sizeof(literal) - 1}
/* clang-format on */

#endif
