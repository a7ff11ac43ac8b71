// SPDX-License-Identifier: Apache-2.0
// Hill climbing, step for step as in climb.py, which says what it does and why. Integers only, so
// that both give the same offsets.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define AWAY (-1)
#define ONE 1024
#define HEAVIEST ((int64_t)1 << 30)
#define FARTHEST ((int64_t)1 << 20)
#define REST 64

typedef struct {
    int64_t at, weight;
} event_t;

typedef struct {
    int64_t count, capacity;
    const int64_t *sizes, *alignments, *base, *start, *near, *up, *down, *joins;
    int64_t *offsets, *weights, *pairs;
    int64_t *change;
    uint64_t *marks, *words;
    event_t *events;
    uint64_t random;
} climb_t;

static int64_t below(climb_t *c, int64_t limit)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((c->random >> 33) % (uint64_t)limit);
}

// At `at` the weight changes. A bit for every place where it does, and one for every word of these
// bits that isn't zero, find the places again in their order.
static void mark(climb_t *c, int64_t at, int64_t weight)
{
    c->change[at] += weight;
    c->marks[at / 64] |= (uint64_t)1 << at % 64;
    c->words[at / 4096] |= (uint64_t)1 << at / 64 % 64;
}

// From `low` to before `high` the weight counts.
static void add(climb_t *c, int64_t low, int64_t high, int64_t weight)
{
    if (low < high) {
        mark(c, low, weight);
        mark(c, high, -weight);
    }
}

// All that is marked up to `last` + 1, ascending, into the events; nothing is marked then.
static int64_t collect(climb_t *c, int64_t last)
{
    int64_t n = 0;
    for (int64_t group = 0; group <= (last + 1) / 4096; group++) {
        for (uint64_t words = c->words[group]; words; words &= words - 1) {
            const int64_t word = group * 64 + __builtin_ctzll(words);
            for (uint64_t bits = c->marks[word]; bits; bits &= bits - 1) {
                const int64_t at = word * 64 + __builtin_ctzll(bits);
                c->events[n++] = (event_t){at, c->change[at]};
                c->change[at] = 0;
            }
            c->marks[word] = 0;
        }
        c->words[group] = 0;
    }
    return n;
}

// The walls of buffer i, sorted, in units of its alignment.
static int64_t walls(climb_t *c, int64_t i, int64_t last)
{
    // A power of two; shifts round down, whatever the sign.
    const int shift = __builtin_ctzll((uint64_t)c->alignments[i]);
    for (int64_t k = c->start[i]; k < c->start[i + 1]; k++) {
        const int64_t j = c->near[k], other = c->offsets[j];
        if (other == AWAY)
            continue;
        int64_t low = ((other - c->up[k]) >> shift) + 1;
        int64_t high = -(-(other + c->down[k]) >> shift);
        low = low > 0 ? low : 0;
        high = high < last + 1 ? high : last + 1;
        const int64_t weight = c->weights[j] * c->pairs[k] / ONE;
        if (c->joins[k] && (other >> shift) << shift == other) {
            const int64_t join = other >> shift;
            add(c, low, high < join ? high : join, weight);
            add(c, low > join + 1 ? low : join + 1, high, weight);
        } else {
            add(c, low, high, weight);
        }
    }
    return collect(c, last);
}

static int64_t noisy(climb_t *c, int64_t cost, int64_t noise)
{
    return cost + cost * below(c, noise) / 1000;
}

static int64_t cheapest(climb_t *c, int64_t i, int64_t last, int64_t noise)
{
    const int64_t n = walls(c, i, last);
    int64_t best = INT64_MAX, chosen = 0, cost = 0, begin = 0;
    for (int64_t at = 0; begin <= last;) {
        for (; at < n && c->events[at].at == begin; at++)
            cost += c->events[at].weight;
        const int64_t end = at < n ? c->events[at].at : last + 1;
        if (cost < best) {
            const int64_t found = noisy(c, cost, noise);
            if (found < best) {
                best = found;
                chosen = begin;
            }
        }
        if (end - 1 > begin && cost < best) {
            const int64_t found = noisy(c, cost, noise);
            if (found < best) {
                best = found;
                chosen = end - 1;
            }
        }
        begin = end;
    }
    return chosen;
}

static int64_t lowest(climb_t *c, int64_t i, int64_t last)
{
    const int64_t n = walls(c, i, last);
    int64_t cost = 0, begin = 0;
    for (int64_t at = 0; begin <= last;) {
        for (; at < n && c->events[at].at == begin; at++)
            cost += c->events[at].weight;
        if (cost == 0)
            return begin;
        begin = at < n ? c->events[at].at : last + 1;
    }
    return AWAY;
}

static int64_t grown(int64_t weight, int64_t gain, int64_t most)
{
    const int64_t more = weight + weight * gain / ONE + 1;
    return more < most ? more : most;
}

// What was gained goes again.
static void rest(climb_t *c, int64_t kept)
{
    for (int64_t i = 0; i < c->count; i++)
        c->weights[i] = c->base[i] + (c->weights[i] - c->base[i]) * kept / ONE;
    for (int64_t k = 0; k < c->start[c->count]; k++)
        c->pairs[k] = ONE + (c->pairs[k] - ONE) * kept / ONE;
}

