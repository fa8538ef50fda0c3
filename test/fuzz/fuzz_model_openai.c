/* fuzz_model_openai.c: any bytes as a stream of this kind. */
#include "model/wire/wire.h"

#define WIRE wire_openai
#include "fuzz_model.h"
