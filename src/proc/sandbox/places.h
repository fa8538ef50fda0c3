/* places.h: which folders stay out of sight, and a ruleset that shows all others.
 *
 * Landlock only ever grants, and what it grants of a folder it grants of all below. So what is to
 * be hidden is gone around: each folder that stands above something hidden is granted nothing by
 * itself, and of its entries all but the one on the way. What is made in such a folder later is not
 * seen, and neither are the names in it.
 *
 * Limits     a file is known by device and inode. A second mount of a hidden folder is recognised
 *            where its root is hidden or stands above; one whose root lies below, or that stands
 *            somewhere inside a granted folder, shows what it shows. Nobody without rights over
 *            mounts makes one; see decisions/021.
 * Ownership  plain memory; paths are borrowed.
 * Failure    the ruleset may have some of the rules already: throw it away.
 */
#ifndef DROVER_PROC_SANDBOX_PLACES_H
#define DROVER_PROC_SANDBOX_PLACES_H

#include <sys/stat.h>

#include "base/base.h"
#include "base/err.h"

enum { PLACES_HIDDEN_MAX = 16, PLACES_ABOVE_MAX = 512 };

struct place {
    dev_t device;
    ino_t inode;
};
struct places {
    const char *paths[PLACES_HIDDEN_MAX];
    struct place hidden[PLACES_HIDDEN_MAX];
    size_t hidden_count;
    struct place above[PLACES_ABOVE_MAX];
    size_t above_count;
};

/* An absolute path that is no link. ELOOP: it is one. */
MUST_CHECK struct err places_hide(struct places *places, const char *path);

enum places_where {
    PLACES_CLEAR,
    PLACES_INSIDE, /* It is hidden. */
    PLACES_ABOVE,  /* Something hidden lies in it. */
};
MUST_CHECK struct err places_judge(const struct places *places, int folder,
                                   enum places_where *ret_where);

/* Everything that is not hidden gets those of `rights` that mean something there. */
MUST_CHECK struct err places_show(const struct places *places, int ruleset, uint64_t rights);

#endif