// What was found falls; as it is where one that joins another can't follow.
static void settle(climb_t *c, int64_t *order, int64_t *found)
{
    memcpy(found, c->offsets, (size_t)c->count * sizeof *found);
    for (int64_t i = 0; i < c->count; i++) {
        int64_t at = i;
        for (; at > 0 && found[order[at - 1]] > found[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
        c->offsets[i] = AWAY;
    }
    for (int64_t n = 0; n < c->count; n++) {
        const int64_t i = order[n], alignment = c->alignments[i];
        const int64_t at = lowest(c, i, (c->capacity - c->sizes[i]) / alignment);
        if (at == AWAY) {
            memcpy(c->offsets, found, (size_t)c->count * sizeof *found);
            return;
        }
        c->offsets[i] = at * alignment;
    }
}

typedef struct {
    int64_t heaviest, gain, pair_gain, kept, noise, fixed, shared;
} taste_t;

// Gives the effort that is left, and how many buffers found no place.
static int64_t run(climb_t *c, const int64_t *twins, const taste_t *taste, int64_t budget,
                   int64_t *queue, int64_t *moved, int64_t *waiting)
{
    const int64_t capacity = c->capacity;
    const int64_t *const sizes = c->sizes, *const start = c->start;
    int64_t *const offsets = c->offsets;
    int64_t queued = 0, step = 0;
    memcpy(c->weights, c->base, (size_t)c->count * sizeof *c->base);
    for (int64_t k = 0; k < start[c->count]; k++)
        c->pairs[k] = ONE;
    for (int64_t i = 0; i < c->count; i++) {
        if (offsets[i] + sizes[i] > capacity) {
            offsets[i] = AWAY;
            queue[queued++] = i;
        }
    }
    while (queued > 0 && budget > 0) {
        int64_t at = 0;
        if (below(c, 100) < taste->heaviest) {
            for (int64_t q = 1; q < queued; q++)
                at = c->base[queue[q]] > c->base[queue[at]] ? q : at;
        } else {
            at = below(c, queued);
        }
        const int64_t i = queue[at], alignment = c->alignments[i];
        queue[at] = queue[--queued];
        budget -= taste->fixed + (start[i + 1] - start[i]) / taste->shared;
        const int64_t place =
            alignment * cheapest(c, i, (capacity - sizes[i]) / alignment, taste->noise);
        offsets[i] = place;
        int64_t yielding = 0;
        for (int64_t k = start[i]; k < start[i + 1]; k++) {
            const int64_t j = c->near[k], other = offsets[j];
            if (other == AWAY || place + c->up[k] <= other || other + c->down[k] <= place ||
                (c->joins[k] && place == other))
                continue;
            offsets[j] = AWAY;
            c->weights[j] = grown(c->weights[j], taste->gain, HEAVIEST);
            c->pairs[k] = c->pairs[twins[k]] = grown(c->pairs[k], taste->pair_gain, FARTHEST);
            int64_t to = yielding++;
            for (; to > 0 && c->base[moved[to - 1]] < c->base[j]; to--)
                moved[to] = moved[to - 1];
            moved[to] = j;
        }
        for (int64_t m = 0; m < yielding; m++) {
            const int64_t j = moved[m];
            budget -= taste->fixed + (start[j + 1] - start[j]) / taste->shared;
            const int64_t found = lowest(c, j, (capacity - sizes[j]) / c->alignments[j]);
            if (found == AWAY)
                queue[queued++] = j;
            else
                offsets[j] = found * c->alignments[j];
        }
        if (++step % REST == 0)
            rest(c, taste->kept);
    }
    *waiting = queued;
    if (queued == 0)
        settle(c, queue, moved);
    return budget;
}

// Gives the effort that is left, and in `waiting` how many buffers found no place, or -1 where there
// is no memory. `twins`: where each entry of `near` has its pair the other way round.
EXPORT int64_t climb(int64_t count, int64_t capacity, const int64_t *sizes,
                     const int64_t *alignments, const int64_t *base, const int64_t *start,
                     const int64_t *near, const int64_t *up, const int64_t *down,
                     const int64_t *joins, const int64_t *twins, int64_t *offsets, int64_t budget,
                     int64_t seed, int64_t heaviest, int64_t gain, int64_t pair_gain, int64_t kept,
                     int64_t noise, int64_t fixed, int64_t shared, int64_t *waiting)
{
    const taste_t taste = {heaviest, gain, pair_gain, kept, noise, fixed, shared};
    int64_t finest = capacity > 0 ? capacity : 1;
    for (int64_t i = 0; i < count; i++)
        finest = alignments[i] < finest ? alignments[i] : finest;
    const size_t n = (size_t)count, places = (size_t)(capacity / finest) + 2;
    int64_t *const memory = malloc((3 * n + (size_t)start[count]) * sizeof *memory);
    climb_t c = {.count = count, .capacity = capacity, .sizes = sizes, .alignments = alignments,
                 .base = base, .start = start, .near = near, .up = up, .down = down,
                 .joins = joins, .offsets = offsets, .random = (uint64_t)seed, .weights = memory,
                 .pairs = memory + 3 * n,
                 .change = calloc(places, sizeof *c.change),
                 .marks = calloc(places / 64 + 1, sizeof *c.marks),
                 .words = calloc(places / 4096 + 1, sizeof *c.words),
                 .events = malloc((4 * n + 1) * sizeof *c.events)};
    *waiting = -1;
    if (memory && c.change && c.marks && c.words && c.events)
        budget = run(&c, twins, &taste, budget, memory + n, memory + 2 * n, waiting);
    free(memory);
    free(c.change);
    free(c.marks);
    free(c.words);
    free(c.events);
    return budget;
}
