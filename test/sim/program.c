/* program.c: see program.h. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Made ------------------------------------------------------------------------------------- */

static uint64_t mixed(uint64_t value) {
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static uint64_t choose(uint64_t number, unsigned index, const char *purpose) {
    uint64_t value = mixed(number) ^ mixed(index + 1);
    for (const char *at = purpose; *at != '\0'; at++) {
        value = (value ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    }
    return mixed(value);
}

/* Kinds by weight; the first nodes can only be leaves. */
static enum node_kind kind_choose(uint64_t number, unsigned index) {
    static const enum node_kind leaves[] = {NODE_AGENT, NODE_AGENT, NODE_AGENT, NODE_AGENT,
                                            NODE_AGENT, NODE_CONST, NODE_THROW, NODE_SPENT};
    static const enum node_kind all[] = {
        NODE_AGENT,    NODE_AGENT,    NODE_AGENT,    NODE_LIST,     NODE_CHAIN,    NODE_REPEAT,
        NODE_PARALLEL, NODE_PARALLEL, NODE_PARALLEL, NODE_PIPELINE, NODE_PIPELINE, NODE_BRANCH,
        NODE_CATCH,    NODE_POOR,     NODE_PHASE,    NODE_LOG,      NODE_LEAVE,    NODE_PARALLEL,
    };
    uint64_t pick = choose(number, index, "kind") >> 8;
    return index < 2 ? leaves[pick % COUNT_OF(leaves)] : all[pick % COUNT_OF(all)];
}

static unsigned parts_wanted(enum node_kind kind, uint64_t pick) {
    switch (kind) {
    case NODE_LIST:
    case NODE_CHAIN:
        return 2 + (unsigned)(pick % 2);
    case NODE_PARALLEL:
        return 2 + (unsigned)(pick % 3);
    case NODE_PIPELINE:
        return 1 + (unsigned)(pick % 2);
    case NODE_BRANCH:
        return 3;
    case NODE_REPEAT:
    case NODE_CATCH:
    case NODE_POOR:
    case NODE_PHASE:
    case NODE_LOG:
    case NODE_LEAVE:
    case NODE_SLEEP:
    case NODE_RACE:
        return 1;
    default:
        return 0;
    }
}

/* Mostly one of the nodes just before, so that trees become deep. */
static unsigned part_choose(uint64_t number, unsigned index, unsigned part) {
    uint64_t pick = choose(number, index * 8 + part, "part");
    unsigned near = index < 4 ? index : 4;
    return pick % 3 != 0 ? index - 1 - (unsigned)((pick >> 8) % near)
                         : (unsigned)((pick >> 8) % index);
}

/* Within a child the call throws at once: that is worth fewer nodes. */
static bool is_nested(const struct program_id *id, unsigned index) {
    return choose(id->number, index, "workflow") % (id->child > 0 ? 5 : 2) == 0;
}

/* Some nodes wait for a timer instead; the others are what they would be without any. */
static enum node_kind timer_choose(uint64_t number, unsigned index, enum node_kind kind) {
    const uint64_t pick = choose(number, index, "timer") >> 8;
    if (index < 2 || pick % 5 > 0) {
        return kind;
    }
    return pick % 2 == 0 ? NODE_SLEEP : NODE_RACE;
}

static struct node node_make(const struct program_id *id, unsigned index) {
    const uint64_t number = id->number;
    uint64_t pick = choose(number, index, "node");
    struct node node = {.kind = timer_choose(number, index, kind_choose(number, index)),
                        .number = (unsigned)(pick % 5),
                        .options = (unsigned)(pick >> 8) % 12,
                        .test = (unsigned)(pick >> 16) % PROGRAM_QUESTIONS,
                        .count = 2 + (unsigned)(pick >> 24) % 2,
                        .is_long = (pick >> 32) % 24 == 0,
                        .looks = (pick >> 40) % 2 == 0};
    if (node.kind == NODE_AGENT && is_nested(id, index)) {
        node.kind = NODE_WORKFLOW;
    }
    node.part_count = parts_wanted(node.kind, pick >> 48);
    for (unsigned i = 0; i < node.part_count; i++) {
        node.parts[i] = part_choose(number, index, i);
    }
    node.count *= node.kind == NODE_POOR ? 40 : 1;
    return node;
}

enum { CALLS_MAX = 24, CHILD_CALLS_MAX = 3, CHILD_NODES_MAX = 6 };

/* Calls that one call of the node makes at most: a program stays small. */
static unsigned cost_of(const struct program *program, const struct node *node,
                        const unsigned *costs) {
    unsigned cost = node->kind == NODE_AGENT || node->kind == NODE_WORKFLOW;
    if (node->kind == NODE_WORKFLOW && program->id.child == 0) {
        cost += CHILD_CALLS_MAX;
    }
    for (unsigned i = 0; i < node->part_count; i++) {
        cost += costs[node->parts[i]];
    }
    return node->kind == NODE_REPEAT     ? cost * node->count
           : node->kind == NODE_PIPELINE ? cost * PROGRAM_ITEMS
                                         : cost;
}

static unsigned calls_max(const struct program *program) {
    return program->id.child > 0 ? CHILD_CALLS_MAX : CALLS_MAX;
}

static bool too_many_calls(const struct program *program) {
    unsigned costs[PROGRAM_NODES_MAX];
    for (unsigned i = 0; i < program->count; i++) {
        costs[i] = cost_of(program, &program->nodes[i], costs);
        if (costs[i] > calls_max(program)) {
            return true;
        }
    }
    return false;
}

static void change_apply(struct program *program) {
    unsigned change = program->id.change;
    if (change == 0) {
        return;
    }
    struct node *node =
        &program->nodes[choose(program->id.number, change, "change") % program->count];
    if (node->kind == NODE_WORKFLOW) {
        node->number = (node->number + change) % (PROGRAM_CHILDREN + 1); /* Another child. */
    } else if (node->kind == NODE_AGENT || node->part_count == 0) {
        node->number += 100 * change; /* Another prompt, another text. */
    } else {
        node->parts[0] = 0; /* Part of the tree is gone. */
    }
    if (too_many_calls(program)) {
        *node = (struct node){.kind = NODE_CONST, .number = 100 * change};
    }
}

struct program program_make(struct program_id id) {
    struct program program = {.id = id};
    unsigned costs[PROGRAM_NODES_MAX];
    const bool child = id.child > 0;
    unsigned least = child ? 3 : 5, most = child ? CHILD_NODES_MAX : PROGRAM_NODES_MAX;
    unsigned wanted = least + (unsigned)(choose(id.number, 0, "size") % (most - least));
    while (program.count < wanted) {
        struct node node = node_make(&id, program.count);
        unsigned cost = cost_of(&program, &node, costs);
        if (cost > calls_max(&program)) {
            node = (struct node){.kind = NODE_AGENT, .number = program.count, .options = 1};
            cost = 1;
        }
        costs[program.count] = cost;
        program.nodes[program.count++] = node;
    }
    change_apply(&program);
    return program;
}

/* --- What agents are asked -------------------------------------------------------------------- */

#define SCHEMA                                                                                     \
    "{\"properties\":{\"a\":{\"type\":\"string\"},\"n\":{\"type\":\"integer\"}},"                  \
    "\"required\":[\"a\"],\"type\":\"object\"}"

struct program_options program_options(const struct node *node) {
    static const struct program_options all[] = {
        {"{}", NULL, NULL},
        {"{}", "reader", NULL},
        {"{}", "writer \"2\"", "Own"},
        {"{\"schema\":" SCHEMA "}", "judge", NULL},
        {"{\"effort\":\"low\"}", NULL, NULL},
        {"{\"tools\":[\"read_file\"]}", "tools", NULL},
        {"{\"budget\":{\"output_tokens\":60}}", NULL, NULL},
        {"{\"model\":\"openai/think\"}", NULL, "Thought"},
        {"{}", NULL, NULL},
        {"{}", NULL, NULL},
        {"{\"effort\":\"high\",\"schema\":" SCHEMA "}", NULL, NULL},
        {"{}", "again", NULL},
    };
    return all[node->options % COUNT_OF(all)];
}

int64_t program_delay(const struct node *node) {
    static const int64_t delays[PROGRAM_QUESTIONS] = {0, 30, 1500, 20000};
    return delays[node->test % PROGRAM_QUESTIONS];
}

struct program_call program_call(const struct node *node) {
    const unsigned child = 1 + node->number % (PROGRAM_CHILDREN + 1);
    struct program_call call = {.by_path = node->test == 0};
    /* Only of a child that asks for args the daemon refuses a call without. */
    call.has_args = child != PROGRAM_CHILD_HOME || node->count != 2;
    (void)snprintf(call.name, sizeof call.name,
                   call.by_path ? ".drover/workflows/child-%u.js" : "child-%u", child);
    return call;
}

void program_prompt(const struct node *node, int64_t op, const char *suffix, struct text *text) {
    text_addf(text, "op#%lld. step %u", (long long)op, node->number);
    for (unsigned i = 0; node->is_long && i < PROGRAM_LONG; i++) {
        text_add_str(text, " far");
    }
    text_add_str(text, suffix);
}

/* --- Printed ---------------------------------------------------------------------------------- */

/* What a refusal of workflow() says has paths of the machine in it: it must not change prompts. */
static const char head[] =
    "const shape = (x) => x === null ? \"nothing\""
    " : typeof x === \"string\" && x.startsWith(\"caught: workflow: \") ? \"refused\""
    " : typeof x === \"string\" ? \"text \" + x.length % 4"
    " : Array.isArray(x) ? \"list \" + x.length"
    " : typeof x === \"object\" ? \"object \" + Object.keys(x).length : String(x);\n";

static void options_print(const struct node *node, struct text *text) {
    const struct program_options options = program_options(node);
    bool comma = strcmp(options.canonical, "{}") != 0;
    if (!comma && options.label == NULL && options.phase == NULL) {
        return;
    }
    text_add_str(text, ", ");
    text_add(text, options.canonical, strlen(options.canonical) - 1);
    if (options.label != NULL) {
        text_add_str(text, comma ? ",label:" : "label:");
        text_add_json(text, options.label, strlen(options.label));
        comma = true;
    }
    if (options.phase != NULL) {
        text_add_str(text, comma ? ",phase:" : "phase:");
        text_add_json(text, options.phase, strlen(options.phase));
    }
    text_add_char(text, '}');
}

static void agent_print(const struct node *node, struct text *text) {
    text_addf(text, "  return await agent(\"op#\" + args.op + \". step %u\"", node->number);
    if (node->is_long) {
        text_addf(text, " + \" far\".repeat(%d)", PROGRAM_LONG);
    }
    if (node->looks) {
        text_add_str(text, " + \" of \" + shape(x)");
    }
    options_print(node, text);
    text_add_str(text, ");\n");
}

static void workflow_print(const struct node *node, struct text *text) {
    const struct program_call call = program_call(node);
    text_addf(text,
              call.by_path ? "  return await workflow({scriptPath: \"%s\"}"
                           : "  return await workflow(\"%s\"",
              call.name);
    if (call.has_args) {
        text_addf(text, ", {%sop: args.op}", node->looks ? "x: shape(x), " : "");
    }
    text_add_str(text, ");\n");
}

static void parallel_print(const struct node *node, struct text *text) {
    text_add_str(text, "  return await parallel([");
    for (unsigned i = 0; i < node->part_count; i++) {
        text_addf(text, "%s() => n%u(x)", i > 0 ? ", " : "", node->parts[i]);
    }
    text_add_str(text, "]);\n");
}

static void pipeline_print(const struct node *node, struct text *text) {
    text_add_str(text, "  return await pipeline([");
    for (unsigned i = 0; i < PROGRAM_ITEMS; i++) {
        text_addf(text, "%s\"item %u\"", i > 0 ? ", " : "", i % 2);
    }
    text_add_char(text, ']');
    for (unsigned i = 0; i < node->part_count; i++) {
        text_addf(text, ", (v, item, i) => n%u(v)", node->parts[i]);
    }
    text_add_str(text, ");\n");
}

static const char *const questions[PROGRAM_QUESTIONS] = {
    "v === null",
    "typeof v === \"string\"",
    "Array.isArray(v) && v.includes(null)",
    "shape(v) === \"text 1\"",
};

static void list_print(const struct node *node, struct text *text) {
    text_add_str(text, "  const all = [];\n");
    for (unsigned i = 0; i < node->part_count; i++) {
        text_addf(text, "  all.push(await n%u(x));\n", node->parts[i]);
    }
    text_add_str(text, "  return all;\n");
}

static void chain_print(const struct node *node, struct text *text) {
    for (unsigned i = 0; i < node->part_count; i++) {
        text_addf(text, "  x = await n%u(x);\n", node->parts[i]);
    }
    text_add_str(text, "  return x;\n");
}

static void node_print(const struct node *node, struct text *text) {
    unsigned part = node->parts[0];
    switch (node->kind) {
    case NODE_AGENT:
        agent_print(node, text);
        return;
    case NODE_CONST:
        text_addf(text, "  return \"text %u\";\n", node->number);
        return;
    case NODE_LIST:
        list_print(node, text);
        return;
    case NODE_CHAIN:
        chain_print(node, text);
        return;
    case NODE_REPEAT:
        text_addf(text,
                  "  const all = [];\n  for (let i = 0; i < %u; i++) all.push(await n%u(x));\n"
                  "  return all;\n",
                  node->count, part);
        return;
    case NODE_PARALLEL:
        parallel_print(node, text);
        return;
    case NODE_PIPELINE:
        pipeline_print(node, text);
        return;
    case NODE_BRANCH:
        text_addf(text,
                  "  const v = await n%u(x);\n  if (%s) return await n%u(v);\n"
                  "  return await n%u(v);\n",
                  part, questions[node->test], node->parts[1], node->parts[2]);
        return;
    case NODE_THROW:
        text_addf(text, "  throw new Error(\"thrown %u\");\n", node->number);
        return;
    case NODE_CATCH:
        text_addf(text,
                  "  try { return await n%u(x); }"
                  " catch (error) { return \"caught: \" + error.message; }\n",
                  part);
        return;
    case NODE_POOR:
        text_addf(text,
                  "  if (budget.remaining() < %u) return \"poor \" + budget.spent();\n"
                  "  return await n%u(x);\n",
                  node->count, part);
        return;
    case NODE_SPENT:
        text_add_str(text, "  return [budget.total, budget.spent()];\n");
        return;
    case NODE_PHASE:
        text_addf(text, "  phase(\"part %u\");\n  return await n%u(x);\n", node->number, part);
        return;
    case NODE_LOG:
        text_addf(text, "  const v = await n%u(x);\n  log(\"saw \" + shape(v));\n  return v;\n",
                  part);
        return;
    case NODE_WORKFLOW:
        workflow_print(node, text);
        return;
    case NODE_SLEEP:
        text_addf(text, "  await sleep(%lld);\n  return await n%u(x);\n",
                  (long long)program_delay(node), part);
        return;
    case NODE_RACE:
        text_addf(text,
                  "  return await new Promise((resolve, reject) => {\n"
                  "    const timer = setTimeout(resolve, %lld, \"late %u\");\n"
                  "    n%u(x).then((v) => { clearTimeout(timer); resolve(v); },\n"
                  "      (error) => { clearTimeout(timer); reject(error); });\n  });\n",
                  (long long)program_delay(node), node->number, part);
        return;
    case NODE_LEAVE:
        text_addf(text, "  n%u(x);\n  return \"left %u\";\n", part, node->number);
        return;
    case NODE_KINDS:
        break;
    }
    assert(false);
}

bool program_has_main(const struct program *program) {
    return program->id.child > 0 && program->id.child % 2 == 0;
}

static void meta_print(const struct program *program, struct text *text) {
    text_add_str(text, "export const meta = { name: \"");
    if (program->id.child > 0) {
        text_addf(text, "child-%u", program->id.child);
    } else {
        text_add_str(text, "generated");
    }
    text_add_str(text, "\", description: \"a program of the simulator\", timers: true");
    if (program->id.child == PROGRAM_CHILD_HOME) {
        text_add_str(text, ", args: { type: \"object\", required: [\"op\"] }");
    }
    text_add_str(text, " };\n");
}

void program_print(const struct program *program, struct text *text) {
    const struct program_id id = program->id;
    meta_print(program, text);
    text_add_str(text, head);
    for (unsigned i = 0; i < program->count; i++) {
        text_addf(text, "const n%u = async (x) => {\n", i);
        node_print(&program->nodes[i], text);
        text_add_str(text, "};\n");
    }
    text_addf(text, "const program = \"program#%llu.%u.%u.\";\n", (unsigned long long)id.number,
              id.change, id.child);
    text_addf(text,
              program_has_main(program)
                  ? "export default async function main(args) {\n"
                    "return await n%u(typeof args.x === \"string\" ? args.x : \"begin\");\n}\n"
                  : "return await n%u(typeof args.x === \"string\" ? args.x : \"begin\");\n",
              program->count - 1);
}

bool program_identify(struct bytes script, struct program_id *ret_id) {
    static const char sign[] = "\"program#";
    const char *at = memmem(script.data, script.len, sign, sizeof sign - 1);
    char copy[48] = "";
    if (at == NULL) {
        return false;
    }
    at += sizeof sign - 1;
    size_t left = (size_t)(script.data + script.len - at);
    memcpy(copy, at, left < sizeof copy ? left : sizeof copy - 1);
    char *end = NULL;
    ret_id->number = strtoull(copy, &end, 10);
    if (*end != '.') {
        return false;
    }
    ret_id->change = (unsigned)strtoul(end + 1, &end, 10);
    if (*end != '.') {
        return false;
    }
    ret_id->child = (unsigned)strtoul(end + 1, &end, 10);
    return *end == '.';
}
