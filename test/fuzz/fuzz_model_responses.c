/* fuzz_model_responses.c: any bytes as a stream of this kind. */
#include "model/wire/wire.h"

#define WIRE wire_responses
#include "fuzz_model.h"
