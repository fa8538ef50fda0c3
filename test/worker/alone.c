/* alone.c: a worker without zygote and jail: its host is the test, at descriptor 3. */
#include <stdio.h>

#include "script/worker/worker.h"

int main(void) {
    struct worker *worker = worker_boot();
    if (worker == NULL) {
        (void)fprintf(stderr, "the engine did not start\n");
        return 1;
    }
    worker_run(worker, 3);
}
