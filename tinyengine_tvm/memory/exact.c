// SPDX-License-Identifier: Apache-2.0
// Branch and bound, step for step as in exact.py, which says what it does and why: the same offsets
// for the same effort. The calls that Python nests are levels of a stack here, and what it copies
// for each is undone.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define NOWHERE (-1)
#define FEW 32
#define BITS 20 // of a buffer's index
#define INDEX ((INT64_C(1) << BITS) - 1)

enum { CANONICAL = 1, DOMINANCE = 2, INFERENCE = 4, DECOMPOSITION = 8 };
enum { NO_MEMORY = -2, EXHAUSTED = -1, NEVER = 0, FITS = 1 };

typedef struct {
    int64_t begin, count; // in `waiting`
} part_t;

// Waiting buffers, split into parts that are solved one after the other.
typedef struct {
    int64_t floor, previous;
    int64_t waiting, count;
    int64_t parts, part_count, part;
    int64_t candidates, candidate_count, left;
    int64_t changes; // how many there were before this part
    int opened;
} level_t;

typedef struct {
    int64_t buffer, lowest, held;
} change_t;

typedef struct {
    int64_t count, capacity, techniques;
    const int64_t *size, *alignment, *extent, *advance, *first, *last; // sections, both included
    const int64_t *start, *near, *distance, *joins;
    int64_t *offsets;
    int64_t *lowest, *held, *meets, *here; // by buffer
    int64_t *spots;                        // offset << BITS | buffer
    int64_t *height, *slack;               // by section
    int64_t *waiting;                      // stacked, level on level
    int64_t *candidates;                   // likewise, spots; a level's lowest is its last
    part_t *parts;
    level_t *levels;
    change_t *changes;
    int64_t changed, mark, budget;
} search_t;

