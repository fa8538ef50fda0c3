/* free.c: memory is freed in the pool where there is much: a megabyte takes a millisecond. */
#include "base/memory.h"
#include "loop/loop.h"

enum { FREE_INLINE = 64 << 10 };

struct burden {
    struct loop_work work;
    void (*release)(void *what);
    void *what;
};

static void burden_release(struct loop_work *work) {
    const struct burden *burden = CONTAINER_OF(work, struct burden, work);
    burden->release(burden->what);
}

static void on_burden_released(struct loop_work *work) {
    mem_free(CONTAINER_OF(work, struct burden, work));
}

void loop_free(struct loop *loop, void (*release)(void *what), void *what, size_t bytes) {
    struct burden *burden = bytes > FREE_INLINE ? mem_try(sizeof *burden) : NULL;
    if (burden == NULL) {
        release(what);
        return;
    }
    *burden = (struct burden){
        {.run = burden_release, .done = on_burden_released}, .release = release, .what = what};
    loop_work(loop, &burden->work);
}
