/* fuzz_model_anthropic.c: any bytes as a stream of this kind. */
#include "model/wire/wire.h"

#define WIRE wire_anthropic
#include "fuzz_model.h"
