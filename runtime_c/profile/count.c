/* SPDX-License-Identifier: Apache-2.0
 *
 * A QEMU TCG plugin that counts what one call of a function executes, exactly: per layer and per
 * address the executions and the branches taken from there, and per layer the loads and stores.
 *
 * Argument: plan=FILE, lines of `code START END`, `entry ADDRESS`, `return ADDRESS`, `layers COUNT`,
 * `layer NUMBER ADDRESS` (ascending numbers) and last `out FILE`; addresses are hexadecimal.
 * Counting runs from the first execution of `entry` to that of `return`. The output holds lines of
 * `layer NUMBER INSTRUCTIONS LOADS STORES`, each followed by its `address HEX COUNT TAKEN`, and ends
 * in `complete OUTSIDE`, the instructions executed outside the code range.
 *
 * The executions of an address are counted inline by the translated code; what calls back is the
 * first instruction of a layer, the start of a translated block, and every access to memory.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu_plugin_api.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = 1;

enum { MAXIMUM_LAYERS = 65536 };

typedef struct {
    uint64_t start;
    uint64_t last; /* address of the last instruction */
    uint64_t end;
} block_t;

typedef struct {
    uint64_t loads;
    uint64_t stores;
    uint64_t *executed; /* one entry per halfword of the code range */
    uint64_t *taken;
} counters_t;

static uint64_t code_start, code_end, entry_address, return_address;
static uint64_t layer_count;
static uint64_t *layer_of; /* per halfword: number of the layer that begins there, plus one */
static char output_name[4096];

static counters_t now;     /* since the program started */
static counters_t before;  /* at the last change of layer */
static counters_t *layers; /* sums of the differences */
static uint64_t outside, outside_before;
static const block_t *previous;
static uint64_t current;
static enum { WAITING, COUNTING, FINISHED } state = WAITING;

static size_t halfwords(void)
{
    return (size_t)((code_end - code_start) / 2);
}

static bool inside(uint64_t address)
{
    return address >= code_start && address < code_end;
}

static void *allocate(size_t entries, size_t size)
{
    void *memory = calloc(entries ? entries : 1, size);
    if (memory == NULL) {
        fprintf(stderr, "tinyengine plugin: out of memory\n");
        exit(1);
    }
    return memory;
}

static void new_counters(counters_t *counters)
{
    counters->executed = allocate(halfwords(), sizeof(uint64_t));
    counters->taken = allocate(halfwords(), sizeof(uint64_t));
}

static void move(uint64_t *sum, uint64_t *old, uint64_t new)
{
    *sum += new - *old;
    *old = new;
}

/* Gives what was counted since the last call to `to`, or to nobody. */
static void settle(counters_t *to)
{
    uint64_t nobody = 0;
    move(to ? &to->loads : &nobody, &before.loads, now.loads);
    move(to ? &to->stores : &nobody, &before.stores, now.stores);
    for (size_t i = 0; i < halfwords(); i++) {
        move(to ? &to->executed[i] : &nobody, &before.executed[i], now.executed[i]);
        move(to ? &to->taken[i] : &nobody, &before.taken[i], now.taken[i]);
    }
}

static void at_entry(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (state == WAITING) {
        settle(NULL);
        outside_before = outside;
        current = 0;
        state = COUNTING;
    }
}

static void at_return(unsigned int cpu, void *data)
{
    (void)cpu;
    (void)data;
    if (state == COUNTING) {
        settle(&layers[current]);
        outside_before = outside - outside_before;
        state = FINISHED;
    }
}

static void at_layer(unsigned int cpu, void *data)
{
    (void)cpu;
    uint64_t number = (uint64_t)(uintptr_t)data;
    if (state == COUNTING && number != current && number < layer_count) {
        settle(&layers[current]);
        current = number;
    }
}

/* A block that doesn't begin where the one before ended was branched to. */
static void at_block(unsigned int cpu, void *data)
{
    const block_t *block = data;
    (void)cpu;
    if (state == COUNTING && previous != NULL && previous->end != block->start
        && inside(previous->last)) {
        now.taken[(previous->last - code_start) / 2]++;
    }
    previous = block;
}