static int64_t align_up(int64_t value, int64_t alignment)
{
    return (value + alignment - 1) & -alignment;
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t bound(const search_t *s, int64_t i, int64_t floor)
{
    return s->held[i] == floor ? floor : s->lowest[i];
}

static int falling(const void *one, const void *other)
{
    const int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return a > b ? -1 : a < b;
}

static void sort(int64_t *spots, int64_t count)
{
    if (count > FEW) {
        qsort(spots, (size_t)count, sizeof *spots, falling);
        return;
    }
    for (int64_t k = 1; k < count; k++) {
        const int64_t moved = spots[k];
        int64_t to = k;
        for (; to > 0 && spots[to - 1] < moved; to--)
            spots[to] = spots[to - 1];
        spots[to] = moved;
    }
}

static int may_fit(search_t *s, int64_t count, int64_t floor)
{
    const int64_t *const spots = s->spots;
    for (int64_t k = 0; k < count; k++) {
        const int64_t i = spots[k] & INDEX;
        for (int64_t at = s->first[i]; at <= s->last[i]; at++) {
            s->height[at] = 0;
            s->slack[at] = INT64_C(1) << 62;
        }
    }
    for (int64_t k = 0; k < count; k++) {
        const int64_t i = spots[k] & INDEX, size = s->size[i], step = s->advance[i];
        const int64_t room = s->capacity - most(spots[k] >> BITS, floor);
        if (size > room)
            return 0;
        for (int64_t at = s->first[i]; at <= s->last[i]; at++) {
            s->height[at] += step;
            s->slack[at] = least(s->slack[at], size - step);
            if (s->height[at] + s->slack[at] > room)
                return 0;
        }
    }
    return 1;
}

// Whether a buffer held at the floor may have to lie higher, for others to begin there too.
static int joined_above(const search_t *s, int64_t i, int64_t floor)
{
    for (int64_t k = s->start[i]; k < s->start[i + 1]; k++) {
        const int64_t j = s->near[k];
        if (!s->joins[k] || s->here[j] != s->mark)
            continue;
        const int low = s->lowest[j] <= floor && floor % s->alignment[j] == 0;
        if (!low && s->held[j] != floor)
            return 1;
        for (int64_t l = s->start[j]; l < s->start[j + 1]; l++)
            if (s->joins[l] && s->near[l] != i && s->here[s->near[l]] == s->mark)
                return 1;
    }
    return 0;
}

// The candidates of the level's part.
static int open_part(search_t *s, level_t *level)
{
    const part_t part = s->parts[level->parts + level->part];
    const int64_t *const waiting = s->waiting + part.begin;
    const int64_t floor = level->floor, previous = level->previous;
    int64_t hole = INT64_MAX, end = 0;
    level->opened = 1;
    level->left = level->candidate_count = 0;
    level->changes = s->changed;
    for (int64_t k = 0; k < part.count; k++)
        s->budget -= s->last[waiting[k]] - s->first[waiting[k]] + 1;
    if (s->budget < 0)
        return 0;
    for (int64_t k = 0; k < part.count; k++) {
        const int64_t i = waiting[k], at = bound(s, i, floor);
        s->spots[k] = at << BITS | i;
        hole = least(hole, at + s->extent[i]);
        end = most(end, at + s->size[i]);
    }
    if (!(s->techniques & DOMINANCE))
        hole = s->capacity + 1;
    if (hole <= floor || end > s->capacity)
        return 1;
    sort(s->spots, part.count);
    if (s->techniques & INFERENCE && !may_fit(s, part.count, floor))
        return 1;
    s->mark++;
    if (previous != NOWHERE)
        for (int64_t k = s->start[previous]; k < s->start[previous + 1]; k++)
            s->meets[s->near[k]] = s->mark;
    int64_t *const found = s->candidates + level->candidates, count = 0, lifted = 0;
    for (int64_t k = 0; k < part.count; k++)
        s->here[waiting[k]] = s->mark;
    for (int64_t k = 0; k < part.count; k++) {
        const int64_t at = s->spots[k] >> BITS, i = s->spots[k] & INDEX, low = s->lowest[i];
        if (floor <= at && at < hole
            && (at > floor || i > previous || s->meets[i] == s->mark
                || !(s->techniques & CANONICAL)))
            found[count++] = s->spots[k];
        if (s->held[i] == floor && floor < low && low < hole && low + s->size[i] <= s->capacity
            && joined_above(s, i, floor)) {
            found[count++] = low << BITS | i;
            lifted = 1;
        }
    }
    if (lifted)
        sort(found, count);
    level->left = level->candidate_count = count;
    return 1;
}

static void put(search_t *s, int64_t i, int64_t offset)
{
    s->offsets[i] = offset;
    for (int64_t k = s->start[i]; k < s->start[i + 1]; k++) {
        const int64_t j = s->near[k], from = offset + s->distance[k];
        const int64_t lowest = s->lowest[j], held = s->held[j];
        if (s->joins[k]) {
            if (offset % s->alignment[j] == 0 && (held == offset || lowest <= offset))
                s->held[j] = offset;
        } else if (s->distance[k] && held == offset) {
            s->held[j] = NOWHERE;
        }
        if (from > lowest)
            s->lowest[j] = align_up(from, s->alignment[j]);
        if (s->lowest[j] != lowest || s->held[j] != held)
            s->changes[s->changed++] = (change_t){j, lowest, held};
    }
}

static void undo(search_t *s, int64_t changes)
{
    while (s->changed > changes) {
        const change_t change = s->changes[--s->changed];
        s->lowest[change.buffer] = change.lowest;
        s->held[change.buffer] = change.held;
    }
}

// Splits the level's buffers, which are by rising first section, where none goes on; small parts
// come first.
static void split(search_t *s, level_t *level)
{
    part_t *const parts = s->parts + level->parts;
    int64_t count = 0, reached = 0;
    for (int64_t k = 0; k < level->count; k++) {
        const int64_t i = s->waiting[level->waiting + k];
        if (count == 0 || (s->first[i] > reached && (s->techniques & DECOMPOSITION)))
            parts[count++] = (part_t){level->waiting + k, 0};
        parts[count - 1].count++;
        reached = most(reached, s->last[i]);
    }
    for (int64_t k = 1; k < count; k++) {
        const part_t moved = parts[k];
        int64_t to = k;
        for (; to > 0 && parts[to - 1].count > moved.count; to--)
            parts[to] = parts[to - 1];
        parts[to] = moved;
    }
    level->part_count = count;
    level->part = 0;
    level->opened = 0;
}

// The level above, with what still waits in its part once buffer i is placed at `floor`.
static void descend(search_t *s, const level_t *below, level_t *level, int64_t i, int64_t floor)
{
    const part_t part = s->parts[below->parts + below->part];
    *level = (level_t){.floor = floor, .previous = i};
    level->waiting = below->waiting + below->count;
    level->parts = below->parts + below->part_count;
    level->candidates = below->candidates + below->candidate_count;
    for (int64_t k = part.begin; k < part.begin + part.count; k++)
        if (s->waiting[k] != i)
            s->waiting[level->waiting + level->count++] = s->waiting[k];
    split(s, level);
}

static int search(search_t *s)
{
    int64_t depth = 0;
    split(s, s->levels);
    for (;;) {
        level_t *const level = s->levels + depth;
        if (level->part == level->part_count) {
            if (depth-- == 0)
                return FITS;
            s->levels[depth].part++;
            s->levels[depth].opened = 0;
            continue;
        }
        if (!level->opened && !open_part(s, level))
            return EXHAUSTED;
        if (level->left == 0) {
            if (depth-- == 0)
                return NEVER;
            undo(s, s->levels[depth].changes);
            continue;
        }
        const int64_t spot = s->candidates[level->candidates + --level->left];
        const int64_t i = spot & INDEX, offset = spot >> BITS;
        put(s, i, offset);
        descend(s, level, level + 1, i, offset);
        depth++;
    }
}

// Of the buffers in the order of preference: size, alignment, extent, advance, and the first and
// last of their sections. near[start[i]..start[i + 1]) are those that buffer i meets, with the
// distance from i to them and whether they may begin together. by_first: the buffers by rising
// first section. Gives FITS and the offsets, or NEVER, EXHAUSTED or NO_MEMORY; and what is left of
// the budget.
EXPORT int64_t exact(int64_t count, int64_t sections, int64_t capacity, int64_t techniques,
    const int64_t *size, const int64_t *alignment, const int64_t *extent, const int64_t *advance,
    const int64_t *first, const int64_t *last, const int64_t *by_first, const int64_t *start,
    const int64_t *near, const int64_t *distance, const int64_t *joins, int64_t *budget,
    int64_t *offsets)
{
    search_t s = {.count = count, .capacity = capacity, .techniques = techniques, .size = size,
        .alignment = alignment, .extent = extent, .advance = advance, .first = first, .last = last,
        .start = start, .near = near, .distance = distance, .joins = joins, .offsets = offsets,
        .budget = *budget};
    const size_t n = (size_t)count, meetings = (size_t)start[count];
    // Each level has a buffer less than the part below it that it solves.
    const size_t stacked = n * (n + 1) / 2;
    int64_t *const table = malloc((5 * n + 2 * (size_t)sections + 3 * stacked + 1) * sizeof *table);
    s.parts = malloc((2 * n + 1) * sizeof *s.parts);
    s.levels = malloc((n + 1) * sizeof *s.levels);
    s.changes = malloc((meetings + 1) * sizeof *s.changes);
    int64_t result = NO_MEMORY;
    if (table && s.parts && s.levels && s.changes) {
        s.lowest = table;
        s.held = s.lowest + n;
        s.meets = s.held + n;
        s.here = s.meets + n;
        s.spots = s.here + n;
        s.height = s.spots + n;
        s.slack = s.height + sections;
        s.waiting = s.slack + sections;
        s.candidates = s.waiting + stacked;
        for (size_t i = 0; i < n; i++) {
            s.lowest[i] = s.meets[i] = s.here[i] = 0;
            s.held[i] = NOWHERE;
        }
        memcpy(s.waiting, by_first, n * sizeof *by_first);
        s.levels[0] = (level_t){.previous = NOWHERE, .count = count};
        result = search(&s);
    }
    *budget = s.budget;
    free(table);
    free(s.parts);
    free(s.levels);
    free(s.changes);
    return result;
}
