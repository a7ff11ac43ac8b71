/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the arena while layers run. Before a layer every byte that holds nothing to be read later
 * gets a pattern, the dead tensors among them; after it the bytes that were none of its business
 * must still hold that pattern, and tensors that wait for later layers must not have changed. */
struct te_check_range {
    uint32_t low;
    uint32_t high;
};

static uint8_t te_check_pattern(uint32_t address)
{
    return (uint8_t)(0xa5u ^ (address * 29u));
}

static void te_check_fill(uint8_t *arena, const struct te_check_range *range, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        for (uint32_t at = range[i].low; at < range[i].high; ++at) {
            arena[at] = te_check_pattern(at);
        }
    }
}

static int32_t te_check_filled(
    const uint8_t *arena, const struct te_check_range *range, uint32_t count)
{
    for (uint32_t i = 0; i < count; ++i) {
        for (uint32_t at = range[i].low; at < range[i].high; ++at) {
            if (arena[at] != te_check_pattern(at)) {
                return 0;
            }
        }
    }
    return 1;
}

/* Fowler, Noll and Vo's hash, FNV-1a, of all ranges. */
static uint32_t te_check_sum(
    const uint8_t *arena, const struct te_check_range *range, uint32_t count)
{
    uint32_t sum = 2166136261u;
    for (uint32_t i = 0; i < count; ++i) {
        for (uint32_t at = range[i].low; at < range[i].high; ++at) {
            sum = (sum ^ arena[at]) * 16777619u;
        }
    }
    return sum;
}