/* A callback and no inline counters, since QEMU 7.2 confuses reads and writes of those. */
static void at_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)cpu;
    (void)address;
    (void)data;
    if (qemu_plugin_mem_is_store(info)) {
        now.stores++;
    } else {
        now.loads++;
    }
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *translated)
{
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(translated);
    block_t *block = allocate(1, sizeof *block);
    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, i);
        uint64_t address = qemu_plugin_insn_vaddr(instruction);
        if (i == 0) {
            block->start = address;
        }
        block->last = address;
        block->end = address + qemu_plugin_insn_size(instruction);

        uint64_t *counter = &outside;
        /* Callbacks come before the counters: an instruction belongs to the layer it begins. */
        if (address == return_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction, at_return, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        if (address == entry_address) {
            qemu_plugin_register_vcpu_insn_exec_cb(
                instruction, at_entry, QEMU_PLUGIN_CB_NO_REGS, NULL);
        }
        if (inside(address)) {
            size_t index = (size_t)((address - code_start) / 2);
            counter = &now.executed[index];
            if (layer_of[index] != 0) {
                qemu_plugin_register_vcpu_insn_exec_cb(instruction, at_layer,
                    QEMU_PLUGIN_CB_NO_REGS, (void *)(uintptr_t)(layer_of[index] - 1));
            }
        }
        qemu_plugin_register_vcpu_insn_exec_inline(
            instruction, QEMU_PLUGIN_INLINE_ADD_U64, counter, 1);
        qemu_plugin_register_vcpu_mem_cb(
            instruction, at_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW, NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(translated, at_block, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void write_layer(FILE *file, uint64_t number)
{
    const counters_t *layer = &layers[number];
    uint64_t instructions = 0;
    for (size_t i = 0; i < halfwords(); i++) {
        instructions += layer->executed[i];
    }
    fprintf(file, "layer %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", number, instructions,
        layer->loads, layer->stores);
    for (size_t i = 0; i < halfwords(); i++) {
        if (layer->executed[i] != 0) {
            fprintf(file, "address %" PRIx64 " %" PRIu64 " %" PRIu64 "\n", code_start + 2 * i,
                layer->executed[i], layer->taken[i]);
        }
    }
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    if (state != FINISHED) {
        return;
    }
    FILE *file = fopen(output_name, "w");
    if (file == NULL) {
        fprintf(stderr, "tinyengine plugin: cannot write %s\n", output_name);
        return;
    }
    for (uint64_t number = 0; number < layer_count; number++) {
        write_layer(file, number);
    }
    fprintf(file, "complete %" PRIu64 "\n", outside_before);
    fclose(file);
}

static bool read_plan(const char *name)
{
    FILE *file = fopen(name, "r");
    char line[4200];
    uint64_t number, address;
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "code %" SCNx64 " %" SCNx64, &code_start, &code_end) == 2) {
            layer_of = allocate(halfwords(), sizeof(uint64_t));
        } else if (sscanf(line, "layer %" SCNu64 " %" SCNx64, &number, &address) == 2) {
            /* Layers without code share an address; what follows belongs to the last of them. */
            if (layer_of != NULL && inside(address)) {
                layer_of[(address - code_start) / 2] = number + 1;
            }
        } else if (sscanf(line, "entry %" SCNx64, &entry_address) != 1
            && sscanf(line, "return %" SCNx64, &return_address) != 1
            && sscanf(line, "layers %" SCNu64, &layer_count) != 1) {
            sscanf(line, "out %4095[^\n]", output_name);
        }
    }
    fclose(file);
    return layer_of != NULL && layer_count > 0 && layer_count < MAXIMUM_LAYERS
        && output_name[0] != '\0';
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(
    qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "plan=", 5) != 0 || !read_plan(argv[0] + 5)) {
        fprintf(stderr, "tinyengine plugin: no valid plan\n");
        return 1;
    }
    new_counters(&now);
    new_counters(&before);
    layers = allocate((size_t)layer_count, sizeof *layers);
    for (uint64_t number = 0; number < layer_count; number++) {
        new_counters(&layers[number]);
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, at_exit, NULL);
    return 0;
}
